"""Each fault of a bad object store, by name, against the reading of bytes from it."""

import random
import secrets
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import monotonic, sleep

import pytest

from shards import s3_ranges, storage
from shards.errors import NotFoundError, ShardError
from shards.retry import RetryPolicy
from shards.s3_ranges import ReadLimits
from tests.chaos.conftest import FaultyStore
from tests.chaos.faults import PASSING, Fault, Faults, Request

CONTENT = random.Random(1).randbytes(400_000)
START, LENGTH = 100_000, 200_000
AFTER = 70_001
"""Bytes of a body before a fault within it."""
LIMITS = ReadLimits(
    connect_seconds=0.5,
    stall_seconds=0.4,
    slowest_bytes_per_second=1_000_000,
    retry=RetryPolicy(deadline_seconds=1.0, first_wait_seconds=0.01, longest_wait_seconds=0.05),
)
WITHIN = (Fault.RESET_WITHIN, Fault.STALL_WITHIN, Fault.CLOSED_EARLY, Fault.SHORT_LENGTH)

Reader = Callable[[str, int, int], bytes]


def read_into(url: str, start: int, length: int) -> bytes:
    content = bytearray(length)
    storage.read_into(url, start, memoryview(content))
    return bytes(content)


@pytest.fixture
def url(faulty_store: FaultyStore, monkeypatch: pytest.MonkeyPatch) -> str:
    """CONTENT, in a store whose faults are got over in tenths of seconds."""
    url = f"{faulty_store.url}/content"
    storage.write_bytes(url, CONTENT)
    storage.read_range(url, 0, 1)
    monkeypatch.setattr(s3_ranges, "LIMITS", LIMITS)
    faulty_store.proxy.reset_counts()
    return url


def is_without_repetition(requests: list[Request], start: int) -> bool:
    """Whether each request asks for what follows the bytes that the ones before it brought."""
    reached = start
    for request in requests:
        if int((request.range or "bytes=0-").removeprefix("bytes=").split("-")[0]) != reached:
            return False
        reached += request.body_bytes if request.status in (200, 206) else 0
    return True


@pytest.mark.parametrize("read", [storage.read_range, read_into])
@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: fault.name)
def test_a_range_comes_right(fault: Fault, read: Reader, url: str, faulty_store: FaultyStore) -> None:
    faulty_store.proxy.set(Faults((fault,), next_requests=1, after_bytes=AFTER))
    start = monotonic()
    assert read(url, START, LENGTH) == CONTENT[START : START + LENGTH]
    assert monotonic() - start < LIMITS.stall_seconds + LENGTH / LIMITS.slowest_bytes_per_second + 0.5
    requests = faulty_store.proxy.requests()
    assert [request.fault for request in requests] == [fault, ""]
    if fault in WITHIN:
        assert requests[0].body_bytes == AFTER
        assert is_without_repetition(requests, START)


@pytest.mark.parametrize(
    "fault",
    [fault for fault in PASSING if fault not in (Fault.SHORT_LENGTH, Fault.WHOLE_OBJECT)],
    ids=lambda fault: fault.name,
)
def test_a_whole_object_comes_right(fault: Fault, url: str, faulty_store: FaultyStore) -> None:
    faulty_store.proxy.set(Faults((fault,), next_requests=1, after_bytes=AFTER))
    assert storage.read_bytes(url) == CONTENT
    requests = faulty_store.proxy.requests()
    assert len(requests) == 2
    if fault in WITHIN:
        assert is_without_repetition(requests, 0)


