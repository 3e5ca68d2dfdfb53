"""When a peer is asked again for blobs that did not come, or that could not be written."""

from __future__ import annotations

import math

from yp2p.peers.blob_retries import RETRY_S, BlobRetries

A, B = b"a" * 32, b"b" * 32


def test_what_did_not_come_is_asked_for_later() -> None:
    retries = BlobRetries()
    assert retries.is_due(A, 100.0)
    retries.retry_later([A], 100.0)
    assert not retries.is_due(A, 100.0)
    assert retries.is_due(B, 100.0)
    assert retries.next_at == 100.0 + RETRY_S
    assert retries.is_due(A, 100.0 + RETRY_S)


def test_what_is_due_wakes_nobody_again_and_again() -> None:
    retries = BlobRetries()
    retries.retry_later([A], 100.0)
    retries.forget_due(100.0 + RETRY_S)
    assert retries.next_at == math.inf


def test_what_cannot_be_written_is_tried_less_and_less_often_up_to_a_limit() -> None:
    retries = BlobRetries()
    waits: list[float] = []
    for _ in range(5):
        retries.cannot_write([A], 0.0)
        waits.append(retries.next_at)
    assert waits == [5.0, 10.0, 20.0, 20.0, 20.0]
    retries.written(A)
    retries.cannot_write([A], 0.0)
    assert retries.next_at == 5.0


def test_who_may_have_more_by_now_is_asked_at_once_but_for_what_cannot_be_written() -> None:
    retries = BlobRetries()
    retries.retry_later([A], 0.0)
    retries.cannot_write([B], 0.0)
    retries.expect_missing()
    assert retries.is_due(A, 0.0)
    assert not retries.is_due(B, 0.0)
