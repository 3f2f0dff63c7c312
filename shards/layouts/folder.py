"""Any folder of videos, searched recursively: `<root>/**/<name>.mp4` (or another video suffix).

The first folder level names the person, where there is one. Nothing says whom a video directly under the root
shows: each of its tracks is a person of its own.
"""

import os
from pathlib import Path

from shards.errors import ShardError
from shards.layouts.layout import VIDEO_SUFFIXES, Listing, Source, is_video, name_below, unknown_file
from shards.schema import Failure


class FolderLayout:
    name = "folder"
    occurrence_aus: list[int] = []  # noqa: RUF012 (as the protocol has it)
    intensity_aus: list[int] = []  # noqa: RUF012
    expressions: list[str] = []  # noqa: RUF012

    def list_sources(self, root: Path) -> Listing:
        files, failures = _search(root)
        sources = []
        for path in filter(is_video, files):
            video_id = name_below(root, path)
            person, _, rest = video_id.partition("/")
            sources.append(Source(video_id, path, identity=person if rest else None))
        if not sources:
            raise ShardError(
                f"no videos under {root}: looked in all folders below it for files ending in "
                f"{' '.join(sorted(VIDEO_SUFFIXES))} and found {len(files)} other files"
            )
        failures += [unknown_file(root, path) for path in files if not is_video(path)]
        return Listing(sources, failures)


def _search(root: Path) -> tuple[list[Path], list[Failure]]:
    """All readable files below `root`, sorted, and what else is there. Links to folders are not followed."""
    files: list[Path] = []
    failures: list[Failure] = []

    def fail(path: Path, reason: str, detail: str) -> None:
        failures.append(Failure(name_below(root, path), "open", reason, detail))

    def fail_folder(error: OSError) -> None:
        fail(Path(error.filename), "not_readable", f"folder: {error.strerror}")

    for folder, folders, names in os.walk(root, onerror=fail_folder):
        for name in folders:
            if (path := Path(folder, name)).is_symlink():
                fail(path, "not_followed", "a link to a folder; pack that folder, or copy it here")
        if is_video(Path(folder)) and not (folders or names):
            fail(Path(folder), "not_a_file", "an empty folder; wanted a video file")
        for name in names:
            path = Path(folder, name)
            if path.is_symlink() and not path.exists():
                fail(path, "not_readable", "a link to nothing")
            elif not path.is_file():
                fail(path, "not_a_file", "a pipe, socket or device; wanted a video file")
            elif not os.access(path, os.R_OK, effective_ids=True):
                fail(path, "not_readable", "permission denied")
            else:
                files.append(path)
    return sorted(files), sorted(failures, key=lambda failure: failure.source)
