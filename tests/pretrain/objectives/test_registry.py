"""Every objective: 2 and 3 ranks give what one process gives with all clips, companions too."""

from typing import Any

import pytest
import torch

from pretrain.augment import AugmentConfig
from pretrain.models.encoder import EncoderConfig
from pretrain.objectives.clef import ClefConfig
from pretrain.objectives.clp import ClpConfig
from pretrain.objectives.cpc import CpcConfig
from pretrain.objectives.moco import MocoConfig
from pretrain.objectives.registry import OBJECTIVES
from pretrain.objectives.simclr import SimclrConfig
from pretrain.recipe import PretrainConfig
from pretrain.world import Alone, Group, World
from tests.clip_batches import clip_batch
from tests.ranks import run_ranks

torch.set_num_threads(1)
CLIPS = 6
"""Of the global batch: they divide by 2 and 3."""
CONVNEXT = EncoderConfig(
    "convnext", {"hidden_sizes": [8, 16], "depths": [1, 1], "patch_size": 4, "num_stages": 2}, 16
)
RESNET = EncoderConfig(
    "resnet", {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}, 16
)


def clp(**changes: Any) -> ClpConfig:
    return ClpConfig(dim=16, memory_slots=24, ramp=0.0, **changes)


def clef(**changes: Any) -> ClefConfig:
    return ClefConfig(dim=16, **changes)


def cpc(**changes: Any) -> CpcConfig:
    return CpcConfig(num_frames=5, steps_ahead=2, hidden=8, **changes)


CASES: dict[str, tuple[str, Any, EncoderConfig]] = {
    "clp l2": ("clp", clp(reconstruction="l2"), CONVNEXT),
    "clp nce": ("clp", clp(reconstruction="nce"), CONVNEXT),
    "clp nce, batch normalisation": ("clp", clp(reconstruction="nce"), RESNET),
    "clp same person": ("clp", clp(reconstruction="nce", rebuilt_from="same_person"), CONVNEXT),
    "clp own view": ("clp", clp(reconstruction="nce", rebuilt_from="own_view"), CONVNEXT),
    "clp hinge_rank": ("clp", clp(temporal="hinge_rank"), CONVNEXT),
    "clp hinge_triplet": ("clp", clp(temporal="hinge_triplet", reconstruction="nce"), CONVNEXT),
    "clp graded": ("clp", clp(temporal="graded"), CONVNEXT),
    "clp graded nce": ("clp", clp(temporal="graded", reconstruction="nce"), CONVNEXT),
    "cpc": ("cpc", cpc(), CONVNEXT),
    "cpc, batch normalisation": ("cpc", cpc(), RESNET),
    "cpc recursive": ("cpc", cpc(prediction="recursive"), CONVNEXT),
    "cpc temporal": ("cpc", cpc(negatives="temporal"), CONVNEXT),
    "cpc same view": ("cpc", cpc(candidates="same_view"), CONVNEXT),
    "cpc clips": ("cpc", cpc(negatives="clips"), CONVNEXT),
    "clef": ("clef", clef(), CONVNEXT),
    "clef other people, batch normalisation": ("clef", clef(num_frames=2, same_person=False), RESNET),
    "clef numbers": ("clef", clef(text="number", image_weight=0.0), CONVNEXT),
    "clef shuffled labels": ("clef", clef(labels="shuffled", text="emotion"), CONVNEXT),
    "clef no text": ("clef", clef(text="none"), CONVNEXT),
    "simclr": ("simclr", SimclrConfig(dim=16), CONVNEXT),
    "simclr, neighbours, batch normalisation": ("simclr", SimclrConfig(num_frames=2, dim=16), RESNET),
    "moco": ("moco", MocoConfig(num_frames=2, dim=16, queue_slots=40), CONVNEXT),
    "moco, batch normalisation": ("moco", MocoConfig(dim=16, queue_slots=40), RESNET),
}


def run(world: World, clips: slice, case: str) -> tuple[list[float], dict[str, torch.Tensor], Any]:
    """Totals, gradients of the last step, and what is kept.

    After four steps a memory is full and all parts are active; one step tells all where there is no memory.
    """
    name, config, encoder = CASES[case]
    torch.manual_seed(0)
    objective = OBJECTIVES[name](config, encoder, AugmentConfig(), world, 10, CLIPS).double()
    for module in objective.companions().values():
        module.double()
    weights, totals = dict(objective.named_parameters()), []
    for step in range(4 if objective.companions() else 1):
        objective.zero_grad()
        losses = objective(clip_batch(step, objective.clip_spec.total_frames, clips), step)
        losses.total.backward()
        objective.after_step(step, ((name, w.detach() + 0.01) for name, w in weights.items()))
        totals.append(float(world.sum(losses.parts["loss/total"])))
    # What data parallel training makes of the gradients: their mean over ranks.
    gradients = {name: world.sum(w.grad) / world.size for name, w in weights.items()}
    companions = {
        f"{kind}/{name}": tensor
        for kind, module in objective.companions().items()
        for name, tensor in module.state_dict().items()
    }
    buffers = {name: buffer for name, buffer in objective.named_buffers() if name in objective.state_dict()}
    return totals, gradients, {**companions, **buffers}


def on_rank(rank: int, size: int) -> Any:
    part = CLIPS // size
    return {case: run(Group(), slice(rank * part, (rank + 1) * part), case) for case in CASES}


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.full)])
def ranks(request: pytest.FixtureRequest) -> list[Any]:
    """What each of so many ranks found."""
    return run_ranks(on_rank, request.param, request.param)


@pytest.mark.parametrize("case", CASES)
def test_ranks_equal_one_process_on_the_whole_batch(ranks, case):
    totals, gradients, kept = run(Alone(), slice(CLIPS), case)
    assert any(gradient.abs().max() > 1e-6 for gradient in gradients.values())
    for rank_totals, rank_gradients, rank_kept in (found[case] for found in ranks):
        assert rank_totals == pytest.approx(totals, rel=1e-12)
        for name, gradient in gradients.items():
            torch.testing.assert_close(rank_gradients[name], gradient, atol=1e-11, rtol=1e-9, msg=name)
        for name, tensor in kept.items():
            torch.testing.assert_close(rank_kept[name], tensor, atol=1e-11, rtol=1e-9, msg=name)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MocoConfig(tau=0.0), "needs tau > 0 and dim >= 1, found MocoConfig"),
        (lambda: MocoConfig(queue_slots=0), "moco.queue_slots must be at least 1, found 0"),
        (lambda: MocoConfig(momentum=1.0), r"moco.momentum must lie in \[0, 1\), found 1.0"),
        (lambda: SimclrConfig(dim=0), "found SimclrConfig"),
        (lambda: SimclrConfig(num_frames=0), "num_frames >= 1"),
        (lambda: ClpConfig(temporal_weight=-1.0), "weights >= 0"),
        (lambda: PretrainConfig(objective="mocco"), "objective='mocco' is unknown; use clp, simclr, moco"),
    ],
)
def test_a_wrong_setting_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_each_objective_takes_the_section_of_its_name():
    for name in OBJECTIVES:
        config = PretrainConfig(objective=name)
        assert config.settings is getattr(config, name)
