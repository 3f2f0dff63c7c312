"""What people were asked to do, as sentences for the text encoder.

CLEF's text states the task, then the target emotion (https://arxiv.org/abs/2304.00058, its figure). The
sentences of BP4D and BP4D+ stand with their layouts, by the names that packed samples carry.

Axes: C texts, E features of a text.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
import yaml
from torch import Tensor

from pretrain.config import ConfigError
from pretrain.models.text import embed, others_of
from shards.layouts import bp4d, bp4d_plus
from shards.layouts.activity import Activity

KNOWN = {"bp4d": bp4d.ACTIVITIES, "bp4d_plus": bp4d_plus.ACTIVITIES}
TextKind = Literal["both", "task", "emotion", "number", "shuffled"]


def read_activities(texts: str) -> dict[str, Activity]:
    """Activities by the name that samples carry.

    Args:
        texts: one of `KNOWN`, or a YAML file with lines such as
            `T1: {task: The person listens to a joke., emotion: happiness}`.

    Raises:
        ConfigError: there is no such file, or it has another form.
    """
    if texts in KNOWN:
        return KNOWN[texts]
    path = Path(texts)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        raise ConfigError(f"no activity texts {texts!r} here; give a YAML file, or one of {', '.join(KNOWN)}")
    try:
        content = yaml.safe_load(path.read_text())
        found = {str(name): Activity(**entry) for name, entry in content.items()}
    except (yaml.YAMLError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"{path} must hold lines such as `T1: {{task: A sentence., emotion: a word}}`: {error}"
        ) from error
    odd = [name for name, one in found.items() if not (_is_text(one.task) and _is_text(one.emotion))]
    if odd:
        raise ConfigError(f"{path}: task and emotion must be text, which they are not of {', '.join(odd)}")
    if len(found) < 2:
        raise ConfigError(f"{path} names {len(found)} activities; a contrast needs at least 2")
    return found


def embed_texts(
    activities: Mapping[str, Activity], kind: TextKind, encoder: str = "", seed: int = 0
) -> tuple[dict[str, int], Tensor]:
    """Row of each activity's text, and the texts' features `(C, E)`; equal texts share a row.

    Args:
        activities: by name; their order does not matter.
        kind: which sentences; `number` is a vector for each activity that says nothing of it, `shuffled` both
            sentences of another activity.
        encoder: as `models.text.TextEncoder`'s name.
        seed: of `shuffled`.

    Raises:
        ConfigError: the encoder cannot be had.
    """
    names = sorted(activities)
    if kind == "number":
        return {name: row for row, name in enumerate(names)}, torch.eye(len(names))
    text_of = {name: _sentences(activities[name], kind) for name in names}
    if kind == "shuffled":
        others = (names[place] for place in others_of(len(names), seed))
        text_of = {name: text_of[other] for name, other in zip(names, others, strict=True)}
    rows = {text: row for row, text in enumerate(sorted(set(text_of.values())))}
    return {name: rows[text] for name, text in text_of.items()}, embed(list(rows), encoder)


def _sentences(activity: Activity, kind: TextKind) -> str:
    if kind == "task":
        return activity.task
    if kind == "emotion":
        return f"The target emotion is {activity.emotion}."
    return activity.text


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
