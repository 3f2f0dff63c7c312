"""VoxCeleb2, unlabelled: `<root>/[dev|test/]mp4/<idNNNNN>/<youtube id>/<utterance>.mp4`."""

import re
from pathlib import Path

from shards.errors import ShardError
from shards.layouts.layout import Listing, Source, is_video, unknown_file

PERSON = re.compile(r"id\d{5}")
ROOTS = ("dev/mp4", "test/mp4", "mp4", ".")


class VoxcelebLayout:
    name = "voxceleb"
    occurrence_aus: list[int] = []  # noqa: RUF012 (as the protocol has it)
    intensity_aus: list[int] = []  # noqa: RUF012
    expressions: list[str] = []  # noqa: RUF012

    def list_sources(self, root: Path) -> Listing:
        sources, others = [], []
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            parts = path.relative_to(root).parts
            named = len(parts) >= 3 and PERSON.fullmatch(parts[-3]) and _is_root(parts[:-3])
            if named and is_video(path):
                sources.append(Source("/".join(parts), path, identity=parts[-3]))
            else:
                others.append(unknown_file(root, path))
        if not sources:
            raise ShardError(
                f"no VoxCeleb2 videos under {root}: looked for dev/mp4/<idNNNNN>/<youtube id>/*.mp4 "
                f"(also below test/mp4, mp4 or directly) and found {len(others)} other files"
            )
        return Listing(sources, others)


def _is_root(parts: tuple[str, ...]) -> bool:
    return ("/".join(parts) or ".") in ROOTS
