"""The fixed order of evaluation."""

import pytest

from shards.batch import ClipSpec
from shards.evaluation import EvaluationPlan
from tests.planned_set import people_in_turn


def test_evaluation_reads_each_row_once_without_padding():
    plan = EvaluationPlan(people_in_turn([5, 2], 3, frames=3), ClipSpec(4, whole=True), 2, rows=[0, 3, 6])
    clips = [clip for step in range(plan.last_step) for clip in plan.batch(step)]
    assert [clip.row for clip in clips] == [0, 3, 6]
    assert clips[0].frames_T.tolist() == [0, 1, 2, -1]


def test_ranks_share_its_batches():
    plan = EvaluationPlan(people_in_turn([4], 3, frames=3), ClipSpec(4, whole=True), 4)
    parts = [clip.row for rank in range(2) for clip in plan.share(0, rank, 2)]
    assert parts == [0, 1, 2, 3]


def test_clips_are_refused():
    with pytest.raises(ValueError, match="reads whole samples"):
        EvaluationPlan(people_in_turn([4], 3), ClipSpec(4), 2)
