import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from finetune.frames import FrameTable
from finetune.models.linear_detector import LinearDetector
from finetune.results import (
    PREDICTIONS_NAME,
    dump_sums,
    load_sums,
    one_line,
    score_outcome,
    summary,
    write_results,
)
from finetune.targets import Target
from finetune.tasks.outcome import Outcome
from pretrain.metrics.detection import auc, detection_sums
from pretrain.metrics.intensity import icc, intensity_sums
from pretrain.models.encoder import FrameEncoder


@pytest.mark.parametrize("kind", ["detection", "intensity"])
def test_sums_survive_json(kind):
    rng = np.random.default_rng(0)
    people = [f"p{i % 3}" for i in range(60)]
    if kind == "detection":
        label_FA, half_A = rng.integers(0, 2, (60, 2)), np.full(2, 0.5)
        sums, score = detection_sums(rng.random((60, 2)), half_A, label_FA, people), auc
    else:
        sums, score = intensity_sums(rng.random((60, 2)) * 5, rng.integers(0, 6, (60, 2)), people), icc
    again = load_sums(json.loads(json.dumps(dump_sums(sums))))
    assert again.people == ["p0", "p1", "p2"]
    np.testing.assert_array_equal(score(again), score(sums))


def test_undefined_scores_are_none_not_nan():
    sums = detection_sums(np.zeros((2, 1)), np.full(1, 0.5), np.zeros((2, 1), int), ["a", "b"])
    content = summary(sums, (9,))
    assert content["auc"] == {"mean": None, "per_au": {"AU9": None}}
    assert content["f1"]["per_au"]["AU9"] == 0
    json.dumps(content, allow_nan=False)


def test_one_line_names_start_data_and_the_row_to_beat(make_result):
    line = one_line({**make_result("pretrained"), "seconds": 61.2})
    assert "aunce from pretrained: F1 0." in line
    assert "on generated faces, 6 people never seen (everything present: F1 0." in line


CLASSES = ("neutral", "happiness", "fear")


def expression_table(seed):
    """Three people, every fourth frame without a label, and nobody who is afraid."""
    rng = np.random.default_rng(seed)
    label_F = np.where(np.arange(40) % 4 == 0, -1, rng.integers(0, 2, 40))
    return FrameTable(
        person_F=[f"p{i % 3}" for i in range(40)],
        key_F=[f"k{i}" for i in range(40)],
        frame_index_F=np.zeros(40, np.int64),
        time_seconds_F=np.zeros(40),
        label_FA=label_F[:, None].astype(np.int8),
        value_F=rng.dirichlet(np.ones(3), 40).astype(np.float32),
        unreadable={},
    )


def test_expressions_are_scored_stored_and_written(tmp_path, tiny_encoder):
    target = Target(kind="expression", expressions=CLASSES)
    outcome = Outcome(
        model=LinearDetector(FrameEncoder(tiny_encoder), 3, exclusive=True),
        heads={},
        threshold_A=None,
        validation=expression_table(1),
        test=expression_table(2),
        chosen={},
        best_on_test=expression_table(3),
        best_on_test_threshold_A=None,
        facts={},
        stages={},
    )
    result = score_outcome(outcome, target)
    assert result["not_shown"] == ["fear"]
    honest = result["test"]["honest"]
    recalls = honest["uar"]["per_expression"]
    assert recalls["fear"] is None
    assert honest["uar"]["mean"] == pytest.approx((recalls["neutral"] + recalls["happiness"]) / 2)
    assert result["test"]["commonest"]["uar"]["mean"] == 0.5
    again = load_sums(json.loads(json.dumps(result["per_person"], allow_nan=False)))
    assert summary(again, CLASSES) == honest
    job = {"task": "supervised", "kind": "expression", "init": {"init": "random"}, "seconds": 3}
    job |= {"people": {"test": ["a"] * 40}, "protocol": {"name": "rafdb"}, "data": {"generated": False}}
    line = one_line({**job, **result})
    assert line.startswith("supervised from random: UAR 0.")
    assert "(nobody shows fear), 40 pictures never seen (the commonest: UAR 0.500, accuracy 0." in line
    write_results(tmp_path, {"seed": 0}, outcome, target)
    table = pq.read_table(tmp_path / PREDICTIONS_NAME).to_pandas()
    chances = table[[f"{name}_probability" for name in CLASSES]].to_numpy()
    assert table["expression"].tolist() == [CLASSES[place] for place in chances.argmax(1)]
    right = (table["expression"] == table["expression_label"])[table["expression_label"].notna()]
    assert right.mean() == pytest.approx(honest["accuracy"]["mean"])
    assert len(right) == 30
