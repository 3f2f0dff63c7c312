import numpy as np
import pytest

from finetune.arms import make_arms
from finetune.audits.fairness import audit_fairness, read_attributes
from finetune.results import dump_sums
from pretrain.config import ConfigError
from pretrain.metrics.detection import accuracy, detection_sums

PEOPLE = 8


def job(make_result, seed=0, skills=(3.0,) * 4 + (0.5,) * 4, fold=3):
    """People differ in how well they are read."""
    rng = np.random.default_rng([seed, fold])
    person_F = np.repeat(np.arange(PEOPLE), 40)
    label_FA = (rng.random((len(person_F), 3)) < [0.3, 0.5, 0.3]).astype(int)
    score_FA = np.array(skills)[person_F, None] * (label_FA - 0.5) + rng.normal(size=label_FA.shape)
    score_FA = 1 / (1 + np.exp(-score_FA))
    sums = detection_sums(score_FA, np.full(3, 0.5), label_FA, [f"p{fold}-{p}" for p in person_F])
    result = make_result("random", seed, fold)
    result["per_person"], result["people"]["test"] = dump_sums(sums), sums.people
    return result, (score_FA, label_FA, person_F)


def values(audit):
    return {number.name: number for number in audit.numbers}


def test_the_group_that_is_read_worse_is_found_with_its_gap(make_result):
    result, (score_FA, label_FA, person_F) = job(make_result)
    (arm,) = make_arms([result])["detection"]
    group = {f"p3-{p}": "old" if p < 4 else "young" for p in range(PEOPLE)}
    audit = audit_fairness(arm, "accuracy", {"age": group})
    right_FA = (score_FA >= 0.5) == (label_FA == 1)
    old, young = right_FA[person_F < 4].mean(axis=0).mean(), right_FA[person_F >= 4].mean(axis=0).mean()
    found = values(audit)
    assert found["accuracy, age old (4 people)"].value == pytest.approx(old)
    assert found["accuracy, age young (4 people)"].value == pytest.approx(young)
    gap = found["accuracy, gap of age (old to young)"]
    assert gap.value == pytest.approx(old - young)
    assert 0 < gap.interval.low < gap.value < gap.interval.high
    assert "age: worst for young" in audit.verdict
    assert audit.verdict.endswith("(shown).")


def test_a_group_drawn_at_random_has_no_shown_gap(make_result):
    (arm,) = make_arms([job(make_result, skills=(1.5,) * PEOPLE)[0]])["detection"]
    group = {f"p3-{p}": str(p % 2) for p in range(PEOPLE)}
    assert "not shown" in audit_fairness(arm, "accuracy", {"side": group}).verdict


def test_people_are_listed_from_the_worst_and_folds_and_seeds_are_averaged(make_result):
    jobs = [job(make_result, seed, fold=fold) for fold in (1, 2) for seed in (0, 1)]
    (arm,) = make_arms([result for result, _ in jobs])["detection"]
    audit = audit_fairness(arm, "accuracy", {})
    assert len(audit.lines) == 2 * PEOPLE
    shown = [float(line.rsplit(" ", 1)[1]) for line in audit.lines]
    assert shown == sorted(shown)
    of_one = np.mean(
        [
            accuracy(detection_sums(s, np.full(3, 0.5), y, [str(x) for x in p]), np.eye(PEOPLE)[5]).mean()
            for _, (s, y, p) in jobs[:2]
        ]
    )
    (line,) = [line for line in audit.lines if line.startswith("p1-5:")]
    assert line == f"p1-5: accuracy {of_one:.3f}"
    assert "No attributes were given" in audit.verdict


def test_an_au_that_a_person_never_shows_does_not_pull_the_persons_f1_down(make_result):
    result = make_result("random")
    sums = result["per_person"]
    # Perfect on the first person, who never shows the first AU.
    for name, values_A in (
        ("true_positive_PA", [0, 5, 5]),
        ("false_positive_PA", [0, 0, 0]),
        ("false_negative_PA", [0, 0, 0]),
        ("true_negative_PA", [30, 25, 25]),
    ):
        sums[name][0] = values_A
    (arm,) = make_arms([result])["detection"]
    assert "p3-0: f1 1.000" in audit_fairness(arm, "f1", {}).lines


def test_messages(make_result, tmp_path):
    (arm,) = make_arms([job(make_result)[0]])["detection"]
    with pytest.raises(ConfigError, match=r"--score 'icc': detection has \['f1', 'auc'"):
        audit_fairness(arm, "icc", {})
    with pytest.raises(ConfigError, match=r"attribute 'age' is missing for \['p3-1'"):
        audit_fairness(arm, "f1", {"age": {"p3-0": "old"}})
    table = tmp_path / "people.csv"
    table.write_text("person,age,skin\np1,old,2\np2,young,3\n")
    assert read_attributes(table) == {"age": {"p1": "old", "p2": "young"}, "skin": {"p1": "2", "p2": "3"}}
    for text, match in (
        ("name,age\n", "the first line must be `person,attribute...`"),
        ("person,age\np1,\n", "line 2: a value for each"),
        ("person,age\np1,a\np1,b\n", r"\['p1'\] are there twice"),
    ):
        table.write_text(text)
        with pytest.raises(ConfigError, match=match):
            read_attributes(table)
    with pytest.raises(ConfigError, match="no table of people at"):
        read_attributes(tmp_path / "none.csv")
