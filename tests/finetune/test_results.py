import json

import numpy as np
import pytest

from finetune.results import dump_sums, load_sums, one_line, summary
from pretrain.metrics.detection import auc, detection_sums
from pretrain.metrics.intensity import icc, intensity_sums


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
