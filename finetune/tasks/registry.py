"""The tasks by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from finetune.protocols.protocol import Kind
from finetune.tasks.aunce import train_aunce
from finetune.tasks.clef import train_clef
from finetune.tasks.intensity import train_intensity
from finetune.tasks.job import Job
from finetune.tasks.outcome import Outcome
from finetune.tasks.supervised import train_supervised


@dataclass(frozen=True)
class Task:
    """A way to finetune; its config is the field of `FinetuneConfig` with its name."""

    kinds: tuple[Kind, ...]
    """Labels that it can learn from; of these the first that the protocol has is taken."""
    train: Callable[[Job, Any], Outcome]


TASKS: dict[str, Task] = {
    "aunce": Task(("detection",), train_aunce),
    "clef": Task(("detection", "expression"), train_clef),
    "intensity": Task(("intensity",), train_intensity),
    "supervised": Task(("detection", "expression"), train_supervised),
}
