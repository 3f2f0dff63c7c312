"""A local server as a context manager: started on free ports, ready on entry, ended on exit.

A server is a session of its own, so that Ctrl-C on the terminal reaches only the program that started it,
and stopping it ends exactly its process group. Should that program die without stopping it (SIGKILL), a
shell of a few hundred KB, whose standard input is a pipe from the program, sees the pipe close and ends the
group. (PR_SET_PDEATHSIG would reach only the direct child, and fires when the starting thread ends.)
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS = 90.0
STOP_SECONDS = 10.0
LOG_LINES = 20
GRPC_OFFSET = 10_000
"""SeaweedFS finds a peer's second port by adding this."""
# Below the range that the kernel draws outgoing ports from, also with GRPC_OFFSET added.
PORT_RANGE = (11_000, 22_000)
WATCHDOG = 'group=$1; shift; read _; kill -TERM -"$group" && sleep 2 && kill -KILL -"$group"; rm -rf -- "$@"'


class ServiceError(Exception):
    """A local server that does not start; the message has the end of its log."""


def free_ports(count: int) -> list[int]:
    """`count` loopback ports that are free now, each with its port + GRPC_OFFSET free as well."""
    found: list[int] = []
    for port in random.sample(range(*PORT_RANGE), 2_000):
        if is_free(port) and is_free(port + GRPC_OFFSET):
            found.append(port)
        if len(found) == count:
            return found
    raise ServiceError(
        f"found {len(found)} free ports in {PORT_RANGE}, wanted {count}; end some other servers"
    )


def is_free(port: int) -> bool:
    """Whether the loopback port can be bound now."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Server:
    """One server process with its group, its log and its watchdog."""

    stop_seconds = STOP_SECONDS
    """After which a polite request to end is followed by SIGKILL."""

    def __init__(self, name: str, folder: Path, start_seconds: float = START_SECONDS) -> None:
        self.name = name
        self.folder = folder.absolute()
        self.log = self.folder / f"{name}.log"
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._temporary: str | None = None

    def command(self) -> list[str]:
        """The command line, with ports chosen now."""
        raise NotImplementedError

    def server_environment(self) -> dict[str, str]:
        """What is set for the server beyond this process's environment."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Whether the server does its work."""
        raise NotImplementedError

    def litter(self) -> list[str]:
        """Files that the server leaves outside its folder."""
        return []

    @property
    def pid(self) -> int | None:
        """The process group of the running server."""
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            if not self._start():  # another program took a port between the look and the start
                self._stop()
                if not self._start():
                    raise ServiceError(self._complaint("ended at once"))
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self) -> bool:
        """Start and wait until ready; False when the process ended instead.

        Raises:
            ServiceError: it runs but was not ready in time.
        """
        # Short, because the path of a unix socket may have 107 characters and servers put theirs there.
        self._temporary = tempfile.mkdtemp(prefix="facscale-")
        command = self.command()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=os.environ | self.server_environment() | {"TMPDIR": self._temporary},
                start_new_session=True,
            )
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", WATCHDOG, "watchdog", str(self._process.pid), *self._left()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + self._start_seconds
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            if self.is_ready():
                return True
            time.sleep(0.1)
        raise ServiceError(self._complaint(f"was not ready within {self._start_seconds:g} seconds"))

    def _complaint(self, what: str) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        return "\n".join([f"{self.name} {what}; the end of its log {self.log}:", *lines])

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            for kind, seconds in ((signal.SIGTERM, self.stop_seconds), (signal.SIGKILL, STOP_SECONDS)):
                if not _signal_group(process.pid, kind):
                    break
                _wait_for_group(process, seconds)
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            watchdog.kill()
            watchdog.communicate()
        for path in map(Path, self._left()):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        self._temporary = None

    def _left(self) -> list[str]:
        return [self._temporary, *self.litter()] if self._temporary else []


def _signal_group(group: int, kind: signal.Signals) -> bool:
    try:
        os.killpg(group, kind)
    except ProcessLookupError:
        return False
    return True


def _wait_for_group(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Return when every process of the group has ended, or after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        process.poll()  # reap the leader, or its group would last for ever
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
