"""What a row of `python -m shards` is, and what all rows share."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shards.errors import ShardError


@dataclass(frozen=True)
class Command:
    """One command."""

    name: str
    summary: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    """Returns the exit status."""


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


@contextmanager
def checked() -> Iterator[None]:
    """Arguments that a config refuses are the user's to correct, not a bug."""
    try:
        yield
    except ValueError as error:
        raise ShardError(str(error)) from error
