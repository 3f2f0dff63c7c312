"""What every dated result file says of itself, and how its tables look."""

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from infra.stages import StageError
from pretrain.config import ConfigError


def facts(command: str) -> dict[str, str]:
    """When, where, by what command and from which commit a result is made; `-dirty` is not all committed."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "command": command,
        "commit": _commit(),
        "host": f"{_cpu()}, Python {platform.python_version()}",
    }


def run_command(main: Callable[[list[str]], None]) -> None:
    """A benchmark's `main` on the command line's words; what can be corrected ends with exit status 2."""
    try:
        main(sys.argv[1:])
    except (StageError, ConfigError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error


def parser(name: str, description: str, rounds: int, sizes: str) -> argparse.ArgumentParser:
    """What every benchmark that runs in rounds takes; `sizes` names some of `--size`."""
    found = argparse.ArgumentParser(
        prog=f"python -m tests.benchmarks.{name}", description=description.partition("\n")[0]
    )
    found.add_argument("--work", type=Path, default=Path("runs") / name, help="folder (%(default)s)")
    found.add_argument("--rounds", type=int, default=rounds, help="of each part's sides (%(default)s)")
    found.add_argument("--size", nargs="*", default=[], help=f"key=value: {sizes}, ...")
    found.add_argument("--out", type=Path, default=Path("tests/benchmarks/results"), help="(%(default)s)")
    return found


def read(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """The arguments of such a parser.

    Raises:
        ValueError: no round is asked for.
    """
    given = parser.parse_args(arguments)
    if given.rounds < 1:
        raise ValueError(f"--rounds: found {given.rounds}, wanted at least 1")
    return given


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def spread(values: Sequence[float]) -> tuple[str, str]:
    """Cells of the median and of the range."""
    return f"{median(values):.3g}", f"{min(values):.3g} to {max(values):.3g}"


def write_result(out: Path, name: str, content: Mapping[str, Any], text: str) -> None:
    """Write `<name>-<date>.json` and `.md` into `out`, and the text to the terminal."""
    out.mkdir(parents=True, exist_ok=True)
    stem = out / f"{name}-{content['date']}"
    stem.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
    stem.with_suffix(".md").write_text(text)
    sys.stdout.write(text)


def _commit() -> str:
    words = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    found = subprocess.run(words, capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
