from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from finetune.artifact import load_model
from finetune.data import DataConfig, open_fold
from finetune.fit import FitConfig
from finetune.models.au_detector import AuDetector
from finetune.protocols.registry import ProtocolConfig
from finetune.targets import au_weights
from finetune.tasks.aunce import AunceConfig, contrast_loss, draw_kinds, rarer_label, train_aunce
from finetune.tasks.job import Job
from finetune.tasks.probe import LinearConfig
from finetune.train import FinetuneConfig, run
from pretrain.augment import AugmentConfig
from pretrain.config import ConfigError
from pretrain.losses.au_contrast import NUM_KINDS, ContrastForm, au_contrast_loss
from pretrain.losses.info_nce import info_nce_loss
from pretrain.losses.sup_con import sup_con_loss
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.models.exported import Parts

SHORT = AunceConfig(fit=FitConfig(steps=3, batch=4), linear=LinearConfig(epochs=2), width=8)


def quiet(metrics, step):
    """Where a job logs to."""


def test_the_rarer_label_follows_the_training_fold():
    """Finding 4: the release has label 1, also for AUs that most frames show."""
    rate_A = np.array([0.1, 0.5, 0.6])
    assert rarer_label(rate_A, AunceConfig()).tolist() == [1, 1, 0]
    for config in (AunceConfig(minority="label1"), AunceConfig(compat=True)):
        assert rarer_label(rate_A, config).tolist() == [1, 1, 1]
    own_choice = AunceConfig(compat=True, minority="rarer_in_train_fold")
    assert rarer_label(rate_A, own_choice).tolist() == [1, 1, 0]


def test_anchors_share_a_draw_or_have_their_own():
    """Finding 3: one draw for all anchors of an AU makes steps differ; the shares are the same."""
    shape_NA, rng = (64, 12), np.random.default_rng(0)
    config = AunceConfig(positives=(0.2, 0.5, 0.2, 0.1))
    shared_NA = draw_kinds(config, shape_NA, rng)
    assert (shared_NA == shared_NA[0]).all()
    own_NA = draw_kinds(replace(config, draw="per_anchor"), shape_NA, rng)
    assert (own_NA != own_NA[0]).any(dim=0).all()
    for draw, deviation in (("per_au", 0.5), ("per_anchor", 0.5 / 8)):
        drawn = [draw_kinds(replace(config, draw=draw), shape_NA, rng) for _ in range(300)]
        share_R = np.array([float((kind_NA[:, 0] == 1).float().mean()) for kind_NA in drawn])
        assert share_R.mean() == pytest.approx(0.5, abs=0.1)
        assert share_R.std() == pytest.approx(deviation, rel=0.2)
    counted = np.bincount(own_NA.flatten(), minlength=4) / own_NA.numel()
    np.testing.assert_allclose(counted, config.positives, atol=0.06)


def vectors_and_labels():
    generator = torch.Generator().manual_seed(0)
    vectors_NAV = F.normalize(torch.randn(16, 3, 5, generator=generator), dim=2)
    return vectors_NAV, torch.randint(-1, 2, (8, 3), generator=generator)


