"""Places for connections that have proved nothing: nobody holds them against others."""

from __future__ import annotations

import pytest

from yp2p.transport.half_open import (
    MAX_HALF_OPEN,
    MAX_HALF_OPEN_KNOWN,
    MAX_HALF_OPEN_PER_SOURCE,
    HalfOpen,
    Place,
    source_of,
)


class Places:
    """`HalfOpen`, with the names of those that lost their place."""

    def __init__(self) -> None:
        self._places = HalfOpen()
        self.lost: list[str] = []

    def take(self, name: str, host: str, *, is_known: bool = False, speaks: bool = False) -> Place | None:
        place = self._places.take(host, lambda: self.lost.append(name), is_known=is_known)
        if place is not None:
            place.has_spoken = speaks
        return place

    def fill(self, *, speaks: bool = False) -> None:
        for number in range(MAX_HALF_OPEN):
            host = f"10.0.0.{number // MAX_HALF_OPEN_PER_SOURCE}"
            assert self.take(f"{number}", host, speaks=speaks) is not None

    def leave(self, place: Place) -> None:
        self._places.leave(place)


def test_when_full_the_oldest_that_said_nothing_goes() -> None:
    places = Places()
    places.fill()
    assert places.take("honest", "10.0.1.1", speaks=True) is not None
    assert places.take("another", "10.0.1.2") is not None
    assert places.lost == ["0", "1"]


def test_when_all_have_spoken_the_fullest_source_loses_its_oldest() -> None:
    places = Places()
    places.fill(speaks=True)
    assert places.take("honest", "10.0.1.1") is not None
    assert places.lost == ["0"]


def test_a_source_that_is_full_takes_from_itself_alone() -> None:
    places = Places()
    for number in range(MAX_HALF_OPEN_PER_SOURCE):
        places.take(f"{number}", "10.0.0.1", speaks=number == 0)
    assert places.take("next", "10.0.0.1") is not None
    assert places.lost == ["1"]
    talking = Places()
    for number in range(MAX_HALF_OPEN_PER_SOURCE):
        talking.take(f"{number}", "10.0.0.1", speaks=True)
    assert talking.take("next", "10.0.0.1") is None
    assert talking.take("other", "10.0.0.2") is not None


def test_addresses_of_known_devices_have_places_of_their_own() -> None:
    places = Places()
    places.fill(speaks=True)
    for number in range(MAX_HALF_OPEN_KNOWN):
        assert places.take(f"known {number}", "10.0.2.1", is_known=True) is not None
    assert places.lost == []
    assert places.take("stranger", "10.0.3.1", speaks=True) is not None
    assert places.lost == ["0"], "it takes no place of theirs"


def test_who_left_or_lost_its_place_takes_none() -> None:
    places = Places()
    place = places.take("one", "10.0.0.1")
    assert place is not None
    places.leave(place)
    places.leave(place)
    places.fill()
    assert places.lost == []


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
    ],
)
def test_a_network_of_64_bits_counts_as_one(one: str, other: str, is_same: bool) -> None:
    assert (source_of(one) == source_of(other)) is is_same
