import json

import numpy as np
import pytest

from finetune.arms import make_arms
from finetune.tables import make_table, table_json, terminal_table
from pretrain.config import ConfigError


@pytest.fixture
def arms(make_result):
    starts = (("pretrained", 3.0), ("random", 0.3))
    return make_arms([make_result(s, seed, skill=skill) for s, skill in starts for seed in (0, 1)])[
        "detection"
    ]


def test_differences_are_to_the_arm_that_is_asked_for(arms):
    by_first, by_random = make_table(arms), make_table(arms, "init=random")
    assert by_first.reference == "init=pretrained"
    for name, row in by_first.scores.items():
        value, interval = row.differences["init=random"]
        other, turned = by_random.scores[name].differences["init=pretrained"]
        assert value == pytest.approx(-other)
        assert interval == pytest.approx((-turned.high, -turned.low))
    with pytest.raises(
        ConfigError, match=r"no arm 'x' to compare with; there are \['init=pretrained', 'init="
    ):
        make_table(arms, "x")


def test_json_holds_what_the_jobs_say(arms):
    content = json.loads(json.dumps(table_json(make_table(arms))))
    pretrained = content["scores"]["auc"]["arms"]["init=pretrained"]
    stored = [result["test"] for result in arms[0].results]
    assert pretrained["mean"]["value"] == pytest.approx(np.mean([t["honest"]["auc"]["mean"] for t in stored]))
    wanted = np.mean([test["best_on_test"]["auc"]["per_au"]["AU2"] for test in stored])
    assert pretrained["best_on_test"]["per_au"]["AU2"] == pytest.approx(wanted)
    assert [job["seed"] for job in content["arms"]["init=random"]] == [0, 1]
    assert set(content["scores"]) == {"f1", "auc", "accuracy"}


def test_what_is_not_defined_is_a_dash_and_null(make_result):
    result = make_result("random")
    sums = result["per_person"]
    for positive, negative in (
        ("true_positive_PA", "false_positive_PA"),
        ("false_negative_PA", "true_negative_PA"),
    ):
        moved = np.array(sums[positive])
        sums[negative] = (np.array(sums[negative]) + moved * [1, 0, 0]).tolist()
        sums[positive] = (moved * [0, 1, 1]).tolist()
    table = make_table(make_arms([result])["detection"])
    assert table.people_showing == [0, 6, 6]
    assert (
        table_json(table)["scores"]["auc"]["arms"]["task=aunce init=random"]["per_au"]["AU1"]["value"] is None
    )
    text = terminal_table(table)
    assert "No tested person shows AU1: F1 is 0 there for every method, AUC is not defined." in text
    assert any(line.split()[:2] == ["AU1", "-"] for line in text.splitlines())
