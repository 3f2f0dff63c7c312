"""A proxy before an S3 store that is slow or breaks things as a test tells it to.

    with Proxy(store_url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        proxy.set(Faults(latency_ms=30))
        proxy.set(Faults((Fault.RESET_WITHIN,), next_requests=1, after_bytes=1_000))

It runs in a process of its own (tests/chaos/relay.py), so that it shares no interpreter lock with the client
under test, and hands on every byte of a request unchanged, so that the client's signature for the proxy's
address is the one that the store checks. No TLS. It ends with its owner: its commands come through a pipe.
"""

import json
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.chaos.faults import Counts, Faults, Request


class Proxy:
    """A running proxy before the store at `store_url`; may be steered from several threads."""

    def __init__(self, store_url: str) -> None:
        self._store = urlsplit(store_url).netloc
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self.url = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-E", "-S", "-m", "tests.chaos.relay", self._store],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = f"http://127.0.0.1:{self._ask('port')}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def set(self, faults: Faults) -> None:
        """From the next request on; requests under way keep what they had."""
        self._ask("set", **asdict(faults))

    def clear(self) -> None:
        """No more faults."""
        self.set(Faults())

    def vanish(self, seconds: float) -> None:
        """Reset every connection and refuse new ones for a while, as when the host is gone."""
        self._ask("vanish", seconds=seconds)

    def come_back(self) -> None:
        """Before the time that `vanish` was told; nothing where it is there."""
        self._ask("come_back")

    def counts(self) -> Counts:
        return Counts(**self._ask("counts"))

    def reset_counts(self) -> None:
        """Counts start at zero and the list of requests is empty."""
        self._ask("reset")

    def requests(self) -> list[Request]:
        """The last 10,000 requests in the order they came, as far as each is by now."""
        return [Request(**request) for request in self._ask("requests")]

    def _ask(self, command: str, **arguments: Any) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps([command, arguments]) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the proxy ended with {self._process.wait()}")
        return json.loads(answer)
