"""What is written to a bad object store is there once, whole, and said to be there only if it is."""

import pytest

from shards import s3_ranges, storage
from shards.errors import ShardError
from shards.retry import RetryPolicy
from shards.s3_ranges import ReadLimits
from tests.chaos.conftest import FaultyStore
from tests.chaos.faults import Fault, Faults

PASSING_PUT = (
    Fault.SLOW_DOWN,
    Fault.THROTTLED,
    Fault.INTERNAL,
    Fault.GATEWAY,
    Fault.RESET_BEFORE,
    Fault.LOST_ANSWER,
)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = ReadLimits(retry=RetryPolicy(2.0, first_wait_seconds=0.01, longest_wait_seconds=0.05))
    monkeypatch.setattr(s3_ranges, "LIMITS", limits)


@pytest.mark.parametrize("fault", PASSING_PUT, ids=lambda fault: fault.name)
def test_a_fault_that_passes(fault: Fault, faulty_store: FaultyStore) -> None:
    faulty_store.proxy.set(Faults((fault,), next_requests=2, methods=("PUT",)))
    storage.write_bytes(f"{faulty_store.url}/x", b"right")
    assert storage.read_bytes(f"{faulty_store.url}/x") == b"right"
    assert faulty_store.proxy.counts().faults == {fault: 2}


@pytest.mark.parametrize("fault", PASSING_PUT, ids=lambda fault: fault.name)
def test_a_lost_answer_does_not_lose_the_race(fault: Fault, faulty_store: FaultyStore) -> None:
    """The store took the bytes, the answer was lost: trying again finds our own, and no one else's."""
    faulty_store.proxy.set(Faults((fault,), next_requests=1, methods=("PUT",)))
    assert storage.write_if_absent(f"{faulty_store.url}/x", b"mine")
    assert not storage.write_if_absent(f"{faulty_store.url}/x", b"mine")


def test_expired_credentials_are_looked_for_anew(faulty_store: FaultyStore) -> None:
    faulty_store.proxy.set(Faults((Fault.EXPIRED,), next_requests=1))
    storage.write_bytes(f"{faulty_store.url}/a/x", b"x")
    assert storage.list_names(faulty_store.url) == ["a/x"]
    assert faulty_store.proxy.counts().faults == {Fault.EXPIRED: 1}


def test_credentials_that_stay_expired(faulty_store: FaultyStore) -> None:
    faulty_store.proxy.set(Faults((Fault.EXPIRED,), share=1.0, methods=("PUT", "GET")))
    with pytest.raises(ShardError, match=r"cannot write .*\(ExpiredToken\)"):
        storage.write_bytes(f"{faulty_store.url}/x", b"x")
    with pytest.raises(ShardError, match=r"cannot list .*\(ExpiredToken\)"):
        storage.list_names(faulty_store.url)
    assert faulty_store.proxy.counts().requests == 4


def test_a_store_that_stays_broken_is_said_to_be(faulty_store: FaultyStore) -> None:
    faulty_store.proxy.set(Faults((Fault.SLOW_DOWN,), share=1.0, methods=("PUT",)))
    with pytest.raises(ShardError, match=r"cannot write .*several times"):
        storage.write_bytes(f"{faulty_store.url}/x", b"x")
