"""The list of ports has one form, and the comparison with what listens finds what is not listed."""

import os
import socket

import pytest

from tests.ports import Listener, listed, listeners, owner_of

KEYS = {"owner", "port", "address", "authentication", "reached_by", "why"}


def test_every_entry_says_all_there_is_to_say():
    entries = listed("local")
    assert entries
    for entry in entries:
        assert set(entry) == KEYS
        assert all(entry.values())
        assert entry["address"] in ("loopback", "all")
        assert entry["port"] == "free" or 0 < entry["port"] < 65536
    owners = [(entry["owner"], entry["address"], entry["port"]) for entry in entries]
    assert len(set(owners)) == len(owners)


@pytest.mark.parametrize(
    ("ip", "address"),
    [
        ("127.0.0.1", "loopback"),
        ("127.0.0.2", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("0.0.0.0", "all"),
        ("::", "all"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
    ],
)
def test_addresses_are_told_apart(ip, address):
    assert Listener("weed server", ip, 1).address == address
    allowed = owner_of(Listener("weed server", ip, 1), listed("local"))
    assert (allowed is not None) == (address == "loopback")


def test_only_the_meeting_place_of_ranks_is_on_all_addresses():
    assert [entry["owner"] for entry in listed("local") if entry["address"] == "all"] == [
        "ray::RayTrainWorker"
    ]


def test_the_entry_that_fits_best_is_taken_and_others_have_none():
    entries = listed("local")
    assert (
        owner_of(Listener("ray::DashboardAgent", "127.0.0.1", 1), entries)["owner"] == "ray::DashboardAgent"
    )
    assert owner_of(Listener("ray::worker", "127.0.0.1", 1), entries)["owner"] == "ray::"
    assert owner_of(Listener("python -m http.server", "127.0.0.1", 1), entries) is None
    numbered = [{"owner": "a", "address": "all", "port": 80}]
    assert owner_of(Listener("a", "0.0.0.0", 80), numbered)
    assert owner_of(Listener("a", "0.0.0.0", 81), numbered) is None


def test_a_socket_that_listens_is_found():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert port not in {one.port for one in listeners(os.getpid())}
        server.listen()
        assert port in {one.port for one in listeners(os.getpid())}
