import numpy as np
import pytest
import torch

from finetune.data import DataConfig, open_fold
from finetune.frames import FrameTable
from finetune.protocols.registry import ProtocolConfig
from finetune.tasks.choice import Choice
from finetune.tasks.outcome import Stages
from finetune.tasks.probe import (
    LinearConfig,
    choose,
    frozen_features,
    linear_epochs,
    refuse_large_cache,
)
from pretrain.config import ConfigError
from pretrain.losses.weighted_bce import weighted_bce
from pretrain.losses.weighted_cross_entropy import weighted_cross_entropy
from pretrain.models.encoder import EncoderConfig, FrameEncoder

BATCH_NORM = EncoderConfig(
    "resnet",
    {"embedding_size": 8, "hidden_sizes": [8], "depths": [1], "layer_type": "basic", "num_channels": 3},
    32,
)


def plain(logit_BA, label_BA):
    return weighted_bce(logit_BA, label_BA, torch.ones(2, logit_BA.shape[1]))


def table(seed, people=4, frames=60):
    """Vectors whose first feature tells AU 0 and whose second tells AU 1."""
    rng = np.random.default_rng(seed)
    count = people * frames
    label_FA = rng.integers(0, 2, (count, 2)).astype(np.int8)
    vectors_FAV = rng.normal(size=(count, 2, 5)).astype(np.float32)
    for au in range(2):
        vectors_FAV[:, au, au] += 2.5 * label_FA[:, au]
    label_FA[::7] = -1
    return FrameTable(
        person_F=[f"p{i // frames}" for i in range(count)],
        key_F=["k"] * count,
        frame_index_F=np.arange(count),
        time_seconds_F=np.zeros(count),
        label_FA=label_FA,
        value_F=vectors_FAV,
        unreadable={},
    )


def test_finds_the_feature_and_chooses_on_validation_people():
    train, validation, test = table(0), table(1), table(2)
    config = LinearConfig(epochs=15, learning_rate=0.05)
    epochs = list(linear_epochs(train.value_F, train.label_FA, 2, plain, config, seed=0))
    assert len(epochs) == 15
    choice = Choice("detection")
    chosen = choose(choice, iter(epochs), {"validation": validation, "test": test})
    assert choice.best.score > 0.9
    assert chosen.weight_AV.abs().argmax(dim=1).tolist() == [0, 1]
    np.testing.assert_array_equal(choice.best.test.value_F, chosen.probability(test.value_F))
    # Other tested people change nothing but what is named after them.
    again = Choice("detection")
    choose(again, iter(epochs), {"validation": validation, "test": table(3)})
    assert again.best.at == choice.best.at
    np.testing.assert_array_equal(again.best.validation.value_F, choice.best.validation.value_F)


def test_outputs_that_share_features_are_as_those_that_have_equal_ones_of_their_own():
    train = table(0)
    shared_FV = train.value_F[:, 0]
    config = LinearConfig(epochs=2)
    own, shared = (
        list(linear_epochs(features, train.label_FA, 2, plain, config, seed=0))[-1]
        for features in (np.stack([shared_FV, shared_FV], axis=1), shared_FV)
    )
    torch.testing.assert_close(own.weight_AV, shared.weight_AV)
    np.testing.assert_allclose(
        own.probability(np.stack([shared_FV, shared_FV], axis=1)), shared.probability(shared_FV), rtol=1e-5
    )


def test_classes_share_one_probability():
    rng = np.random.default_rng(0)
    class_F1 = rng.integers(0, 3, (300, 1)).astype(np.int8)
    features_FV = (rng.normal(size=(300, 3)) + 3 * np.eye(3)[class_F1[:, 0]]).astype(np.float32)

    def loss(logit_BA, label_B1):
        return weighted_cross_entropy(logit_BA, label_B1[:, 0], torch.ones(3))

    config = LinearConfig(epochs=20, learning_rate=0.05)
    *_, last = linear_epochs(features_FV, class_F1, 3, loss, config, seed=0, exclusive=True)
    probability_FA = last.probability(features_FV)
    np.testing.assert_allclose(probability_FA.sum(axis=1), 1, rtol=1e-5)
    assert (probability_FA.argmax(axis=1) == class_F1[:, 0]).mean() > 0.9


def test_unlabelled_frames_have_no_influence():
    train = table(0)
    changed = np.where(train.label_FA[:, :, None] < 0, 100, train.value_F).astype(np.float32)
    config = LinearConfig(epochs=3)
    first, second = (
        list(linear_epochs(values, train.label_FA, 2, plain, config, seed=0))[-1]
        for values in (train.value_F, changed)
    )
    np.testing.assert_array_equal(first.weight_AV.numpy(), second.weight_AV.numpy())


def test_a_frozen_encoder_moves_no_statistic_and_one_in_training_mode_would(toy_set):
    """The released linear stage has the frozen encoder in training mode (methods' finding 9)."""
    data = open_fold(DataConfig(toy_set), ProtocolConfig(), "detection", seed=0)
    torch.manual_seed(0)
    encoder = FrameEncoder(BATCH_NORM).train()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}

    def pooled(frames_NCHW):
        return encoder(frames_NCHW).pooled_ND

    tables = frozen_features(encoder, pooled, data, 32, Stages())
    assert {name: len(one) for name, one in tables.items()} == {"train": 72, "validation": 24, "test": 48}
    assert tables["test"].value_F.shape == (48, encoder.dim)
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not any(module.training for module in encoder.modules())
    # The same frames through the same weights as the release does it: statistics drift, features differ.
    encoder.train()
    released = data.test.run(
        lambda frames, *_: (pooled(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]), None), 32
    )
    drifted = [name for name, tensor in encoder.state_dict().items() if not torch.equal(tensor, before[name])]
    assert any("running_mean" in name for name in drifted)
    assert np.abs(released.value_F - tables["test"].value_F).max() > 0.01


def test_messages(toy_set):
    with pytest.raises(ValueError, match="epochs, batch and learning_rate above 0"):
        LinearConfig(epochs=0)
    data = open_fold(DataConfig(toy_set), ProtocolConfig(), "detection", seed=0)
    with pytest.raises(ConfigError, match=r"144 frames take 1 MiB, more than x\.mib=0; raise it or do less"):
        refuse_large_cache(data, 2000, 0, "x.mib", "do less")
    refuse_large_cache(data, 2000, 2, "x.mib", "do less")
