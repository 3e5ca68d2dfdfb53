"""Which files were written together."""

from __future__ import annotations

from yp2p.files.recent_writes import WAVE_FILES, WAVE_S, Waves


def test_a_wave_is_many_files_within_a_second() -> None:
    waves = Waves()
    waves.add("before", 0.0)
    for number in range(WAVE_FILES - 2):
        waves.add(f"file-{number}", 10.0 + number / 100)
    waves.add("last", 10.0 + WAVE_S)
    assert not any(waves.includes(path) for path in ("before", "file-0", "last", "unknown"))
    waves.add("file-0", 10.0)  # the same file again makes no wave
    assert not waves.includes("last")
    waves.add("one-more", 10.0 + WAVE_S / 2)
    assert waves.includes("last")
    assert waves.includes("one-more")
    assert not waves.includes("before")


def test_a_flood_of_writes_does_not_fill_the_memory() -> None:
    waves = Waves()
    for number in range(10_000):
        waves.add(f"file-{number}", number / 1000)
    assert waves.includes("file-9999")
    assert len(waves._written) < 1000