def test_each_option_is_the_loss_it_names():
    """Also findings 6 and 16: weights of AUs count when wanted, and beta of the common label is free."""
    (vectors_NAV, label_BA), rate_A = vectors_and_labels(), np.array([0.1, 0.4, 0.7])
    label_NA, kind_NA = label_BA.repeat(2, 1), torch.ones(16, 3, dtype=torch.int64)
    rare_NA = label_NA == torch.tensor([1, 1, 0])

    def found(**options):
        return float(contrast_loss(vectors_NAV, label_BA, kind_NA, rate_A, AunceConfig(**options)))

    def wanted(rare, common, weight_A=None, **form):
        beta_NA = torch.where(rare_NA, rare, common)
        form = ContrastForm(**form)
        return float(au_contrast_loss(vectors_NAV, label_NA, kind_NA, beta_NA, form, weight_A))

    weight_A = torch.from_numpy(au_weights(rate_A))
    assert found() == wanted(1.2, 0.8)
    assert found(temperature=0.1) == wanted(1.2, 0.8, temperature=0.1)
    assert found(au_weighting=True) == wanted(1.2, 0.8, weight_A)
    assert found(normalise_negatives=True) == wanted(1.2, 0.8, normalise_negatives=True)
    assert found(own_view_in_class=False) == wanted(1.2, 0.8, own_view_in_class=False)
    assert found(compat=True, minority="rarer_in_train_fold") == wanted(1.2, 0.8, compat=True)
    swept = [found(delta_common=1 - beta) for beta in (0.4, 0.6, 0.8, 1.0)]
    assert swept == pytest.approx([wanted(1.2, beta) for beta in (0.4, 0.6, 0.8, 1.0)], rel=1e-6)
    assert len(set(swept)) == 4
    assert found(loss="supcon") == float(sup_con_loss(vectors_NAV, label_NA, 0.5))
    assert found(loss="info_nce", au_weighting=True) == float(
        info_nce_loss(vectors_NAV, label_NA, 0.5, weight_A)
    )


def test_contrast_separates_labels(tiny_encoder):
    """Four images, two per label: training brings equal labels together and others apart."""
    torch.manual_seed(0)
    model = AuDetector(FrameEncoder(tiny_encoder), 1, 8)
    images_BCHW = torch.rand(4, 3, tiny_encoder.image_size, tiny_encoder.image_size)
    label_BA = torch.tensor([[1], [1], [0], [0]])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(20):
        vectors_NAV = model.vectors(images_BCHW.repeat(2, 1, 1, 1))
        kind_NA = torch.ones(8, 1, dtype=torch.int64)
        loss = contrast_loss(vectors_NAV, label_BA, kind_NA, np.array([0.5]), AunceConfig())
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


def test_each_loss_trains_a_whole_job_and_the_graph_is_kept(toy_set, tiny_encoder, tmp_path):
    for number, options in enumerate(
        (
            {"compat": True},
            {"positives": (0.1, 0.4, 0.2, 0.3), "draw": "per_anchor", "au_weighting": True},
            {"loss": "supcon", "graph": True},
            {"loss": "info_nce"},
        )
    ):
        config = FinetuneConfig(
            task="aunce",
            out=tmp_path / str(number),
            data=DataConfig(toy_set),
            encoder=tiny_encoder,
            aunce=replace(SHORT, **options),
        )
        result = run(config, quiet)
        assert 0 <= result["test"]["honest"]["f1"]["mean"] <= 1
        saved = load_model(config.out / "model")
        assert saved.facts["heads"]["graph"] == options.get("graph", False)
        assert saved.model.infer(torch.rand(1, 2, 3, 32, 32), None, None)[0].isfinite().all()


def test_messages(toy_set, tiny_encoder):
    with pytest.raises(ValueError, match=r"aunce.positives must be probabilities that sum to 1"):
        AunceConfig(positives=(0.5, 0.5, 0.5, 0.0))
    with pytest.raises(ValueError, match="0 <= delta < 1"):
        AunceConfig(delta=1.0)
    with pytest.raises(ValueError, match="likewise delta_common"):
        AunceConfig(delta_common=-0.1)
    for wrong in ({"loss": "supcon"}, {"draw": "per_anchor"}, {"positives": (0.2, 0.5, 0.2, 0.1)}):
        with pytest.raises(ValueError, match="wanted loss=aunce, draw=per_au and no centroid"):
            AunceConfig(compat=True, **wrong)
    with pytest.raises(ValueError, match="or set compat=false"):
        AunceConfig(compat=True, normalise_negatives=True)
    data = open_fold(DataConfig(toy_set), ProtocolConfig(), "detection", seed=0)
    small = AunceConfig(max_cached_mib=0)
    with pytest.raises(ConfigError, match=r"MiB, more than aunce\.max_cached_mib=0"):
        train_aunce(Job(data, FrameEncoder(tiny_encoder), Parts(), AugmentConfig(), 0, quiet), small)


