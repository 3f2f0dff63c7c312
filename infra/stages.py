"""A run of several stages: each timed, kept when it is done, and continued by a second start."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

SAMPLE_SECONDS = 3.0
STOP_SECONDS = 20.0


class StageError(Exception):
    """A stage that failed; its output was shown."""


@dataclass(frozen=True)
class Done:
    """What a finished stage gave; `count` things in `seconds`."""

    stage: str
    count: float
    unit: str
    seconds: float
    peak_bytes: int = 0
    """Memory of all processes at its peak, summed PSS; 0 where nobody looked."""


class Stages:
    """Runs stages in order and remembers finished ones in `<folder>/stages.json`."""

    def __init__(
        self, folder: Path, expected_seconds: Mapping[str, float], memory: "MemoryWatch | None" = None
    ) -> None:
        """Take up what is done.

        Args:
            folder: of the run.
            expected_seconds: of each stage on a 2-core laptop, for the time left that is shown.
            memory: looks at the memory while stages run.
        """
        self.done: list[Done] = []
        self._memory = memory
        self._file = folder / "stages.json"
        self._expected = dict(expected_seconds)
        if self._file.is_file():
            self.done = [Done(**entry) for entry in json.loads(self._file.read_text())]

    def run(self, stage: str, unit: str, work: Callable[[], float]) -> None:
        """Do `work`, which returns how many `unit` it handled, unless an earlier start has finished it."""
        names = list(self._expected)
        place = f"[{names.index(stage) + 1}/{len(names)}] {stage}"
        if any(done.stage == stage for done in self.done):
            say(f"{place}: done before")
            return
        left = sum(self._expected[name] for name in names[names.index(stage) :])
        say(f"{place} (about {max(1, round(left / 60))} min left in all)")
        if self._memory is not None:
            self._memory.begin()
        start = time.monotonic()
        count = work()
        seconds = time.monotonic() - start
        peak = 0 if self._memory is None else self._memory.peak_since_begin
        self.done.append(Done(stage, count, unit, seconds, peak))
        self._write()
        rate = f"{count / seconds:.0f}/s" if count > seconds else f"{seconds / count:.1f} s each"
        say(f"{place}: {count:g} {unit} in {seconds:.0f} s ({rate})")

    def forget(self, *stages: str) -> None:
        """Let these be done again."""
        self.done = [entry for entry in self.done if entry.stage not in stages]
        self._write()

    def _write(self) -> None:
        self._file.write_text(json.dumps([vars(entry) for entry in self.done], indent=1) + "\n")

    @property
    def seconds(self) -> float:
        """Of all finished stages, also those of earlier starts."""
        return sum(done.seconds for done in self.done)


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def command(words: Sequence[str], environment: Mapping[str, str], log: Path, show: str = "") -> None:
    """Run a program to its end, its output kept in `log`; ended with its children if we are.

    `show` is a regular expression: of output lines that have it, the match is shown. All output is shown if
    it is empty, progress bars included.

    Raises:
        StageError: it failed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab", buffering=0) as kept:
        kept.write(f"$ {' '.join(words)}\n".encode())
        process = subprocess.Popen(
            words,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            source = process.stdout.fileno()
            # What is there, not whole lines: a progress bar rewrites its line and ends none.
            for output in iter(lambda: os.read(source, 65536), b""):
                kept.write(output)
                _show(output.decode(errors="replace"), show)
            if process.wait() != 0:
                tail = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-30:])
                raise StageError(
                    f"{' '.join(words[:4])} ... failed (exit {process.returncode}); {log} ends:\n{tail}"
                )
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def _show(output: str, pattern: str) -> None:
    if not pattern:
        sys.stderr.write(output)
    else:
        for match in re.finditer(pattern, output):
            sys.stderr.write(f"    {match.group()}\n")
    sys.stderr.flush()


class MemoryWatch:
    """Peak summed PSS of this process and all that it started, sampled every few seconds."""

    def __init__(self) -> None:
        self.peak_bytes = self.peak_since_begin = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def begin(self) -> None:
        """Look anew for `peak_since_begin`."""
        self.peak_since_begin = summed_pss()

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            found = summed_pss()
            self.peak_bytes = max(self.peak_bytes, found)
            self.peak_since_begin = max(self.peak_since_begin, found)


def summed_pss() -> int:
    """Proportional set size of this process and its descendants: shared pages count once."""
    me = psutil.Process()
    total = 0
    for process in [me, *me.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue  # ended between the listing and the look
    return total


def need(folder: Path, disk_bytes: int, memory_bytes: int) -> None:
    """Check the machine before anything is started.

    Raises:
        StageError: too little free disk or memory.
    """
    free = psutil.disk_usage(str(folder)).free
    if free < disk_bytes:
        raise StageError(
            f"{folder} has {free / 1e9:.1f} GB free, wanted {disk_bytes / 1e9:.0f}; make room or move --run"
        )
    available = psutil.virtual_memory().available
    if available < memory_bytes:
        raise StageError(
            f"{available / 1e9:.1f} GB of memory free, wanted {memory_bytes / 1e9:.0f}; end other programs"
        )


def open_folder(folder: Path, fresh: bool, settings: Mapping[str, Any]) -> None:
    """Make the run folder, or check that the one there belongs to these settings.

    Raises:
        StageError: it holds another run.
    """
    if fresh and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written, wanted = folder / "settings.json", json.dumps(dict(settings), indent=1)
    if written.exists() and written.read_text() != wanted:
        raise StageError(
            f"{folder} holds a run with other settings; give --fresh to start anew, or another --run"
        )
    written.write_text(wanted)
