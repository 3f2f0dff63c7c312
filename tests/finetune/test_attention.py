import json

import numpy as np
import pytest
import torch

from finetune.attention import attend, momentum_projection
from pretrain.checkpoint_files import FORMAT, MARKER, HostPart
from pretrain.checkpoint_reader import CheckpointReader
from pretrain.engines.fragment import Fragment
from pretrain.losses.cross_identity import rebuild
from pretrain.models.projected import ProjectedEncoder

PEOPLE = ["a", "a", "b", "c", "c"]


def test_attention_is_that_of_the_loss():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(5, 3))
    unit = torch.from_numpy(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    identity = torch.tensor([0, 0, 1, 2, 2])
    picked = attend(vectors, PEOPLE, 0.3, 2)
    rebuilt = rebuild(unit[:, None], identity, unit, identity, 0.3)
    others = torch.tensor([sum(q != p for q in PEOPLE) for p in PEOPLE]).double()
    np.testing.assert_allclose(picked.entropy_share_F, rebuilt.entropy_B / others.log(), rtol=1e-6)
    # All people together have all attention, and each is there once.
    np.testing.assert_allclose(picked.weight_FK.sum(axis=1), 1.0)
    assert (picked.weight_FK[:, 0] >= picked.weight_FK[:, 1]).all()
    for frame, order in enumerate(picked.order_FK):
        assert PEOPLE[frame] not in [PEOPLE[i] for i in order]


def checkpoint(folder, state):
    held = HostPart()
    held.take(Fragment("momentum", name, tuple(tensor.shape), 0, tensor) for name, tensor in state.items())
    part = held.write(str(folder), "part").to_json()
    (folder / MARKER).write_text(json.dumps({"format": FORMAT, "facts": {}, "parts": [part]}))
    return CheckpointReader(str(folder))


def test_the_checkpoints_momentum_encoder_and_head_are_read_back(tmp_path, tiny_encoder):
    torch.manual_seed(0)
    module = ProjectedEncoder(tiny_encoder, 7).eval()
    apply, size = momentum_projection(checkpoint(tmp_path, module.state_dict()), tiny_encoder, 7)
    frames = torch.rand(3, 3, size, size)
    assert torch.equal(apply(frames), module(frames[:, None])[:, 0])


@pytest.mark.parametrize("change", ["another head", "another width"])
def test_another_architecture_gives_nothing(tmp_path, tiny_encoder, change):
    state = dict(ProjectedEncoder(tiny_encoder, 7).state_dict())
    if change == "another head":
        state["head.9.weight"] = state.pop("head.0.weight")
    assert (
        momentum_projection(checkpoint(tmp_path, state), tiny_encoder, 7 if change == "another head" else 8)
        is None
    )
