"""The probe: its numbers against their definition, which sets it takes, and that training does not notice."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pretrain.checkpoint_reader import CheckpointReader, committed
from pretrain.config import ConfigError
from pretrain.engine import EngineConfig
from pretrain.models.encoder import FrameEncoder
from pretrain.models.exported import load_encoder
from pretrain.probe import AU_R, IDENTITY, STRENGTH, Probe, ProbeConfig, au_r
from pretrain.recipe import check
from pretrain.world import Alone, World
from shards.layouts.disfa import AUS
from tests import drawn_set
from tests.pretrain.probed_runs import (
    ENCODER,
    STEPS,
    Squares,
    probed,
    probing,
    runs_in_one_process,
    runs_on_rank,
)
from tests.ranks import run_ranks
from tests.toy_set import EVERYONE, RECIPE, independent_intensity, toy_intensity, write_set

CPU = torch.device("cpu")
DRAWN = replace(RECIPE, name="drawn")


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> dict[str, str]:
    """`held out` has two videos a person, and is smaller than what is trained on."""
    folder = tmp_path_factory.mktemp("sets")
    trained = str(folder / "trained")
    drawn_set.write_set(trained, folder / "tars", people=8, frames=64, units=4, size=48)
    held_out = {"intensity": independent_intensity, "videos": 2, "recipe": DRAWN}
    return {"trained": trained, "held out": write_set(folder / "held", EVERYONE[:10], **held_out)}


def features(people: int, each: int, dims: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Noise, intensities of three AUs, and people."""
    rng = np.random.default_rng(people)
    person_F = [f"p{number}" for number in range(people) for _ in range(each)]
    shape = (len(person_F), 3)
    return rng.normal(size=(shape[0], dims)), rng.integers(0, 6, shape).astype(np.int8), person_F


@pytest.mark.parametrize(("people", "dims"), [(5, 4), (2, 40)], ids=["more frames than features", "fewer"])
def test_au_r_is_its_definition(people, dims):
    noise_FD, label_FA, person_F = features(people, 12, dims)
    feature_FD = 5 + 3 * noise_FD
    feature_FD[:, :3] += label_FA
    names = sorted(set(person_F))
    r = []
    for tested in (names[0::2], names[1::2]):
        x = np.array([v for v, p in zip(feature_FD, person_F, strict=True) if p not in tested])
        y = np.array([v for v, p in zip(label_FA, person_F, strict=True) if p not in tested], np.float64)
        gram = np.cov(x.T, bias=True) / np.outer(x.std(axis=0), x.std(axis=0)) + STRENGTH * np.eye(dims)
        moment = ((x - x.mean(axis=0)) / x.std(axis=0)).T @ (y - y.mean(axis=0)) / len(x)
        weight = np.linalg.solve(gram, moment)
        for au in range(3):
            told, true = [], []
            for value, label, person in zip(feature_FD, label_FA, person_F, strict=True):
                if person in tested:
                    z = (value - x.mean(axis=0)) / x.std(axis=0)
                    told.append(min(5.0, max(0.0, z @ weight[:, au] + y[:, au].mean())))
                    true.append(label[au])
            r.append(np.corrcoef(told, true)[0, 1])
    assert au_r(feature_FD, label_FA, person_F) == pytest.approx(np.mean(r), rel=1e-6)


def test_a_planted_feature_is_read_and_others_are_not():
    noise_FD, label_FA, person_F = features(40, 30, 8)
    assert au_r(np.c_[noise_FD, label_FA], label_FA, person_F) > 0.95
    assert abs(au_r(noise_FD, label_FA, person_F)) < 0.05
    assert au_r(np.ones((len(person_F), 4)), label_FA, person_F) == 0.0


