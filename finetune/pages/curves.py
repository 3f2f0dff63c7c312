"""Section: pretraining's losses and health over steps."""

import math
from collections.abc import Mapping

from finetune.pages.markup import Section, figure, grid, paragraph
from finetune.pages.svg import Level, Line, line_chart
from finetune.run_facts import Curve, PretrainRun

TITLES = {
    "loss/temporal": "Temporal contrast: which frame is the neighbour",
    "loss/cross_identity": "Cross-identity: rebuild a frame from other people's",
    "loss/total": "Total loss",
    "clp/feature_std": "Spread of the features (0: collapsed)",
    "clp/attention_entropy": "Entropy of the attention, nats",
    "optim/learning_rate": "Learning rate",
    "speed/clips_per_s": "Clips per second",
    "data/wait_share": "Share of the time spent waiting for data",
}
FROM_ZERO = ("clp/feature_std", "optim/learning_rate", "speed/clips_per_s", "data/wait_share")
LOSS_NAMES = {"loss/temporal": "temporal contrast", "loss/cross_identity": "cross-identity reconstruction"}
Levels = Mapping[str, tuple[str, float]]
"""By metric: name and height of a line to compare with."""


def curves_section(run: PretrainRun, loss_levels: Levels, memory_slots: int | None) -> Section:
    """Charts of what the run logged.

    Args:
        run: the run.
        loss_levels: what each loss is for a feature that tells nothing.
        memory_slots: frames that the attention chooses from; None where unknown.
    """
    levels = dict(loss_levels)
    if memory_slots:
        name = f"even over {memory_slots:,} frames: {math.log(memory_slots):.2f}"
        levels["clp/attention_entropy"] = (name, math.log(memory_slots))
    charts = [
        figure(TITLES.get(name, name), _chart(name, curve, levels.get(name)))
        for name, curve in sorted(run.curves.items(), key=lambda item: _place(item[0]))
        if any(math.isfinite(value) for value in curve.value)
    ]
    if not charts:
        text = "The tracking server has no metrics of this run: it was not tracked, or its records are gone."
        return Section("pretraining", "Pretraining", [paragraph(text)])
    return Section("pretraining", "Pretraining", [paragraph(reading(run, loss_levels)), grid(*charts)])


def reading(run: PretrainRun, loss_levels: Levels) -> str:
    """What the losses say, in words: the mean of the last quarter of each beside its level."""
    said = []
    for name, (_, level) in loss_levels.items():
        if (curve := run.curves.get(name)) is None:
            continue
        last = curve.value[-max(1, len(curve.value) // 4) :]
        end = sum(last) / len(last)
        verdict = "below" if end < level else "not below"
        said.append(
            f"{LOSS_NAMES.get(name, name)} ended at {end:.2f}, {verdict} the {level:.2f} of a feature that "
            "tells nothing"
        )
    points = max(len(curve.step) for curve in run.curves.values())
    where = f"{points} points over {run.step} steps, from MLflow; a point is the mean since the one before."
    return f"{where} {'; '.join(said).capitalize()}." if said else where


def _place(name: str) -> int:
    """Known metrics in the order of TITLES, another objective's losses before them."""
    return list(TITLES).index(name) if name in TITLES else -1


def _chart(name: str, curve: Curve, level: tuple[str, float] | None) -> str:
    return line_chart(
        [Line(name, curve.step, curve.value)],
        TITLES.get(name, name),
        "step",
        levels=[] if level is None else [Level(*level)],
        low=0.0 if name in FROM_ZERO else None,
    )
