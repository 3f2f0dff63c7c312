from dataclasses import replace

import numpy as np
import pytest

from finetune.arms import make_arms
from finetune.claims import Claim, au_claims, measured_claims, score_claims
from finetune.tables import make_table
from pretrain.metrics.identity import IdentityScore
from pretrain.metrics.people import Interval


@pytest.mark.parametrize(
    ("interval", "verdict", "text"),
    [
        ((0.1, 0.3), "shown", "A is better: +0.200 [+0.100, +0.300]."),
        ((-0.1, 0.5), "not shown", "A is better: +0.200 [-0.100, +0.500], which holds 0."),
        ((-0.3, -0.1), "against", "A is worse: +0.200 [-0.300, -0.100]."),
        ((float("nan"), float("nan")), "not shown", "A is better: +0.200 [+nan, +nan], which holds 0."),
    ],
)
def test_a_claim_says_what_its_interval_allows(interval, verdict, text):
    claim = Claim("A is better", "A is worse", 0.2, Interval(*interval))
    assert (claim.verdict, claim.text) == (verdict, text)


@pytest.fixture
def scored(make_result):
    results = [make_result("random", skill=0.3, people=9), make_result("pretrained", skill=3.0, people=9)]
    return make_table(make_arms(results)["detection"])


def test_a_large_difference_is_shown(scored):
    verdicts = {claim.statement: claim.verdict for claim in score_claims([scored])}
    assert verdicts["AU detection, AUC: init=pretrained is better than init=random"] == "shown"
    assert verdicts['AU detection, AUC: init=pretrained is better than "everything present"'] == "shown"
    assert len(verdicts) == 4


def test_lower_errors_are_better(scored):
    error = replace(scored, kind="intensity", scores=dict.fromkeys(("icc", "mae"), scored.scores["auc"]))
    (against,) = [
        claim for claim in score_claims([error]) if "absolute error: init=pretrained is worse" in claim.text
    ][:1]
    assert against.verdict == "against"
    assert against.value < 0


def test_aus_that_look_alike_make_no_claim(scored):
    claims = au_claims(scored, "auc", left_out=(12,))
    assert [claim.statement.split(":")[0] for claim in claims] == ["AU1", "AU2"]
    assert {claim.verdict for claim in claims} == {"shown"}


def test_aus_of_few_people_make_no_claim(scored):
    assert scored.people_showing == [9, 9, 9]
    few = replace(scored, people_showing=[4, 5, 9])
    assert [claim.statement.split(":")[0] for claim in au_claims(few, "auc", ())] == ["AU12", "AU2"]


def test_random_weights_alone_make_no_claim(make_result):
    table = make_table(make_arms([make_result("random")])["detection"])
    assert score_claims([table]) == []
    assert au_claims(table, "auc", ()) == []


def test_knowing_people_less_is_the_claim():
    scores = {
        "pretrained": IdentityScore(np.full(6, 0.2)),
        "random": IdentityScore(np.array([0.5, 0.6, 0.5, 0.6, 0.5, 0.6])),
    }
    (claim,) = measured_claims(None, scores)
    assert claim.verdict == "shown"
    assert claim.value == pytest.approx(0.35)
    assert measured_claims(None, {"random": scores["random"]}) == []
