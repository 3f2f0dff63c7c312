"""The dated record of `infra/test.sh --full`."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.benchmarks.record import facts, markdown


class FullRun:
    """A pytest plugin that writes every long test with its time, and the counts of all."""

    def __init__(self, folder: Path, words: Sequence[str]) -> None:
        """`words` are what pytest was called with."""
        self._folder = folder
        self._command = shlex.join(["pytest", *words])
        self._outcomes: Counter[str] = Counter()
        self._long: list[tuple[str, str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[report.outcome] += 1
            if "full" in report.keywords:
                self._long.append((report.nodeid, report.outcome, f"{report.duration:.0f} s"))

    def pytest_sessionfinish(self) -> None:
        about = facts(self._command)
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self._outcomes.items()))
        text = "\n".join(
            [
                "# Full test run",
                "",
                *(f"- {name}: {value}" for name, value in about.items()),
                f"- all tests: {counts}",
                "",
                markdown(["long test", "outcome", "time"], self._long),
                "",
            ]
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"full-{about['date']}.md").write_text(text)