def test_every_try_broken_and_yet_all_bytes_once(
    url: str, faulty_store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More tries in all than the deadline has room for: what gets on may go on."""
    monkeypatch.setattr(s3_ranges, "LIMITS", replace(LIMITS, slowest_bytes_per_second=20_000))
    faulty_store.proxy.set(Faults((Fault.RESET_WITHIN,), next_requests=39, after_bytes=5_000, latency_ms=30))
    start = monotonic()
    assert storage.read_range(url, START, LENGTH) == CONTENT[START : START + LENGTH]
    assert monotonic() - start > LIMITS.retry.deadline_seconds
    requests = faulty_store.proxy.requests()
    assert len(requests) == LENGTH / 5_000
    assert is_without_repetition(requests, START)
    assert sum(request.body_bytes for request in requests) == LENGTH


@pytest.mark.parametrize(
    "fault", [fault for fault in PASSING if fault is not Fault.SHORT_LENGTH], ids=lambda fault: fault.name
)
def test_a_fault_that_stays_ends_in_a_clear_line_in_time(
    fault: Fault, url: str, faulty_store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = replace(LIMITS, stall_seconds=0.2, retry=replace(LIMITS.retry, deadline_seconds=0.4))
    monkeypatch.setattr(s3_ranges, "LIMITS", limits)
    faulty_store.proxy.set(Faults((fault,), share=1.0))
    start = monotonic()
    with pytest.raises(ShardError, match=r"cannot read s3://.*content.*(several times|too slowly)"):
        storage.read_range(url, START, LENGTH)
    # The whole, and the last try and its wait.
    whole = 0.4 + LENGTH / limits.slowest_bytes_per_second
    assert monotonic() - start < whole + 0.4 + 0.05 + 0.3


def test_the_host_gone_for_a_while(url: str, faulty_store: FaultyStore) -> None:
    def read(number: int) -> bytes:
        return storage.read_range(url, number, LENGTH)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, range(8))) == [CONTENT[n : n + LENGTH] for n in range(8)]
        faulty_store.proxy.vanish(0.5)
        start = monotonic()
        assert list(pool.map(read, range(8))) == [CONTENT[n : n + LENGTH] for n in range(8)]
    assert 0.4 < monotonic() - start < 1.0


def test_the_host_gone_for_too_long(url: str, faulty_store: FaultyStore) -> None:
    faulty_store.proxy.vanish(60.0)
    start = monotonic()
    with pytest.raises(ShardError, match=r"several times.*Connection refused.*check that it runs"):
        storage.read_range(url, START, LENGTH)
    assert monotonic() - start < LIMITS.retry.deadline_seconds + 0.5


def test_a_name_that_nobody_knows(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        s3_ranges, "LIMITS", replace(LIMITS, retry=replace(LIMITS.retry, deadline_seconds=0.1))
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store.invalid:9000")
    start = monotonic()
    with pytest.raises(ShardError, match=r"several times \(last: gaierror"):
        storage.read_range(url, START, LENGTH)
    assert monotonic() - start < LIMITS.retry.deadline_seconds + 20, "the resolver's own limit"


def test_a_host_that_does_not_answer(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for client in (first, second):  # what fills its queue: further ones get no answer
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{full.getsockname()[1]}")
        start = monotonic()
        with pytest.raises(ShardError, match=r"several times \(last: TimeoutError"):
            storage.read_range(url, START, LENGTH)
        assert monotonic() - start < LIMITS.retry.deadline_seconds + LIMITS.connect_seconds + 0.5


def test_expired_credentials_are_looked_for_anew(url: str, faulty_store: FaultyStore) -> None:
    faulty_store.proxy.set(Faults((Fault.EXPIRED,), next_requests=1))
    assert storage.read_range(url, START, LENGTH) == CONTENT[START : START + LENGTH]
    assert [request.status for request in faulty_store.proxy.requests()] == [403, 206]


def test_credentials_that_stay_expired_are_told_at_once(url: str, faulty_store: FaultyStore) -> None:
    faulty_store.proxy.set(Faults((Fault.EXPIRED,), share=1.0))
    with pytest.raises(ShardError, match=r"does not accept the credentials \(ExpiredToken\)"):
        storage.read_range(url, START, LENGTH)
    assert len(faulty_store.proxy.requests()) == 2


def test_a_missing_object_is_told_at_once(url: str, faulty_store: FaultyStore) -> None:
    faulty_store.proxy.set(Faults((Fault.MISSING,), share=1.0, only="/content"))
    with pytest.raises(NotFoundError, match=r"content: it does not exist"):
        storage.read_range(url, START, LENGTH)
    with pytest.raises(NotFoundError, match="no bucket 'no-such-bucket'"):
        storage.read_range("s3://no-such-bucket/x", START, LENGTH)
    assert len(faulty_store.proxy.requests()) == 2


def test_wrong_bytes_are_right_when_asked_again(url: str, faulty_store: FaultyStore) -> None:
    """No digest covers a range: who has one compares, and asks again."""
    faulty_store.proxy.set(Faults((Fault.WRONG_BYTE,), next_requests=1, after_bytes=AFTER))
    wrong, right = (storage.read_range(url, START, LENGTH) for _ in range(2))
    assert [place for place in range(LENGTH) if wrong[place] != right[place]] == [AFTER]
    assert right == CONTENT[START : START + LENGTH]


def test_an_object_replaced_while_it_is_read(url: str, faulty_store: FaultyStore) -> None:
    """Old bytes are not continued by new ones."""
    other = secrets.token_bytes(300_000)
    proxy = faulty_store.proxy
    proxy.set(Faults((Fault.RESET_WITHIN,), next_requests=1, after_bytes=AFTER, latency_ms=300))
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(storage.read_bytes, url)
        while len(proxy.requests()) < 2:
            sleep(0.01)
        proxy.clear()
        storage.write_bytes(url, other)  # while the second request waits
        assert read.result() == other


def test_a_connection_serves_many_reads(url: str, faulty_store: FaultyStore) -> None:
    proxy = faulty_store.proxy
    storage.read_range(url, 0, 1)
    before = proxy.counts().connections
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda start: storage.read_range(url, start, 1_000), range(200)))
    assert proxy.counts().connections - before <= 3
    assert proxy.counts().requests == 201


def test_errors_do_not_cost_the_connection(url: str, faulty_store: FaultyStore) -> None:
    proxy = faulty_store.proxy
    storage.read_range(url, 0, 1)
    before = proxy.counts().connections
    proxy.set(Faults((Fault.SLOW_DOWN, Fault.THROTTLED, Fault.GATEWAY), next_requests=5))
    assert storage.read_range(url, START, LENGTH) == CONTENT[START : START + LENGTH]
    assert proxy.counts().connections == before


@pytest.mark.full
@pytest.mark.timeout(400)
def test_a_storm(faulty_store: FaultyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two minutes of every fault that passes, at every fifth request: no byte is wrong, no read is lost."""
    url, content = f"{faulty_store.url}/storm", random.Random(2).randbytes(8_000_000)
    storage.write_bytes(url, content)
    monkeypatch.setattr(
        s3_ranges, "LIMITS", replace(LIMITS, retry=replace(LIMITS.retry, deadline_seconds=20))
    )
    faulty_store.proxy.set(Faults(PASSING, share=0.2, seed=3, after_bytes=20_000))
    end = monotonic() + 120

    def read(thread: int) -> tuple[int, float]:
        draw, count, longest = random.Random(thread), 0, 0.0
        while (began := monotonic()) < end:
            start, length = draw.randrange(7_000_000), draw.randrange(1, 300_000)
            assert storage.read_range(url, start, length) == content[start : start + length]
            count, longest = count + 1, max(longest, monotonic() - began)
        return count, longest

    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(read, range(4)))
    counts = faulty_store.proxy.counts()
    assert set(counts.faults) == set(PASSING)
    assert sum(counts.faults.values()) > 0.15 * counts.requests
    assert max(longest for _, longest in ended) < 20
    assert sum(count for count, _ in ended) > 500
