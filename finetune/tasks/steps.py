"""The steps of a training, whatever the loss."""

from collections.abc import Callable, Iterator

from torch import Tensor

from finetune.fit import FitConfig, TwoRates
from finetune.models.network import Network
from finetune.tasks.job import Job
from finetune.tasks.outcome import Stages

LOG_EVERY = 10


def training_steps(
    name: str,
    model: Network,
    job: Job,
    fit: FitConfig,
    loss_of: Callable[[int], Tensor],
    images: int,
    stages: Stages,
    pause_every: int,
) -> Iterator[int]:
    """Train; yields the number of steps done every `pause_every` steps, and at the end.

    Args:
        name: of the stage, in times and metrics.
        model: encoder and heads, trained in place; in training mode at each step.
        job: takes the metrics.
        fit: how long and how fast.
        loss_of: takes the step, from 0, and gives the loss of its batch.
        images: of a step.
        stages: where time is counted.
        pause_every: steps.

    Raises:
        FloatingPointError: a gradient is not finite.
    """
    optimizer = TwoRates(model.encoder, model, fit)
    for step in range(fit.steps):
        model.train()
        with stages.time(name, images=images):
            loss = loss_of(step)
            norm = optimizer.step(loss, step)
        done = step + 1
        if step % LOG_EVERY == 0 or done == fit.steps:
            job.log({f"{name}/loss": loss.item(), f"{name}/gradient_norm": norm}, done)
        if done % pause_every == 0 or done == fit.steps:
            yield done
