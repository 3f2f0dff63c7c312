"""A small model that is trained, saved and restored."""

import torch
from torch import nn

from pretrain.engine import Engine, EngineConfig, make_engine
from pretrain.memory import Memory
from pretrain.objectives.objective import Losses
from pretrain.optim import OptimConfig
from pretrain.world import World

STEPS, CLIPS = 20, 12


class Regression(nn.Module):
    """Odd sizes, so that slices cut through tensors, one large enough for stage 3 to shard, and statistics
    that are no parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.wide, self.second = nn.Linear(5, 7), nn.Linear(7, 14801), nn.Linear(14801, 3)
        self.register_buffer("seen", torch.zeros(2, dtype=torch.int64))

    def forward(self, inputs: torch.Tensor, step: int) -> Losses:
        self.seen += step
        return Losses(self.second(self.wide(self.first(inputs).relu()).tanh()).square().mean(), {})


def make(config: EngineConfig, world: World) -> Engine:
    torch.manual_seed(0)
    return make_engine(Regression(), OptimConfig(1e-2), config, STEPS, CLIPS // world.size, world)


def train(engine: Engine, world: World, start: int, stop: int) -> dict[str, torch.Tensor]:
    """Steps of a batch that does not depend on the ranks; the weights after them."""
    for step in range(start, stop):
        inputs = torch.randn(CLIPS, 5, generator=torch.Generator().manual_seed(step))
        engine.gradients([inputs[world.rank :: world.size]], step)
        engine.step(step)
    return {name: weight.clone() for name, weight in engine.master_weights()}


def companions() -> dict[str, nn.Module]:
    torch.manual_seed(3)
    memory = Memory(11, 4)
    memory.enqueue(torch.randn(7, 4), torch.arange(7))
    return {"momentum": nn.Linear(4, 3).requires_grad_(False), "memory": memory}