def test_a_level_of_people_that_half_of_them_have_is_not_read_from_a_feature_of_nothing():
    """Predictions of two regressions have two levels; pooled, their correlation would be far below 0."""
    noise_FD, label_FA, person_F = features(40, 30, 8)
    second_F = np.array([int(name[1:]) for name in person_F]) >= 20
    assert abs(au_r(noise_FD, np.where(second_F[:, None], label_FA // 2 + 3, label_FA // 2), person_F)) < 0.05


def probe_of(url: str, world: World | None = None, **settings: Any) -> Probe:
    return Probe(ProbeConfig(url, **settings), [], world or Alone(), CPU)


def test_an_encoder_that_sees_the_aus_is_told_from_a_random_one(sets):
    torch.manual_seed(0)
    seen, random = (probe_of(sets["held out"])(made(ENCODER)) for made in (Squares, FrameEncoder))
    assert seen[AU_R] > 0.97
    assert random[AU_R] < seen[AU_R] - 0.1
    # Of a person nothing is left in the squares' differences; colours tell all.
    assert random[IDENTITY] > 0.5
    assert seen[IDENTITY] < 0.3


def test_features_that_are_not_finite_are_not_scored(sets):
    broken = FrameEncoder(ENCODER)
    with torch.no_grad():
        next(broken.backbone.parameters()).fill_(torch.nan)
    probe = probe_of(sets["held out"])
    assert np.isnan(probe(broken)[AU_R])
    assert probe(Squares(ENCODER))[AU_R] > 0.97


NINE = sorted(EVERYONE[:9])


def some_missing(person: str, num_frames: int) -> np.ndarray:
    """AU 1 is coded in no frame, AU 2 in three of four; AU 4 never shows in every second person."""
    intensity_TA = independent_intensity(person, num_frames)
    intensity_TA[:, 0] = -1
    intensity_TA[::4, 1] = -1
    if NINE.index(person) % 2:
        intensity_TA[:, 2] = 0
    return intensity_TA


def test_what_cannot_be_scored_is_left_out_and_said_once(tmp_path, capsys):
    probe = probe_of(write_set(tmp_path / "set", NINE, intensity=some_missing))
    encoder = Squares(ENCODER)
    values = probe(encoder)
    assert values == probe(encoder)
    assert list(values) == [AU_R]
    aus = [2, 5, 6, 9, 12, 15, 17, 20, 25, 26]
    assert capsys.readouterr().err == (
        f"probe: 162 frames of 9 people, AUs {aus}; left out 54 frames with an AU that nobody coded; "
        "left out AUs [1, 4], which do not change in both halves of the people\n"
    )
    assert probe.labelled.aus == tuple(aus)
    columns = [AUS.index(au) for au in aus]
    for row, place, label_A in zip(
        probe.labelled.frames.row_F, probe.labelled.frames.place_F, probe.labelled.label_FA, strict=True
    ):
        person, piece = NINE[row // 2], row % 2
        np.testing.assert_array_equal(label_A, some_missing(person, 24)[12 * piece + place, columns])


def test_occurrence_will_do(tmp_path):
    url = write_set(tmp_path / "set", EVERYONE[:10], intensity=independent_intensity, graded=False)
    probe = probe_of(url)
    assert probe(Squares(ENCODER))[AU_R] > 0.8
    assert probe.labelled.label_FA.max() == 1
    assert probe.labelled.aus == tuple(AUS)


@pytest.mark.parametrize("settings", [{"every": 0}, {"frames": 1}])
def test_senseless_numbers_are_refused(settings):
    with pytest.raises(
        ValueError, match=r"probe needs every >= 1 and frames >= 2, found ProbeConfig\(url='x'"
    ):
        ProbeConfig("x", **settings)


def test_sets_that_cannot_be_probed_are_refused_before_the_start(sets, tmp_path):
    check(probing(sets, "unused"), 1)
    unlabelled = write_set(tmp_path / "unlabelled", labelled=False, recipe=DRAWN)
    single = write_set(tmp_path / "single", EVERYONE[:1], recipe=DRAWN)
    other = write_set(tmp_path / "other")
    for url, message in {
        unlabelled: r"has no AU labels, found layout 'disfa'; give a set packed in a layout with intensity",
        single: r"shows 1 people with AU labels; at least 2 are needed, .* Pack more people or leave `probe`",
        other: r"has crops 'toy' version 1, and .* 'drawn' version 1; pack both alike, in any size",
        sets["trained"]: r"is a set that is trained on, .*; give one of other people",
    }.items():
        with pytest.raises(ConfigError, match=rf"probe.url={re.escape(url)} {message}"):
            check(probing(sets, "unused", url), 1)


def test_sets_whose_frames_cannot_be_scored_are_refused_when_they_are_read(tmp_path):
    def never(person: str, num_frames: int) -> np.ndarray:
        return np.zeros_like(toy_intensity(person, num_frames))

    def gaps(person: str, num_frames: int) -> np.ndarray:
        coded = toy_intensity(person, num_frames)
        coded[:, int(person == EVERYONE[0])] = -1
        return coded

    one = write_set(tmp_path / "never", intensity=never)
    with pytest.raises(ConfigError, match=r"no AU changes in both halves of 6 people, found AUs \[1, 2, .*"):
        _ = probe_of(one).labelled
    other = write_set(tmp_path / "gaps", EVERYONE[:4], intensity=gaps)
    with pytest.raises(ConfigError, match=r"shows 0 people in 0 frames whose every AU is coded; at least 2"):
        _ = probe_of(other).labelled


def test_the_best_by_a_probe_needs_one_at_each_save(sets):
    config = probing(sets, "unused", every=2)
    by_probe = replace(config.run, keep_best=AU_R, save_every=4)
    assert replace(config, run=by_probe).run.keep_best == AU_R
    with pytest.raises(ValueError, match=r"run.keep_best=probe/au_r without a probe; set probe.url"):
        replace(config, run=by_probe, probe=None)
    with pytest.raises(ValueError, match=r"with run.save_every=5 and probe.every=2: .*; make run.save_every"):
        replace(config, run=replace(by_probe, save_every=5))


@pytest.fixture(scope="module")
def alone(sets, tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("alone")
    return folder, run_ranks(runs_in_one_process, 1, sets, folder)[0]


def last_checkpoint(run_url: Path) -> CheckpointReader:
    return CheckpointReader(committed(str(run_url))[-1])


def test_training_does_not_notice_the_probe(alone):
    folder, found = alone
    assert list(probed(found["highest"])) == [0, 2, 4, 6]
    assert [line for line in found["highest"] if AU_R not in line[1]] == found["plain"]
    assert [step for step, _ in found["plain"]] == [2, 4, 6]
    assert found["plain"][0][1]["loss/total"] != found["plain"][2][1]["loss/total"]
    with_probe, without = (last_checkpoint(folder / name) for name in ("highest", "plain"))
    assert with_probe.digests() == without.digests()


def test_weights_whose_features_are_not_finite_end_the_run(alone):
    assert alone[1]["diverging"].startswith("probe/au_r not finite by step 1; the last checkpoint is good. ")


def test_the_exported_encoder_is_what_was_probed_last(alone, sets):
    folder, found = alone
    encoder, _ = load_encoder(folder / "highest" / "encoder")
    # One thread more or less adds in another order.
    wanted = pytest.approx(probed(found["highest"])[STEPS], abs=1e-4)
    assert probe_of(sets["held out"], frames=100)(encoder) == wanted


@pytest.mark.parametrize("best_is", ["highest", "lowest"])
def test_the_best_by_the_probe_is_kept(alone, best_is):
    folder, found = alone
    values = {step: metrics[AU_R] for step, metrics in probed(found[best_is]).items() if step}
    pick = max if best_is == "highest" else min
    best = pick(values, key=lambda step: values[step])
    assert len(set(values.values())) == 3
    kept = {CheckpointReader(url).facts["step"] for url in committed(str(folder / best_is))}
    assert kept == {best, STEPS}
    metrics = last_checkpoint(folder / best_is).facts["metrics"]
    assert metrics[AU_R] == values[STEPS]
    assert "loss/total" in metrics


def test_a_run_that_goes_on_knows_the_newest_values(alone):
    """Probed before the first step and after steps 3 and 6; asked to end after step 5, which is not one."""
    folder, found = alone
    before, after = probed(found["asked"]), probed(found["then"])
    assert (list(before), list(after)) == ([0, 3], [6])
    values = {step: metrics[AU_R] for step, metrics in (before | after).items() if step}
    best = max(values, key=lambda step: values[step])
    kept = {CheckpointReader(url).facts["step"] for url in committed(str(folder / "asked"))}
    # Step 5 was saved too, with the value of step 3, and is not kept in its place.
    assert kept == {best, STEPS}
    straight = probed(found["one rank"])
    assert (before[0], after[6]) == (straight[0], straight[6])


ENGINES = {
    "ddp": EngineConfig("ddp"),
    "stage 1": EngineConfig(zero_stage=1),
    "stage 3": EngineConfig(zero_stage=3),
}


@pytest.mark.parametrize(
    "name", ["ddp", *(pytest.param(name, marks=pytest.mark.full) for name in ("stage 1", "stage 3"))]
)
def test_two_ranks_say_what_one_says_and_both_know(alone, sets, tmp_path, name):
    """Whatever the ranks hold of the weights; they differ in the order of additions."""
    one = probed(alone[1]["one rank"])
    first, second = run_ranks(runs_on_rank, 2, sets, tmp_path, ENGINES[name])
    assert probed(first) == probed(second)
    assert list(probed(first)) == list(one)
    assert probed(first)[0] == one[0]
    for step, values in one.items():
        assert probed(first)[step] == pytest.approx(values, abs=0.01), step


def test_a_save_before_the_first_log_step_knows_no_metrics_and_is_no_error(alone):
    metrics = {
        reader.facts["step"]: reader.facts["metrics"]
        for reader in map(CheckpointReader, committed(str(alone[0] / "one")))
    }
    assert list(metrics) == [2, 4, STEPS]
    assert metrics[2] == {}
    assert {"loss/total", AU_R, IDENTITY} <= metrics[4].keys() & metrics[STEPS].keys()
