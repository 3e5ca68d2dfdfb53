"""Gives up root's right to read what its modes forbid, so that a directory can be unreadable for whoever runs this."""

from __future__ import annotations

import ctypes

_VERSION_3 = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def give_up_reading_everything() -> None:
    """Of this process, for good (capabilities(7)). Does nothing for who never had the right."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = _Header(_VERSION_3, 0), (_Data * 2)()
    if libc.capget(ctypes.byref(header), data):
        raise OSError(ctypes.get_errno(), "capget")
    lost = 1 << _DAC_OVERRIDE | 1 << _DAC_READ_SEARCH
    data[0].effective &= ~lost
    data[0].permitted &= ~lost
    if libc.capset(ctypes.byref(header), data):
        raise OSError(ctypes.get_errno(), "capset")
