"""Runs of pieces, and what of them a clip may need."""

import numpy as np
import pytest

from shards.runs import Runs, reach_of
from shards.unit_rows import UnitRows
from tests.planned_set import MadeRow, pieces, table_of


def unit_of(rows: list[MadeRow]) -> UnitRows:
    return UnitRows.from_table(table_of(rows), "set", (), ())


def runs_of(rows: list[MadeRow]) -> Runs:
    columns = [
        np.array([getattr(row, name) for row in rows]) for name in ("piece", "begin_seconds", "frames")
    ]
    piece_N, first_N, frames_N = columns
    last_N = first_N + (frames_N - 1) / 25
    return Runs.of_columns(
        np.array([row.person for row in rows]), np.zeros(len(rows), np.int64), piece_N, first_N, last_N
    )


def test_a_run_ends_where_a_piece_is_missing_or_another_track_begins():
    rows = [*pieces(5, 10, without=(2,)), *pieces(2, 10, person=1)]
    order = np.random.default_rng(0).permutation(len(rows))
    runs = runs_of([rows[place] for place in order])
    together = {}
    for place, row in enumerate(order):
        together.setdefault(int(runs.run_N[place]), set()).add(int(row))
    assert sorted(map(sorted, together.values())) == [[0, 1], [2, 3], [4, 5]]


def test_only_the_pieces_that_a_clip_may_need_are_named():
    runs = runs_of(pieces(6, 25))  # a second each
    assert runs.around(0, 0.0) == [0]
    assert runs.around(2, 0.5) == [2, 3]
    assert runs.around(2, 1.5) == [2, 3, 4]
    # The last piece has nothing after it: what is missing comes from before.
    assert runs.around(5, 0.9) == [5]
    assert runs.around(5, 1.5) == [4, 5]
    assert runs.around(5, 60.0) == [0, 1, 2, 3, 4, 5]


def test_reach_is_that_of_the_run_for_all_its_pieces():
    rows = [*pieces(3, 10), MadeRow(1, "short", frames=10), MadeRow(2, "slow", frames=10, rate=5)]
    reach = unit_of(rows).reach
    assert reach.frames_N.tolist() == [10] * 5
    assert reach.centiseconds_N.tolist() == [116, 116, 116, 36, 180]
    assert [reach.apart_seconds(row) for row in range(5)] == pytest.approx([0.04, 0.04, 0.04, 0.04, 0.2])


def test_rows_of_a_file_and_of_a_table_have_the_same_reach():
    class Row:
        def __init__(self, row: MadeRow) -> None:
            self.video, self.track, self.piece, self.num_frames = row.video, 0, row.piece, row.frames
            self.first_seconds = row.begin_seconds
            self.last_seconds = row.begin_seconds + (row.frames - 1) / row.rate

    rows = [*pieces(4, 7, without=(1,)), MadeRow(1, "slow", frames=9, rate=5)]
    one, other = reach_of([Row(row) for row in rows]), unit_of(rows).reach
    for name in ("frames_N", "apart_N", "centiseconds_N"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert len(reach_of([]).frames_N) == 0
