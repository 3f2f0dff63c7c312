import socket

import pytest

from infra import server
from infra.server import GRPC_OFFSET, ServiceError, free_ports, is_free


def test_ports_are_different_and_free_with_their_second_ones() -> None:
    ports = free_ports(6)
    assert len(set(ports)) == 6
    assert all(is_free(port) and is_free(port + GRPC_OFFSET) for port in ports)


def test_a_taken_port_is_not_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert not is_free(taken.getsockname()[1])


def test_no_ports_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "is_free", lambda port: False)
    with pytest.raises(ServiceError, match=r"found 0 free ports.*wanted 2"):
        free_ports(2)