class Clusters:
    """Worlds with three clusters per label; half of the worlds have a fifth of their labels flipped.

    Axes: A worlds, each with a small network of its own, as if they were AUs; B images, X inputs.
    """

    def __init__(self, pairs, images=60, inputs=20):
        self.generator = torch.Generator().manual_seed(0)
        self.centre_ACX = torch.randn(pairs, 6, inputs, generator=self.generator).repeat(2, 1, 1)
        self.x_BAX, self.truth_BA = self.draw(images)
        self.given_BA = self.truth_BA.clone()
        self.given_BA[: images // 5, pairs:] ^= 1

    def draw(self, images):
        cluster_BA = torch.randint(0, 6, (images, len(self.centre_ACX)), generator=self.generator)
        centre_BAX = self.centre_ACX[torch.arange(len(self.centre_ACX)), cluster_BA]
        return centre_BAX + 0.7 * self.noise(centre_BAX), cluster_BA % 2

    def noise(self, like):
        return torch.randn(like.shape, generator=self.generator)


def f1_lost_by_flips(chances, pairs=8, steps=150):
    """Mean F1 on new images of the worlds whose labels are right, less that of those with flips."""
    torch.manual_seed(0)
    world, draws = Clusters(pairs), np.random.default_rng(0)
    first_AXH, last_AHD = (torch.randn(2 * pairs, *size) * size[0] ** -0.5 for size in ((20, 32), (32, 8)))
    weights = [first_AXH.requires_grad_(), last_AHD.requires_grad_()]

    def vectors(x_BAX):
        inner_BAH = torch.einsum("bax,axh->bah", x_BAX, first_AXH).relu()
        return F.normalize(torch.einsum("bah,ahd->bad", inner_BAH, last_AHD), dim=2)

    optimizer = torch.optim.Adam(weights, 1e-2)
    label_NA = world.given_BA.repeat(2, 1)
    for _ in range(steps):
        views_NAX = torch.cat([world.x_BAX + 0.7 * world.noise(world.x_BAX) for _ in range(2)])
        kind_A = torch.from_numpy(draws.choice(NUM_KINDS, 2 * pairs, p=chances))
        loss = au_contrast_loss(
            vectors(views_NAX),
            label_NA,
            kind_A.expand_as(label_NA),
            torch.ones(label_NA.shape),
            ContrastForm(temperature=0.1),
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        (x_BAX, truth_BA), z_BAD = world.draw(400), vectors(world.x_BAX)
        share_2BA = [(world.given_BA == label) / (world.given_BA == label).sum(dim=0) for label in (0, 1)]
        absent_AD, present_AD = (torch.einsum("ba,bad->ad", share_BA, z_BAD) for share_BA in share_2BA)
        found_BA = ((vectors(x_BAX) - (absent_AD + present_AD) / 2) * (present_AD - absent_AD)).sum(dim=2) > 0
    hits_A = (found_BA & (truth_BA == 1)).sum(dim=0)
    f1_A = 2 * hits_A / (found_BA.sum(dim=0) + truth_BA.sum(dim=0))
    return float((f1_A[:pairs] - f1_A[pairs:]).mean())


def test_flipped_labels_cost_less_the_more_positives_come_from_views():
    """20 % of the labels are wrong. Trained long enough to learn that by heart, the mixture loses less.

    At a temperature of .5 with weaker views it lost more than class means did: what mixing gives depends on
    both.
    """
    lost = [f1_lost_by_flips(chances) for chances in ((0, 1, 0, 0), (0.2, 0.6, 0.2, 0), (0, 0, 1, 0))]
    class_mean, mixed, own_view = lost
    assert class_mean > 0.05
    assert mixed < class_mean
    assert own_view < mixed
