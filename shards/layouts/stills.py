"""Sets of still pictures, each with one expression: what their lists say, and the pictures, as sources.

A still is a source of one frame. Nobody is named: each picture is a person of its own. A picture is known by
a key, which its list and its path both give.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shards.errors import ShardError
from shards.layouts.layout import Listing, Source, is_image, unknown_file
from shards.layouts.tables import Line
from shards.schema import Failure


@dataclass(frozen=True)
class Unclear:
    """Why a listed picture has none of the set's expressions; it is packed without one, unless `no_face`."""

    reason: str
    """For the ledger."""
    detail: str
    no_face: bool = False


Shown = str | Unclear
"""The name of an expression, or why there is none."""
ParseStill = Callable[[Line], tuple[str, Shown]]
"""The picture's key and what it shows; raises ShardError for a line that is wrong."""


@dataclass(frozen=True)
class StillList:
    """A list of pictures, by key; `name` is the file's, relative to the data set's folder."""

    name: str
    shown: dict[str, Shown]
    failures: list[Failure] = field(default_factory=list)
    """A ledger line for each line that was of no use."""


def read_stills(name: str, lines: Iterable[Line], parse: ParseStill) -> StillList:
    """Read a list; a wrong line costs that line only, and of two lines for one picture the first counts."""
    found = StillList(name, {})
    for line in lines:
        try:
            key, shown = parse(line)
            if key in found.shown:
                raise ShardError(f"{key} comes twice")
        except ShardError as error:
            detail = f"line {line.number}: {error}"
            found.failures.append(Failure(name, "label", "bad_labels", detail))
        else:
            found.shown[key] = shown
    return found


def find_pictures(
    root: Path, folder: Path, key_of: Callable[[Path], str | None]
) -> tuple[dict[str, Path], list[Failure]]:
    """Pictures anywhere below `folder` by key, and what else lies there; `key_of` gives None for a stray."""
    found: dict[str, Path] = {}
    failures = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        key = key_of(path) if is_image(path) else None
        if key is None:
            failures.append(unknown_file(root, path))
        elif key in found:
            name = path.relative_to(root).as_posix()
            failures.append(Failure(name, "open", "second_form", f"{found[key].name} is the same picture"))
        else:
            found[key] = path
    return found, failures


def join(root: Path, pictures: Mapping[str, Path], lists: Sequence[StillList], place: str) -> Listing:
    """A source for each picture; what has no partner is named. Pictures were looked for in `place`."""
    sources = []
    shown_by: dict[str, Shown] = {}
    failures = [failure for listed in lists for failure in listed.failures]
    for listed in lists:
        for key, shown in listed.shown.items():
            if key not in pictures:
                detail = f"{key} is listed, and not in {place}"
                failures.append(Failure(listed.name, "label", "no_picture", detail))
            elif key in shown_by:
                detail = f"{key} is in a list before this one too, and that one counts"
                failures.append(Failure(listed.name, "label", "in_both_sets", detail))
            else:
                shown_by[key] = shown
    lacking = Unclear("missing_label", f"no usable line in {' or '.join(listed.name for listed in lists)}")
    for key, path in pictures.items():
        name, shown = path.relative_to(root).as_posix(), shown_by.get(key, lacking)
        if isinstance(shown, str):
            sources.append(still(name, path, key, shown))
            continue
        failure = Failure(name, "label", shown.reason, shown.detail)
        if shown.no_face:
            failures.append(failure)
        else:
            sources.append(still(name, path, key, None, failure))
    return Listing(sources, failures)


def still(name: str, path: Path, identity: str, expression: str | None, *failures: Failure) -> Source:
    """The source of a single picture; one sighting of a face is a whole track."""
    return Source(
        name, path, identity=identity, shortest_track=1, expression=expression, failures=list(failures)
    )
