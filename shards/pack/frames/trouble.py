"""What goes wrong with a source: it ends the source, or it is told and the rest goes on."""

from collections.abc import Callable

from shards.errors import ShardError

Tell = Callable[[str, str, str], None]
"""Takes stage, reason and detail of something that gave no frame."""


class VideoError(ShardError):
    """A file that gives no (more) frames; `reason` is the ledger's short name."""

    def __init__(self, stage: str, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.stage = stage
        self.reason = reason
        self.detail = detail


def what(error: Exception) -> str:
    """The error without the file's path, which differs from machine to machine."""
    return str(getattr(error, "strerror", None) or error)
