"""Whole jobs of plain supervision on the toy set, and what they begin from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from finetune.artifact import load_model
from finetune.data import DataConfig, open_fold
from finetune.fit import FitConfig
from finetune.protocols.registry import ProtocolConfig
from finetune.targets import positive_rates
from finetune.tasks.probe import LinearConfig
from finetune.tasks.supervised import SupervisedConfig, expression_loss, loss_named
from finetune.train import run
from pretrain.config import ConfigError
from pretrain.models.encoder import FrameEncoder
from pretrain.models.exported import save_encoder
from pretrain.optim import OptimConfig
from shards.tracks import load_tracks
from tests.toy_set import EXPRESSIONS, write_stills


def quiet(metrics, step):
    assert all(np.isfinite(value) for value in metrics.values())


@pytest.fixture
def config(short_job, tmp_path):
    linear = LinearConfig(epochs=4)
    supervised = replace(short_job.supervised, linear=linear)
    return replace(short_job, task="supervised", out=tmp_path / "run", supervised=supervised)


@pytest.mark.parametrize("train", ["head", "all"])
@pytest.mark.parametrize("loss", ["weighted_bce", "balanced_bce", "focal", "asymmetric"])
def test_a_job_scores_and_serves_the_model_that_was_chosen(config, train, loss):
    config = replace(config, supervised=replace(config.supervised, train=train, loss=loss))
    result = run(config, quiet)
    assert result["kind"] == "detection"
    assert result["chosen"]["linear_epoch" if train == "head" else "step"] >= 1
    assert set(result["facts"]["training_rate"]) == {f"AU{au}" for au in result["aus"]}
    # The stored model says of the tested people what the result says: the layer on unscaled features too.
    model = load_model(config.out / "model").model
    data = open_fold(config.data, config.protocol, "detection", config.seed)
    table = data.test.run(model.infer, config.encoder.image_size)
    sums = result["per_person"]
    present_FA = table.value_F >= np.array(result["thresholds"])
    hits_A = (present_FA & (table.label_FA == 1)).sum(axis=0)
    np.testing.assert_array_equal(hits_A, np.sum(sums["true_positive_PA"], axis=0))


def test_the_losses_differ_and_are_the_named_ones(toy_set):
    data = open_fold(DataConfig(toy_set), ProtocolConfig(), "detection", seed=0)
    rate_A = positive_rates(data.train_labels, data.target)
    generator = torch.Generator().manual_seed(0)
    logit_BA = torch.randn(9, len(rate_A), generator=generator)
    label_BA = torch.randint(-1, 2, logit_BA.shape, generator=generator)
    names = ("weighted_bce", "balanced_bce", "focal", "asymmetric")
    losses = [float(loss_named(name, rate_A)(logit_BA, label_BA)) for name in names]
    assert len({round(loss, 4) for loss in losses}) == 4
    # In a batch with the rates of the training frames, present and absent pull alike at probability 1/2.
    label_BA = torch.tensor([[1], [0], [0], [0], [0]])
    logit_BA = torch.zeros(5, 1, requires_grad=True)
    loss_named("balanced_bce", np.array([0.2]))(logit_BA, label_BA).backward()
    assert float(logit_BA.grad.sum()) == pytest.approx(0, abs=1e-7)
    pull_B = {}
    for name in ("weighted_bce", "balanced_bce"):
        logit_BA = torch.zeros(5, 1, requires_grad=True)
        loss_named(name, np.array([0.2]))(logit_BA, label_BA).backward()
        pull_B[name] = float((logit_BA.grad[0] / logit_BA.grad[1]).abs())
    assert pull_B == pytest.approx({"weighted_bce": 1.0, "balanced_bce": 4.0})


def test_expressions_weigh_by_their_rarity():
    logit_BA = torch.zeros(4, 2, requires_grad=True)
    label_B1 = torch.tensor([[0], [0], [0], [1]])
    expression_loss(np.array([0.75, 0.25]))(logit_BA, label_B1).backward()
    assert float(logit_BA.grad.sum(dim=0).abs().max()) == pytest.approx(0, abs=1e-7)


def test_the_head_alone_leaves_the_encoder_as_it_began(config, tiny_encoder, tmp_path):
    torch.manual_seed(5)
    encoder = FrameEncoder(tiny_encoder)
    digest = load_tracks(config.data.url).manifest.recipe_digest
    save_encoder(encoder, tmp_path / "encoder", {"recipe_digest": digest})
    kept = {}
    for train in ("head", "all"):
        job = replace(config, init=str(tmp_path / "encoder"), out=tmp_path / train)
        result = run(replace(job, supervised=replace(config.supervised, train=train)), quiet)
        assert result["init"]["init"] == "pretrained"
        kept[train] = load_model(job.out / "model").model.encoder.state_dict()
    stored = encoder.state_dict()
    assert all(torch.equal(tensor, stored[name]) for name, tensor in kept["head"].items())
    assert not all(torch.equal(tensor, stored[name]) for name, tensor in kept["all"].items())


def test_weights_that_others_trained_are_read(config, tiny_encoder, tmp_path):
    """A folder as `transformers` saves it, such as ImageNet's or DINO's, without this project's facts."""
    torch.manual_seed(9)
    FrameEncoder(tiny_encoder).backbone.save_pretrained(tmp_path / "theirs", safe_serialization=True)
    trained = replace(tiny_encoder, settings={}, weights=str(tmp_path / "theirs"))
    job = replace(config, encoder=trained, supervised=replace(config.supervised, train="head"))
    init = run(job, quiet)["init"]
    assert (init["init"], init["source"]) == ("weights", str(tmp_path / "theirs"))
    theirs = load_file(tmp_path / "theirs" / "model.safetensors")
    kept = load_model(config.out / "model").model.encoder.backbone.state_dict()
    assert theirs.keys() <= kept.keys()
    assert all(torch.equal(kept[name], tensor) for name, tensor in theirs.items())
    with pytest.raises(ConfigError, match=r"is no folder here, and could not be had from the hub"):
        run(replace(job, encoder=replace(trained, weights=str(tmp_path / "no")), out=tmp_path / "b"), quiet)


