from pathlib import Path

from shards.index import read_index
from shards.totals import count_totals
from tests.drawn_set import write_set


def test_totals_do_not_depend_on_the_order(tmp_path: Path) -> None:
    manifest = write_set(str(tmp_path / "set"), tmp_path)
    rows = read_index(str(tmp_path / "set"), manifest)
    totals = count_totals(rows, {"b": 1, "a": 2})
    assert totals == count_totals(rows[::-1], {"a": 2, "b": 1})
    assert (totals.samples, totals.frames, totals.videos, totals.identities) == (12, 12 * 32, 12, 6)
    assert totals.seconds == round(12 * 31 / 25, 6)
    assert list(totals.failures) == ["a", "b"]
