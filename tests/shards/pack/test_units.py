from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from shards.layouts.layout import Listing, Source
from shards.pack.origin import LocalOrigin
from shards.pack.units import assign
from shards.schema import Failure


class Sizes(LocalOrigin):
    """Files that are as large as their names say."""

    def size(self, path: Path) -> int:
        return int(path.stem.split("-")[1])


def listing(sizes: list[int]) -> Listing:
    names = [f"{number}-{size}.mp4" for number, size in enumerate(sizes)]
    sources = [Source(name, Path(name), "someone") for name in names]
    return Listing(sources, [Failure("note.txt", "open", "unknown_file")])


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_everything_is_in_one_unit(sizes: list[int], videos_per_unit: int) -> None:
    found = listing(sizes)
    units = assign(found, Sizes(Path()), "set", videos_per_unit)
    assert [unit.name for unit in units] == sorted(unit.name for unit in units)
    assert len(units) == -(-len(sizes) // videos_per_unit)
    ids = [source.video_id for unit in units for source in unit.sources]
    assert sorted(ids) == sorted(source.video_id for source in found.sources)
    assert [failure for unit in units for failure in unit.failures] == found.failures
    backwards = assign(Listing(found.sources[::-1], found.failures), Sizes(Path()), "set", videos_per_unit)
    assert backwards == units


@given(st.lists(st.integers(1, 1000), min_size=8, max_size=60))
@settings(max_examples=60, deadline=None)
def test_units_are_balanced_by_bytes(sizes: list[int]) -> None:
    """The bound of the greedy rule: no unit is above the lightest by more than its largest video."""
    units = assign(listing(sizes), Sizes(Path()), "set", 4)
    assert [unit.bytes for unit in units] == [
        sum(Sizes(Path()).size(source.path) for source in unit.sources) for unit in units
    ]
    assert max(unit.bytes for unit in units) - min(unit.bytes for unit in units) <= max(sizes)


def test_one_long_video_stands_alone() -> None:
    units = assign(listing([10_000, *[10] * 31]), Sizes(Path()), "set", 8)
    assert sorted(len(unit.sources) for unit in units) == [1, 10, 10, 11]
