"""What a job keeps: by validation people alone, whatever the kind of labels."""

import numpy as np
import pytest

from finetune.frames import FrameTable
from finetune.tasks.choice import Choice, thresholds


def table(values, labels, people=2):
    value_FA, label_FA = np.asarray(values, np.float32), np.asarray(labels, np.int8)
    count = len(label_FA)
    return FrameTable(
        person_F=[f"p{frame * people // count}" for frame in range(count)],
        key_F=["k"] * count,
        frame_index_F=np.arange(count),
        time_seconds_F=np.zeros(count),
        label_FA=label_FA,
        value_F=value_FA,
        unreadable={},
    )


def scores(kind, skill, seed):
    """Predictions that are the better the higher the skill."""
    rng = np.random.default_rng(seed)
    if kind == "expression":
        label_FA = rng.integers(0, 3, (60, 1))
        return table(skill * np.eye(3)[label_FA[:, 0]] + rng.random((60, 3)), label_FA)
    label_FA = rng.integers(0, 2 if kind == "detection" else 6, (60, 2))
    noisy_FA = skill * label_FA / label_FA.max() + (1 - skill) * rng.random((60, 2))
    return table(noisy_FA * (1 if kind == "detection" else 5), label_FA)


@pytest.mark.parametrize(
    ("kind", "name"), [("detection", "auc"), ("intensity", "icc"), ("expression", "uar")]
)
def test_validation_people_choose_and_tested_people_only_what_is_named_after_them(kind, name):
    """Validation people like step 2 best, the tested people step 3."""
    choice, state = Choice(kind), {"weight": np.zeros(1)}
    looks = {1: (0.1, 0.1), 2: (0.45, 0.2), 3: (0.3, 0.48)}
    tables = {step: [scores(kind, skill, 5) for skill in pair] for step, pair in looks.items()}
    found = []
    for step, (validation, test) in tables.items():
        state["weight"][:] = step
        found.append(choice.look(step, validation, test, state))
    assert found[0] < found[2] < found[1]
    assert choice.name == f"validation/{name}"
    outcome = choice.outcome("step", None, {"num": 2}, {"fact": 1}, {})
    assert outcome.chosen["step"] == 2
    assert outcome.chosen["best_on_test_step"] == 3
    assert outcome.chosen[f"validation_{name}"] == found[1]
    assert outcome.test is tables[2][1]
    assert outcome.best_on_test is tables[3][1]
    # The state as it was then, though training went on in the same tensors.
    assert choice.best.state["weight"] == 2
    if kind == "detection":
        np.testing.assert_array_equal(outcome.threshold_A, thresholds(tables[2][0]))
        np.testing.assert_array_equal(outcome.best_on_test_threshold_A, thresholds(tables[3][1]))
    else:
        assert outcome.threshold_A is None


def test_the_first_of_equals_stays_and_any_score_beats_none():
    right, absent = table([[0.9], [0.1]], [[1], [0]]), table([[0.9], [0.1]], [[0], [0]])
    choice = Choice("detection")
    assert np.isnan(choice.look(1, absent, right, "a"))
    assert choice.look(2, right, right, "b") == 1
    assert choice.look(3, right, right, "c") == 1
    assert np.isnan(choice.look(4, absent, right, "d"))
    assert choice.best.state == "b"
    assert choice.outcome("linear_epoch", None, {}, {}, {}).chosen["best_on_test_epoch"] == 1
