"""Which ports the processes of a tree listen on, and how that compares with `infra/ports.yaml`."""

import ipaddress
import threading
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

LISTED = Path(__file__).parents[1] / "infra" / "ports.yaml"
LOOK_SECONDS = 5.0
"""A look takes half a second of a core."""


@dataclass(frozen=True)
class Listener:
    command: str
    ip: str
    port: int

    @property
    def address(self) -> str:
        """`loopback`, `all`, or the address itself."""
        ip = ipaddress.ip_address(self.ip)
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return "loopback" if ip.is_loopback else "all" if ip.is_unspecified else str(ip)


def listeners(pid: int) -> set[Listener]:
    """Of a process and all that it started."""
    found = set()
    try:
        tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return found
    for process in tree:
        try:
            command = " ".join(process.cmdline())
            for socket in process.net_connections("inet"):
                if socket.status == psutil.CONN_LISTEN:
                    found.add(Listener(command, socket.laddr.ip, socket.laddr.port))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # ended between the listing and the look
    return found


class PortWatch:
    """Looks again and again while a program runs; `seen` is all that listened."""

    def __init__(self, pid: int) -> None:
        self.seen: set[Listener] = set()
        self._pid, self._stop = pid, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PortWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.seen |= listeners(self._pid)


def listed(section: str) -> list[dict[str, str]]:
    return yaml.safe_load(LISTED.read_text())[section]


def owner_of(listener: Listener, entries: list[dict[str, str]]) -> dict[str, str] | None:
    """The entry that allows it, the longest owner first."""
    fitting = [
        entry
        for entry in entries
        if entry["owner"] in listener.command
        and entry["address"] == listener.address
        and entry["port"] in ("free", listener.port)
    ]
    return max(fitting, key=lambda entry: len(entry["owner"]), default=None)
