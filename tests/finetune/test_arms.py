import numpy as np
import pytest

from finetune.arms import baseline_values, make_arms, score_arm
from finetune.scored import difference
from pretrain.config import ConfigError


@pytest.fixture
def results(make_result):
    return [make_result("random", skill=0.3), make_result("pretrained", skill=3.0)]


def test_scores_intervals_and_the_paired_difference(results):
    pretrained, random = make_arms(results)["aunce"]
    assert (pretrained.start, random.start) == ("pretrained", "random")
    good, poor = score_arm(pretrained, "f1"), score_arm(random, "f1")
    assert good.mean == pytest.approx(results[1]["test"]["honest"]["f1"]["mean"])
    assert good.mean_interval.low < good.mean < good.mean_interval.high
    value, interval = difference(good, poor)
    assert value == pytest.approx(good.mean - poor.mean)
    assert 0 < interval.low < value < interval.high
    same, nothing = difference(good, good)
    assert (same, nothing.low, nothing.high) == (0, 0, 0)


def test_seeds_are_averaged_and_folds_too(make_result):
    jobs = [make_result("random", seed, fold) for seed in (0, 1) for fold in (1, 2)]
    (arm,) = make_arms(jobs)["aunce"]
    means = [job["test"]["honest"]["f1"]["mean"] for job in jobs]
    assert score_arm(arm, "f1").mean == pytest.approx(np.mean(means))


def test_rows_keep_the_order_of_aus(results):
    (arm, _) = make_arms(results)["aunce"]
    stored = arm.results[0]["test"]["everything_present"]["f1"]["per_au"]
    arm.results[0]["test"]["everything_present"]["f1"]["per_au"] = dict(sorted(stored.items(), reverse=True))
    value_A, _ = baseline_values(arm, "f1", "everything_present")
    assert value_A.tolist() == [stored["AU1"], stored["AU12"], stored["AU2"]]


def test_jobs_that_cannot_stand_side_by_side_are_refused(results, make_result):
    results[0]["data"]["digest"] = "e" * 64
    with pytest.raises(ConfigError, match=r"aunce: the jobs differ in data: \['d+', 'e+'\]"):
        make_arms(results)
    with pytest.raises(ConfigError, match="the jobs differ in tested people of fold 3"):
        make_arms([make_result("random"), make_result("random", seed=1, people=5)])


def test_random_weights_of_another_network_are_refused(make_result):
    other = make_result("random")
    other["init"]["backbone"] = {"model_type": "convnext"}
    with pytest.raises(ConfigError, match=r"the jobs differ in encoder \(give the random job .*'convnext'"):
        make_arms([make_result("pretrained"), other])
