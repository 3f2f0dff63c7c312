"""The same set in an object store on loopback: fetching alone, and the full loader."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from infra.services import ObjectStore
from infra.stages import say
from tests.benchmarks.streaming import contest
from tests.benchmarks.streaming.contest import HERE, Round, ours, run, server_cpu_seconds
from tests.benchmarks.streaming.environment import python_for
from tests.benchmarks.streaming.fetching import CLIENTS
from tests.benchmarks.streaming.measure import Ask
from tests.chaos.faults import Faults
from tests.chaos.proxy import Proxy

READS = "read_into"
RANGES = {0: "a sample each", 8 * 2**20: "8 MiB each", 2**40: "whole shards"}
"""Bytes of a range at most; 0 is one for each sample."""
LOCAL, STORE, PROXY, LATE = "local", "S3", "S3 through a proxy", "S3 through a proxy, {ms:g} ms more"


def filled(store: ObjectStore, made: Path) -> str:
    """Where the set is in a running store."""
    url = f"{store.url}/set"
    say("copying the set into the store")
    ours("upload", made, url, environment=store.environment)
    return url


def fetching_round(
    store: ObjectStore, url: str, work: Path, peers: Sequence[str], threads: Sequence[int]
) -> Round:
    """All bytes of all samples, by our reader and by each client."""
    python = python_for([peer for peer in peers if peer == "obstore"], work / "peers")
    found: Round = {}
    for range_bytes, title in RANGES.items():
        for count in threads:
            before, name = server_cpu_seconds(), f"{READS}, {title}, {count} threads"
            found[name] = ours("fetch", url, count, range_bytes, environment=store.environment)
            found[name]["server_cpu_seconds"] = server_cpu_seconds() - before
    for client in CLIENTS:
        if "obstore" in client and "obstore" not in peers:
            continue
        before = server_cpu_seconds()
        found[client] = run([python, "-m", f"{HERE}.fetching", client, url], store.environment)
        found[client]["server_cpu_seconds"] = server_cpu_seconds() - before
    return found


def loader_round(store: ObjectStore, url: str, ask: Ask, latency_ms: float) -> Round:
    """The full loader from the disk, from the store, and from further away."""
    endpoint = store.environment["AWS_ENDPOINT_URL"]
    contest.warm(Path(ask.source))
    found = {LOCAL: _read(ask, store, endpoint)}
    found[STORE] = _read(replace(ask, source=url), store, endpoint)
    with Proxy(endpoint) as proxy:
        found[PROXY] = _read(replace(ask, source=url), store, proxy.url)
        proxy.set(Faults(latency_ms=latency_ms))
        found[LATE.format(ms=latency_ms)] = _read(replace(ask, source=url), store, proxy.url)
    return found


def _read(ask: Ask, store: ObjectStore, endpoint: str) -> contest.Result:
    environment = {**store.environment, "AWS_ENDPOINT_URL": endpoint}
    before = server_cpu_seconds()
    result = contest.read_ours(ask, environment)
    return {**result, "server_cpu_seconds": server_cpu_seconds() - before}
