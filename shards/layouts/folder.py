"""Any folder of videos, searched recursively: `<root>/**/<name>.mp4` (or another video suffix).

The first folder level names the person, where there is one; a video directly under the root is a person of
its own, since nothing says that two of them show the same one.
"""

from pathlib import Path

from shards.errors import ShardError
from shards.layouts.layout import VIDEO_SUFFIXES, Listing, Source, is_video, unknown_file


class FolderLayout:
    name = "folder"
    occurrence_aus: list[int] = []  # noqa: RUF012 (as the protocol has it)
    intensity_aus: list[int] = []  # noqa: RUF012

    def list_sources(self, root: Path) -> Listing:
        files = sorted(path for path in root.rglob("*") if path.is_file())
        sources = []
        for path in filter(is_video, files):
            parts = path.relative_to(root).parts
            video_id = "/".join(parts)
            sources.append(Source(video_id, path, identity=parts[0] if len(parts) > 1 else video_id))
        if not sources:
            raise ShardError(
                f"no videos under {root}: looked in all folders below it for files ending in "
                f"{' '.join(sorted(VIDEO_SUFFIXES))} and found {len(files)} other files"
            )
        return Listing(sources, [unknown_file(root, path) for path in files if not is_video(path)])
