"""Folders of face pictures, unlabelled: `<root>/<person>/<video>/<track>/<frame>.jpg`, one a second.

VoxCeleb1's pictures have one more level, `<root>/<person>/1.6/<video>/<track>/<frame>.jpg`. That a picture's
number counts seconds is an assumption: where it counts the frames of the video, times are too long, and only
their order is right.
"""

from pathlib import Path

from shards.errors import ShardError
from shards.layouts.layout import Listing, Source, is_image, unknown_file

CROP_SCALE = "1.6"
FRAME_RATE = 1.0
SHORTEST_TRACK = 2


class FaceTracksLayout:
    name = "face_tracks"
    occurrence_aus: list[int] = []  # noqa: RUF012 (as the protocol has it)
    intensity_aus: list[int] = []  # noqa: RUF012
    expressions: list[str] = []  # noqa: RUF012

    def list_sources(self, root: Path) -> Listing:
        folders: set[Path] = set()
        others = []
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            parts = path.relative_to(root).parts
            named = len(parts) == 4 or (len(parts) == 5 and parts[1] == CROP_SCALE)
            if named and is_image(path):
                folders.add(path.parent)
            else:
                others.append(unknown_file(root, path))
        if not folders:
            raise ShardError(
                f"no face tracks under {root}: looked for <person>/<video>/<track>/<frame>.jpg and for "
                f"<person>/{CROP_SCALE}/<video>/<track>/<frame>.jpg, found {len(others)} other files"
            )
        sources = [
            Source(
                path.relative_to(root).as_posix(),
                path,
                identity=path.relative_to(root).parts[0],
                frame_rate=FRAME_RATE,
                shortest_track=SHORTEST_TRACK,
            )
            for path in sorted(folders)
        ]
        return Listing(sources, others)
