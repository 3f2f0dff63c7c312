"""Files that are copies of one another, byte by byte, found before anything is decoded."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from pathlib import Path

from shards.layouts.layout import Listing, Source
from shards.pack.origin import Origin
from shards.schema import Failure

REASON = "copy"


def without_copies(listing: Listing, origin: Origin, drop: bool) -> Listing:
    """`listing` with a ledger line for every file whose bytes another one has too.

    Only files of equal size and mark are read in full. The first by its id is the original; the others are
    left out if `drop`. Folders of pictures are not compared.
    """
    groups = [[one for one in listing.sources if not one.path.is_dir() and origin.size(one.path)]]
    for fact in (origin.size, origin.mark, origin.content_mark):
        groups = _alike(groups, fact)
    original_of = {copy.video_id: first.video_id for first, *copies in groups for copy in copies}
    kept, failures = [], list(listing.failures)
    for source in listing.sources:
        original = original_of.get(source.video_id)
        if original is None:
            kept.append(source)
            continue
        line = Failure(source.video_id, "open", REASON, f"the same bytes as {original}")
        if drop:
            failures.append(line)
        else:
            kept.append(replace(source, failures=[*source.failures, line]))
    return Listing(kept, failures)


def _alike(groups: Iterable[list[Source]], fact: Callable[[Path], Hashable]) -> list[list[Source]]:
    """The groups, each divided by a fact of the files; who is alone is left out."""
    divided = []
    for sources in groups:
        parts: defaultdict[Hashable, list[Source]] = defaultdict(list)
        for source in sources:
            parts[fact(source.path)].append(source)
        divided += [part for part in parts.values() if len(part) > 1]
    return divided
