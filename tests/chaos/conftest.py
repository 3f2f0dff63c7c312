"""The object store behind a proxy that breaks things when a test says so."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from infra.services import ObjectStore
from tests.chaos.proxy import Proxy


@dataclass(frozen=True)
class FaultyStore:
    """An empty place in the object store, and the proxy that the environment's endpoint is."""

    url: str
    proxy: Proxy


@pytest.fixture(scope="session")
def proxy(object_store: ObjectStore) -> Iterator[Proxy]:
    """One for all tests, as every endpoint costs clients of its own; a test asks for `faulty_store`."""
    with Proxy(object_store.environment["AWS_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.fixture
def faulty_store(object_store: ObjectStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> FaultyStore:
    """Everything that is read or written goes through the proxy, which does nothing until it is told."""
    proxy.come_back()
    proxy.clear()
    proxy.reset_counts()
    for name, value in (object_store.environment | {"AWS_ENDPOINT_URL": proxy.url}).items():
        monkeypatch.setenv(name, value)
    return FaultyStore(f"{object_store.url}/{secrets.token_hex(8)}", proxy)
