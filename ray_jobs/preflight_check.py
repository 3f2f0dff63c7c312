"""One line of a preflight: what was looked at, what was found, and what to do where it is wrong."""

from collections.abc import Callable
from dataclasses import dataclass

from pretrain.config import ConfigError
from shards.errors import ShardError


@dataclass(frozen=True)
class Check:
    name: str
    found: str
    todo: str = ""
    """What to do; empty where it is as it should be."""

    @property
    def ok(self) -> bool:
        return not self.todo

    @property
    def line(self) -> str:
        """For the terminal."""
        return (
            f"{'ok' if self.ok else 'wrong':<6} {self.name}: {self.found}{f'; {self.todo}' * (not self.ok)}"
        )


def judged(name: str, fine: bool, found: str, todo: str) -> Check:
    """`todo` is for where it is not fine."""
    return Check(name, found, "" if fine else todo)


def asked(name: str, ask: Callable[[], str], todo: str) -> Check:
    """What `ask` finds; its error, which says for itself what is wrong, otherwise."""
    try:
        return Check(name, ask())
    except (ConfigError, ShardError) as error:
        return Check(name, str(error), todo)
