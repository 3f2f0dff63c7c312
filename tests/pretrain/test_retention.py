"""Which checkpoints stay, reason by reason."""

import math

import pytest

from pretrain.retention import Retention, Saved

SAVED = [
    Saved(f"c{step}", step, {"f1": f1})
    for step, f1 in ((10, 0.5), (20, 0.9), (30, 0.9), (40, 0.1), (50, 0.3))
]


@pytest.mark.parametrize(
    ("retention", "wanted"),
    [
        (Retention(), {40, 50}),
        (Retention(9), {10, 20, 30, 40, 50}),
        (Retention(1, every=20), {20, 40, 50}),
        (Retention(1, best="f1"), {40, 50}),
        (Retention(1, best="f1", best_is="highest"), {20, 50}),
        (Retention(2, every=50, best="f1", best_is="highest"), {20, 40, 50}),
    ],
)
def test_a_checkpoint_stays_for_any_reason(retention, wanted):
    assert retention.kept(SAVED) == {f"c{step}" for step in wanted}


def test_without_the_metric_or_with_a_metric_that_is_no_number_none_is_best():
    saved = [Saved("none", 1), Saved("nan", 2, {"f1": math.nan}), Saved("last", 3)]
    assert Retention(1, best="f1").kept(saved) == {"last"}


@pytest.mark.parametrize("numbers", [{"last": 0}, {"every": 0}])
def test_senseless_numbers_are_refused(numbers):
    with pytest.raises(ValueError, match=r"retention needs last >= 1 and every >= 1 or None, found"):
        Retention(**numbers)
