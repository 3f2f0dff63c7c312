"""The model card says what a user must know, from the run alone."""

import numpy as np
import pytest

from finetune.audits.result import Audit
from finetune.card import model_card
from finetune.results import dump_sums
from pretrain.metrics.expression import expression_sums


@pytest.fixture
def result(make_result):
    result = make_result("random", aus=(4, 12))
    result["data"] |= {"recipe_digest": "r" * 64, "layout": "disfa"}
    result["people"] |= {"train": ["a", "b", "c"], "validation": ["d"]}
    result["people_line"] = "disfa fold 3"
    return result


def test_scores_have_intervals_and_stand_beside_the_row_to_beat(result):
    honest, row = result["test"]["honest"]["f1"], result["test"]["everything_present"]["f1"]
    honest["per_au"]["AU12"] = row["per_au"]["AU12"] = None
    card = model_card(result)
    table = [line for line in card.splitlines() if line.startswith("|")]
    assert table[0] == "| AU | F1 [95 %] | everything present | AUC [95 %] | everything present |"
    au4, au12, mean = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table[2:])
    assert au4[0] == "AU4"
    value, low, high = (float(word.strip("[],")) for word in au4[1].split())
    assert low < value == round(honest["per_au"]["AU4"], 3) < high
    assert au4[2] == f"{row['per_au']['AU4']:.3f}"
    assert au12[:3] == ["AU12", "-", "-"]
    assert mean[0] == "mean"
    assert mean[1].startswith(f"{honest['mean']:.3f} [")
    assert "On 6 people it has never seen" in card


def test_data_people_units_use_and_audits_are_said(result):
    audit = Audit("fairness", "about", (), (), "side: worst for left.")
    card = model_card(result, [audit])
    assert f"`disfa` set `{'d' * 64}`, disfa fold 3" in card
    assert "3 trained, 1 chose epoch and thresholds, 6 were tested" in card
    assert f"- Crop recipe: `{'r' * 64}`." in card
    assert "- Encoder: random." in card
    assert "- `AU12_present`: 1 where" in card
    assert "no evidence of feelings" in card
    assert "- fairness: side: worst for left." in card
    assert "None was given when it was registered" in model_card(result)
    result["init"] = {
        **{"init": "pretrained", "source": "s3://b/e", "trained_on": "p" * 64, "step": 400},
        "config": {"objective": "clp"},
    }
    wanted = f"- Encoder: pretrained with clp on set `{'p' * 64}`, 400 steps, from s3://b/e."
    assert wanted in model_card(result)


def test_generated_faces_are_named_at_the_head_and_only_where_they_are(result):
    assert "say nothing about real people" in model_card(result).splitlines()[2]
    result["data"]["generated"] = False
    assert "generated" not in model_card(result)


def test_expressions_are_named_in_their_order(result):
    names, label_F = ["neutral", "fear"], np.array([0, 1] * 6)
    value_FK = np.eye(2)[np.array([0, 0] * 6)]
    sums = expression_sums(value_FK, label_F, [f"p{frame // 2}" for frame in range(12)])
    scores = {"mean": 0.5, "per_expression": {"fear": None, "neutral": 0.75}}
    result |= {"kind": "expression", "aus": [], "expressions": names, "per_person": dump_sums(sums)}
    result["test"] = {row: {"uar": scores} for row in ("honest", "commonest")}
    result["protocol"] = {"name": "rafdb", "fold": 1}
    card = model_card(result)
    assert "expressions neutral, fear" in card
    assert "| expression | UAR [95 %] | commonest |\n|---|---|---|\n| neutral | 0.750 [" in card
    assert "\n| fear | - | - |" in card
    assert "On 6 pictures it has never seen" in card
    assert "- `expression`: the most probable one: neutral, fear" in card
