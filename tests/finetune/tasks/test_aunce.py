import numpy as np
import pytest
import torch

from finetune.data import DataConfig, open_fold
from finetune.fit import FitConfig
from finetune.models.au_detector import AuDetector
from finetune.protocols import ProtocolConfig
from finetune.tasks.aunce import AunceConfig, contrast_loss, rarer_label, train_aunce
from finetune.tasks.job import Job
from finetune.tasks.probe import LinearConfig
from pretrain.augment import AugmentConfig
from pretrain.config import ConfigError
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.models.exported import Parts

SHORT = AunceConfig(fit=FitConfig(steps=3, batch=4), linear=LinearConfig(epochs=2), width=8)


def quiet(metrics, step):
    """Where a job logs to."""


def test_the_rarer_label_follows_the_training_fold():
    rate_A = np.array([0.1, 0.5, 0.6])
    assert rarer_label(rate_A, "rarer_in_train_fold").tolist() == [1, 1, 0]
    assert rarer_label(rate_A, "label1").tolist() == [1, 1, 1]


def test_contrast_separates_labels(tiny_encoder):
    """Four images, two per label: training brings equal labels together and others apart."""
    torch.manual_seed(0)
    model = AuDetector(FrameEncoder(tiny_encoder), 1, 8)
    images_BCHW = torch.rand(4, 3, tiny_encoder.image_size, tiny_encoder.image_size)
    label_BA = torch.tensor([[1], [1], [0], [0]])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(20):
        views_NCHW = images_BCHW.repeat(2, 1, 1, 1)
        rare_A, kind_A = torch.tensor([1]), torch.tensor([1])
        loss = contrast_loss(model, views_NCHW, label_BA, rare_A, AunceConfig(), kind_A)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    vectors_BV = model.vectors(images_BCHW)[:, 0].detach()
    similarity_BB = vectors_BV @ vectors_BV.T
    torch.testing.assert_close(similarity_BB.diag(), torch.ones(4))
    assert similarity_BB[0, 1] > similarity_BB[:2, 2:].max() + 0.1
    assert similarity_BB[2, 3] > similarity_BB[:2, 2:].max() + 0.1


def test_stage_2_leaves_encoder_and_batch_statistics_alone(toy_set, monkeypatch):
    """ResNet has BatchNorm: its statistics must be those at the end of stage 1."""
    data = open_fold(DataConfig(toy_set), ProtocolConfig(), "detection", seed=0)
    config = EncoderConfig(
        "resnet",
        {"embedding_size": 8, "hidden_sizes": [8], "depths": [1], "layer_type": "basic", "num_channels": 3},
        32,
    )
    torch.manual_seed(0)
    encoder = FrameEncoder(config)
    import finetune.tasks.aunce as module

    after_stage_1 = {}
    stage_1 = module._contrast_stage

    def spy(model, *rest):
        stage_1(model, *rest)
        after_stage_1.update({name: tensor.clone() for name, tensor in model.state_dict().items()})

    monkeypatch.setattr(module, "_contrast_stage", spy)
    outcome = train_aunce(Job(data, encoder, Parts(), AugmentConfig(), 0, quiet), SHORT)
    final = outcome.model.state_dict()
    changed = {name for name in final if not torch.equal(final[name], after_stage_1[name])}
    assert changed <= {"classifier_AV", "bias_A"}
    assert any("running_mean" in name for name in final)
    assert not outcome.model.training
    assert not any(parameter.requires_grad for parameter in outcome.model.parameters())


def test_messages(toy_set, tiny_encoder):
    with pytest.raises(ValueError, match=r"aunce.positives must be probabilities that sum to 1"):
        AunceConfig(positives=(0.5, 0.5, 0.5))
    with pytest.raises(ValueError, match="0 <= delta < 1"):
        AunceConfig(delta=1.0)
    data = open_fold(DataConfig(toy_set), ProtocolConfig(), "detection", seed=0)
    small = AunceConfig(max_cached_mib=0)
    with pytest.raises(ConfigError, match=r"MiB, more than aunce\.max_cached_mib=0"):
        train_aunce(Job(data, FrameEncoder(tiny_encoder), Parts(), AugmentConfig(), 0, quiet), small)
