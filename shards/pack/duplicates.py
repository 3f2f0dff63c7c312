"""Files that are copies of one another, byte by byte, found before anything is decoded."""

from collections import defaultdict
from dataclasses import replace

from shards.layouts.layout import Listing, Source
from shards.pack.origin import Origin
from shards.schema import Failure

REASON = "copy"


def without_copies(listing: Listing, origin: Origin, drop: bool) -> Listing:
    """`listing` with a ledger line for every file whose bytes another one has too.

    Only files of equal size and mark are read in full. The first by its id is the original; the others are
    left out if `drop`. Folders of pictures are not compared.
    """
    alike: defaultdict[tuple[int, str], list[Source]] = defaultdict(list)
    by_size: defaultdict[int, list[Source]] = defaultdict(list)
    for source in listing.sources:
        if not source.path.is_dir():
            by_size[origin.size(source.path)].append(source)
    for size, sources in by_size.items():
        for source in sources if len(sources) > 1 and size else []:
            alike[size, origin.mark(source.path)].append(source)
    original_of: dict[str, str] = {}
    for sources in alike.values():
        first: dict[str, str] = {}
        for source in sources if len(sources) > 1 else []:
            same = first.setdefault(origin.content_mark(source.path), source.video_id)
            if same != source.video_id:
                original_of[source.video_id] = same
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
