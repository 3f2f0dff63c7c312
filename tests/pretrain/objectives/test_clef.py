"""CLEF stage 1: what the controls change, what is refused, and a real run. (Ranks: test_registry.)"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pretrain.augment import AugmentConfig
from pretrain.config import ConfigError
from pretrain.data import AlsoConfig
from pretrain.models.encoder import EncoderConfig
from pretrain.models.exported import load_encoder
from pretrain.models.joint_space import FIRST_SCALE
from pretrain.objectives.clef import Clef, ClefConfig
from pretrain.recipe import PretrainConfig, check
from pretrain.tracking import SpoolTracker
from pretrain.train import train
from pretrain.world import Alone, join_group
from shards.pack.pack import PackConfig, pack
from shards.synthetic.generate import GenerateConfig, generate
from tests.clip_batches import CLIPS, clip_batch
from tests.drawn_set import write_set
from tests.pretrain.tiny_runs import Curve, config_of, trained
from tests.ranks import run_ranks

ENCODER = EncoderConfig(
    "convnext", {"hidden_sizes": [8, 16], "depths": [1, 1], "patch_size": 4, "num_stages": 2}, 16
)
RUN_STEPS, RUN_BATCH = 30, 16


def config(**changes: Any) -> ClefConfig:
    return ClefConfig(dim=16, **changes)


def make(settings: ClefConfig) -> Clef:
    torch.manual_seed(0)
    return Clef(settings, ENCODER, AugmentConfig(), Alone(), 10, CLIPS).double()


def parts_and_gradients(settings: ClefConfig) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Of one batch, in which one clip is not valid."""
    objective = make(settings)
    losses = objective(clip_batch(0, settings.num_frames), 0)
    losses.total.backward()
    gradients = {name: w.grad for name, w in objective.named_parameters() if w.grad is not None}
    return {name: float(part) for name, part in losses.parts.items()}, gradients


def test_the_total_is_the_weighted_sum_and_parts_lie_in_their_ranges() -> None:
    parts, _ = parts_and_gradients(config(image_weight=0.5, text_weight=2.0))
    assert parts["loss/total"] == pytest.approx(0.5 * parts["loss/activity"] + 2 * parts["loss/image_text"])
    assert min(parts["loss/activity"], parts["loss/image_text"]) > 0
    assert 0 <= parts["clef/text_accuracy"] <= 1
    assert 0 < parts["clef/feature_std"] < 1
    assert parts["clef/logit_scale"] == pytest.approx(FIRST_SCALE)


def test_every_weight_is_trained_and_texts_are_not() -> None:
    _, gradients = parts_and_gradients(config())
    assert gradients.keys() == dict(make(config()).named_parameters()).keys()
    assert all(gradient.abs().sum() > 0 for gradient in gradients.values())
    owners = {name.partition(".")[0] for name in gradients}
    assert owners == {"student", "joint_space"}
    alone = make(config(text="none"))
    assert {name.partition(".")[0] for name, _ in alone.named_parameters()} == {"student"}


def test_all_controls_start_from_the_same_encoder() -> None:
    wanted = make(config()).student.state_dict()
    for changes in ({"text": "none"}, {"text": "number"}, {"labels": "shuffled"}):
        found = make(config(**changes)).student.state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


def test_clips_that_are_not_valid_do_not_count() -> None:
    objective, batch = make(config()), clip_batch(0, 1)
    before = objective(batch, 0).total
    batch.frames_BTHWC[~batch.valid_B] = 255
    torch.testing.assert_close(objective(batch, 0).total, before, atol=1e-12, rtol=0)


def test_shuffled_labels_are_kept_by_the_sample_whatever_it_shows() -> None:
    objective, batch = make(config(labels="shuffled")), clip_batch(0, 1)
    loss = objective(batch, 0).total
    batch.clips.activity_B[:] = ["T8"] * CLIPS
    batch.activity_B[:] = 8
    assert torch.equal(objective(batch, 0).total, loss)
    other = make(config(labels="shuffled", shuffle_seed=1))
    assert not torch.equal(other(batch, 0).total, loss)
    assert len({objective._drawn(f"key{number}") for number in range(100)}) == 8


