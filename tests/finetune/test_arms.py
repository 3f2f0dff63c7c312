from copy import deepcopy

import numpy as np
import pytest

from finetune.arms import baseline_values, make_arms, refuse_other_networks, score_arm
from finetune.scored import difference
from pretrain.config import ConfigError


@pytest.fixture
def results(make_result):
    return [make_result("pretrained", skill=3.0), make_result("random", skill=0.3)]


def variant(result, **changes):
    """The job with other settings, given as `aunce__delta=0`."""
    copy = deepcopy(result)
    for name, value in changes.items():
        *path, last = name.split("__")
        place = copy["config"]
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    copy["task"] = copy["config"]["task"]
    return copy


def names(results):
    return [arm.name for arms in make_arms(results).values() for arm in arms]


def test_scores_intervals_and_the_paired_difference(results):
    pretrained, random = make_arms(results)["detection"]
    assert (pretrained.name, random.name) == ("init=pretrained", "init=random")
    assert (pretrained.is_random, random.is_random) == (False, True)
    good, poor = score_arm(pretrained, "f1"), score_arm(random, "f1")
    assert good.mean == pytest.approx(results[0]["test"]["honest"]["f1"]["mean"])
    assert good.mean_interval.low < good.mean < good.mean_interval.high
    value, interval = difference(good, poor)
    assert value == pytest.approx(good.mean - poor.mean)
    assert 0 < interval.low < value < interval.high
    same, nothing = difference(good, good)
    assert (same, nothing.low, nothing.high) == (0, 0, 0)


def test_seeds_are_averaged_and_folds_too(make_result):
    jobs = [make_result("random", seed, fold) for seed in (0, 1) for fold in (1, 2)]
    (arm,) = make_arms(jobs)["detection"]
    assert arm.name == "task=aunce init=random"
    means = [job["test"]["honest"]["f1"]["mean"] for job in jobs]
    assert score_arm(arm, "f1").mean == pytest.approx(np.mean(means))


def test_arms_are_named_by_what_differs(results):
    first, second = results
    assert names([first, variant(first, aunce__delta=0.0)]) == ["aunce.delta=0.2", "aunce.delta=0.0"]
    assert names([first, variant(second, aunce__delta=0.0)]) == [
        "init=pretrained aunce.delta=0.2",
        "init=random aunce.delta=0.0",
    ]
    # What lies elsewhere, and the fields of tasks that are not run, make no other arm.
    moved = variant(
        second, seed=1, out="x", data__url="s3://there", data__stream__threads=9, intensity__window=3
    )
    moved["seed"] = 1
    assert names([second, moved]) == ["task=aunce init=random"]
    # Nor does what only the cluster is told.
    submitted = variant(second, register__name="au-detector", url="s3://there", tracking__name="a")
    submitted["seed"] = 1
    assert names([second, submitted]) == ["task=aunce init=random"]
    # Flipped labels are settings of the data that do make one.
    assert names([first, variant(first, data__flipped=0.1)]) == ["data.flipped=absent", "data.flipped=0.1"]


def test_a_tasks_own_fields_do_not_name_arms_of_other_tasks(results):
    other = variant(results[0], task="intensity")
    found = names([results[0], variant(results[0], aunce__delta=0.0), other])
    assert found == ["task=aunce aunce.delta=0.2", "task=aunce aunce.delta=0.0", "task=intensity"]


def test_starts_are_named_by_their_objective_where_that_tells_them_apart(results):
    clp, simclr = (deepcopy(results[0]) for _ in range(2))
    for job, objective, place in ((clp, "clp", "a/encoder"), (simclr, "simclr", "b/encoder")):
        job["init"]["config"] = {"objective": objective}
        job["config"]["init"] = place
    assert names([clp, simclr, results[1]]) == ["init=clp", "init=simclr", "init=random"]
    simclr["init"]["config"] = {"objective": "clp"}
    assert names([clp, simclr]) == ["init=a/encoder", "init=b/encoder"]


def test_rows_keep_the_order_of_aus(results):
    (arm, _) = make_arms(results)["detection"]
    stored = arm.results[0]["test"]["everything_present"]["f1"]["per_au"]
    arm.results[0]["test"]["everything_present"]["f1"]["per_au"] = dict(sorted(stored.items(), reverse=True))
    value_A, _ = baseline_values(arm, "f1", "everything_present")
    assert value_A.tolist() == [stored["AU1"], stored["AU12"], stored["AU2"]]


def test_jobs_that_cannot_stand_side_by_side_are_refused(results, make_result):
    results[0]["data"]["digest"] = "e" * 64
    with pytest.raises(ConfigError, match=r"detection: the jobs differ in data: \['d+', 'e+'\]"):
        make_arms(results)
    with pytest.raises(ConfigError, match="the jobs differ in tested people of fold 3"):
        make_arms([make_result("random"), make_result("random", seed=1, people=5)])
    with pytest.raises(ConfigError, match=r"2 jobs of fold 3 and seed 0: \['runs/random-3-0', .*; give one"):
        make_arms([make_result("random"), make_result("random")])
    with pytest.raises(ConfigError, match=r"different folds: .*\[3\].*\[2\].*give every arm the same folds"):
        make_arms([make_result("pretrained"), make_result("random", fold=2)])


def test_random_weights_of_another_network_are_named_and_refused_where_pretraining_is_judged(make_result):
    other = make_result("random")
    other["init"]["backbone"] = {"model_type": "convnext"}
    arms = make_arms([make_result("pretrained"), other])["detection"]
    assert arms[1].name == "init=random encoder.model_type=convnext"
    with pytest.raises(ConfigError, match=r"the jobs differ in encoder: .*'convnext'.*give the random job"):
        refuse_other_networks("detection", arms)
