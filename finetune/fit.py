"""Optimizer steps for an encoder and its heads, at two learning rates."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from pretrain.optim import OptimConfig, build_optimizer, learning_rate_at


@dataclass(frozen=True)
class FitConfig:
    """How long and how fast."""

    steps: int = 300
    batch: int = 32
    """Clips per step."""
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(learning_rate=1e-3, weight_decay=1e-4))
    encoder_rate: float = 0.3
    """The encoder's learning rate as a share of the heads'; the same for every initialisation."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 2 or self.encoder_rate <= 0:
            raise ValueError(
                f"fit needs steps >= 1, batch >= 2 and encoder_rate > 0, found {self.steps}, {self.batch} "
                f"and {self.encoder_rate}"
            )


class TwoRates:
    """AdamW on heads and encoder with one schedule; a pure function of the step, so that jobs repeat.

    An encoder without a weight that may be trained stays as it is.
    """

    def __init__(self, encoder: nn.Module, model: nn.Module, config: FitConfig) -> None:
        inside = {id(parameter) for parameter in encoder.parameters()}
        heads = [(name, p) for name, p in model.named_parameters() if id(p) not in inside]
        self.config = config
        slow = replace(config.optim, learning_rate=config.optim.learning_rate * config.encoder_rate)
        trained = [(name, p) for name, p in encoder.named_parameters() if p.requires_grad]
        self._groups = [(build_optimizer(heads, config.optim), config.optim)]
        self._groups += [(build_optimizer(trained, slow), slow)] if trained else []
        self._parameters = [p for p in model.parameters() if p.requires_grad]

    def step(self, loss: Tensor, step: int) -> float:
        """One update at `step` (from 0).

        Returns:
            The gradient's norm before clipping.

        Raises:
            FloatingPointError: the loss or its gradient is not finite.
        """
        self._zero(optimizer for optimizer, _ in self._groups)
        torch.autograd.backward(loss)
        norm = float(nn.utils.clip_grad_norm_(self._parameters, self.config.optim.clip_norm))
        if not torch.isfinite(torch.tensor(norm)):
            raise FloatingPointError(
                f"step {step}: the gradient is not finite (loss {loss.item():g}); lower optim.learning_rate"
            )
        for optimizer, config in self._groups:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(step, self.config.steps, config)
            optimizer.step()
        return norm

    @staticmethod
    def _zero(optimizers: Iterable[torch.optim.Optimizer]) -> None:
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