def test_a_clip_without_activity_or_text_is_named() -> None:
    objective, batch = make(config()), clip_batch(0, 1)
    batch.clips.activity_B[1] = "T9"
    with pytest.raises(ConfigError, match=r"texts=bp4d has no text for the activities T9; it has T1, T2"):
        objective(batch, 0)
    batch.clips.activity_B[1] = None
    with pytest.raises(ConfigError, match="sample k1 does not say its activity"):
        objective(batch, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_activities": 1}, "clef.num_activities=1: a contrast needs at least 2"),
        ({"num_clips": 0}, "grouped needs at least 1 activity, person and clip"),
        ({"same_person": False, "num_people": 1}, "same_person=false needs clef.num_people of at least 2"),
        ({"text": "none", "image_weight": 0.0}, "leave a loss, found image_weight=0.0, .* text=none"),
        ({"text_weight": -1.0}, "needs weights >= 0"),
        ({"tau": 0.0}, "needs tau > 0"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**changes)


@pytest.fixture(scope="module")
def bp4d_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two generated people in BP4D's eight tasks."""
    folder = tmp_path_factory.mktemp("bp4d")
    generate(GenerateConfig(folder / "videos", "bp4d", 2, 1.0, 101, size=96, workers=1))
    pack(PackConfig(str(folder / "videos"), str(folder / "set"), "bp4d", size=48, workers=1))
    return str(folder / "set")


def run_of(set_url: str, run_url: str, **changes: Any) -> PretrainConfig:
    """A run of small batches: all eight tasks of two people."""
    base = config_of(set_url, run_url, steps=RUN_STEPS, global_batch=RUN_BATCH)
    return replace(base, objective="clef", clef=config(num_people=2, num_clips=1, **changes))


def test_what_a_set_cannot_give_is_refused(bp4d_url: str, tmp_path: Path) -> None:
    good = run_of(bp4d_url, "unused")
    check(good, 1)

    def refused(message: str, changed: PretrainConfig) -> None:
        with pytest.raises(ConfigError, match=message):
            check(changed, 1)

    def with_clef(**changes: Any) -> PretrainConfig:
        clef = replace(good.clef, **changes)
        batch = clef.num_activities * clef.num_people * clef.num_clips
        return replace(good, clef=clef, run=replace(good.run, global_batch=batch))

    refused(
        "run.global_batch=24, but 8 activities x 2 people x 1 clips make 16; set it to 16",
        replace(good, run=replace(good.run, global_batch=24)),
    )
    refused(
        r"shows 8 activities \(T1, T2, .*\), clef.num_activities=9; lower it", with_clef(num_activities=9)
    )
    refused(
        r"shows as few as 2 people in the 4 activities .*'T1': 2.*, clef.num_people=3",
        with_clef(num_activities=4, num_people=3),
    )
    refused(
        "trains on one set, found 2", replace(good, data=replace(good.data, also=[AlsoConfig(bp4d_url, 4)]))
    )
    own = tmp_path / "own.yaml"
    own.write_text("".join(f"T{n}: {{task: Task {n}., emotion: joy}}\n" for n in range(1, 8)))
    refused("own.yaml has no text for the activities T8; it has T1, T2", with_clef(texts=str(own)))
    check(with_clef(texts=str(own), text="none"), 1)
    plain = str(tmp_path / "plain")
    write_set(plain, tmp_path / "tars")
    refused("no sample of .*plain says what people were asked to do", run_of(plain, "unused"))


class StoppedError(Exception):
    """A run that ended where it should not."""


class StopsAt(SpoolTracker):
    """Ends the run when it logs a step."""

    def __init__(self, path: Path, step: int) -> None:
        super().__init__(path)
        self._last = step

    def log(self, metrics: Any, step: int) -> None:
        if step == self._last:
            raise StoppedError(f"at step {step}")
        super().log(metrics, step)


def all_in_one_process(rank: int, set_url: str, folder: Path) -> dict[str, Any]:
    """DeepSpeed is imported once."""
    straight = run_of(set_url, str(folder / "straight"))
    stopped = run_of(set_url, str(folder / "stopped"))
    try:
        train(stopped, join_group(), StopsAt(folder / "first.jsonl", 13), {})
    except StoppedError as error:
        message = str(error)
    return {
        "straight": trained(straight, folder / "straight.jsonl")["curve"],
        "stopped": message,
        "resumed": trained(stopped, folder / "second.jsonl")["curve"],
        "shuffled": trained(
            run_of(set_url, str(folder / "shuffled"), text="shuffled"), folder / "shuffled.jsonl"
        )["curve"],
    }


@pytest.fixture(scope="module")
def found(bp4d_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    [result] = run_ranks(all_in_one_process, 1, bp4d_url, tmp_path_factory.mktemp("runs"))
    return dict(result)


def two_steps(rank: int, set_url: str, folder: Path) -> str:
    run = run_of(set_url, str(folder / "run"))
    run = replace(run, run=replace(run.run, steps=2))
    return str(trained(run, folder / f"{rank}.jsonl")["url"])


def test_two_ranks_train_and_one_of_them_exports(bp4d_url: str, tmp_path: Path) -> None:
    urls = run_ranks(two_steps, 2, bp4d_url, tmp_path)
    assert urls == [str(tmp_path / "run" / "encoder")] * 2
    encoder, _ = load_encoder(tmp_path / "run" / "encoder")
    assert all(weight.isfinite().all() for weight in encoder.parameters())


def test_it_learns_to_tell_the_tasks(found: dict[str, Any]) -> None:
    curve: Curve = found["straight"]
    assert list(curve) == list(range(1, RUN_STEPS + 1))

    def mean(name: str, steps: range) -> float:
        return sum(curve[step][name] for step in steps) / len(steps)

    first, last = range(1, 6), range(RUN_STEPS - 4, RUN_STEPS + 1)
    for name in ("loss/activity", "loss/image_text"):
        assert mean(name, last) < 0.9 * mean(name, first)
    assert mean("clef/text_accuracy", last) > 0.8 > 2 * mean("clef/text_accuracy", first)


def test_a_run_goes_on_as_if_it_had_not_stopped(found: dict[str, Any]) -> None:
    assert found["stopped"] == "at step 13"
    assert min(found["resumed"]) in (6, 11)
    for step, metrics in found["resumed"].items():
        for name in ("loss/activity", "loss/image_text", "clef/logit_scale", "data/order_fingerprint"):
            assert metrics[name] == found["straight"][step][name], (step, name)


def test_shuffled_texts_give_another_curve_on_the_same_clips(found: dict[str, Any]) -> None:
    true, shuffled = found["straight"], found["shuffled"]
    assert all(true[s]["data/order_fingerprint"] == shuffled[s]["data/order_fingerprint"] for s in true)
    assert true[1]["loss/activity"] == shuffled[1]["loss/activity"]
    assert true[1]["loss/image_text"] != shuffled[1]["loss/image_text"]
    assert true[RUN_STEPS]["loss/activity"] != shuffled[RUN_STEPS]["loss/activity"]