@pytest.fixture
def learning(config, large_toy_set):
    settings = {**config.encoder.settings, "layer_scale_init_value": 1.0}
    fit = FitConfig(200, 24, OptimConfig(learning_rate=1e-2), encoder_rate=1.0)
    return replace(
        config,
        data=DataConfig(large_toy_set),
        encoder=replace(config.encoder, settings=settings, pool="grid"),
        supervised=SupervisedConfig(fit=fit, linear=LinearConfig(epochs=20)),
    )


@pytest.mark.parametrize("train", ["head", "all"])
def test_expressions_are_learned_too(learning, tmp_path, train):
    """Unequally many pictures of each; calling everything by the commonest has a mean recall of 1/7."""
    shown = {
        f"{group}_{number:05d}": EXPRESSIONS[min(number % 9, 6)]
        for group, count in (("train", 180), ("test", 63))
        for number in range(count)
    }
    job = replace(
        learning,
        data=DataConfig(write_stills(tmp_path / "stills", {**shown, "train_90000": None})),
        protocol=ProtocolConfig("rafdb", fold=1),
        supervised=replace(learning.supervised, train=train),
    )
    result = run(job, quiet)
    assert result["kind"] == "expression"
    assert result["test"]["commonest"]["uar"]["mean"] == pytest.approx(1 / 7)
    assert result["test"]["honest"]["uar"]["mean"] > 0.6
    assert sum(result["facts"]["training_rate"].values()) == pytest.approx(1)
    model = load_model(job.out / "model").model
    probability_BTA, _ = model.infer(torch.rand(2, 1, 3, 32, 32), None, None)
    torch.testing.assert_close(probability_BTA.sum(dim=2), torch.ones(2, 1))


@pytest.mark.parametrize("train", ["head", "all"])
def test_it_learns_what_carries_over_to_other_people(learning, train):
    job = replace(learning, supervised=replace(learning.supervised, train=train))
    assert run(job, quiet)["test"]["honest"]["auc"]["mean"] > 0.7


def test_messages(config):
    with pytest.raises(ValueError, match="evaluate_every must be at least 1, found 0"):
        SupervisedConfig(evaluate_every=0)
    small = SupervisedConfig(train="head", max_cached_mib=0)
    with pytest.raises(ConfigError, match=r"more than supervised\.max_cached_mib=0; raise it or use encoder"):
        run(replace(config, supervised=small), quiet)
