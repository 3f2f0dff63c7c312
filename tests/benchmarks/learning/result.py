"""The dated result file: JSON with every number, and Markdown to read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finetune.readout import LabelledFeatures, Readout, read_out, score_readouts, some_labels
from finetune.scored import Scored, difference
from pretrain.metrics.detection import everything_present, f1
from pretrain.metrics.identity import tell_people
from pretrain.metrics.people import mean_over_aus
from pretrain.metrics.ridge import Ridge
from pretrain.sampled import SampledFrames
from tests.benchmarks import record
from tests.benchmarks.learning.methods import Method
from tests.benchmarks.learning.plot import draw
from tests.benchmarks.learning.pose import pose_r
from tests.benchmarks.learning.sets import GROUPS, LabelledFrames, Size, labelled_frames, people_frames
from tests.benchmarks.learning.table import as_json, cell

FEW_LABELS, FEW_DRAWS = 0.02, 5
FULL = ("auc", "r", "icc", "f1")
FEW = ("icc", "mae")
HEAD = ("", "AUC", "r", "ICC", "F1", "ICC, 2 % labelled", "MAE, 2 % labelled", "identity", "pose r")
PAIRS = {
    "clp": (
        *("random", "pixels", "simclr", "moco", "temporal", "own-view", "same-person"),
        *("no-margin", "no-momentum", "l2", "hinge-rank", "graded"),
    ),
    "cpc": ("random", "cpc-one-view", "cpc-temporal", "cpc-clips"),
    "clef": ("random", "clef-text", "clef-drawn"),
}
"""Rows whose paired differences are shown."""
CAPTION = (
    "Generated faces: the numbers compare methods and say nothing about accuracy on real people. Linear "
    "readout of frozen features, mean over 12 AUs; strength and thresholds chosen on validation people. "
    "Brackets: 95 % over people and seeds, paired for differences. Identity: share of the unlabelled "
    "people's frames told right across their videos; pose: the head's rotation read out."
)


@dataclass(frozen=True)
class Row:
    """What was measured of one method."""

    full: Mapping[str, Scored]
    few: Mapping[str, Scored]
    identity: float
    pose_r: float

    @property
    def cells(self) -> list[str]:
        scored = [*self.full.values(), *self.few.values()]
        means = [cell(one.mean, one.mean_interval) for one in scored]
        return [*means, f"{self.identity:.3f}", f"{self.pose_r:.3f}"]

    def minus(self, other: "Row") -> list[str]:
        """Cells of the paired differences."""
        pairs = [(self.full[name], other.full[name]) for name in FULL]
        pairs += [(self.few[name], other.few[name]) for name in FEW]
        told, posed = self.identity - other.identity, self.pose_r - other.pose_r
        return [*(cell(*difference(*pair)) for pair in pairs), f"{told:+.3f}", f"{posed:+.3f}"]

    def json(self) -> dict[str, Any]:
        """For the result file."""
        groups = {"all_labels": self.full, "two_percent": self.few}
        scores = {
            group: {name: as_json(one.mean, one.mean_interval) for name, one in found.items()}
            for group, found in groups.items()
        }
        return {**scores, "identity": self.identity, "pose_r": self.pose_r}


def write_result(
    folder: Path, size: Size, methods: list[Method], seeds: int, command: str, out: Path
) -> None:
    """Score all encoders and write `learning-<date>.json` and `.md` into `out`."""
    groups = {group: labelled_frames(folder, size, group) for group in GROUPS}
    people = people_frames(folder)
    rows, present = {}, 0.0
    for method in methods:
        files = [folder / "features" / f"{method.name}-{seed}.npz" for seed in range(seeds)]
        rows[method.name], present = _measure([dict(np.load(file)) for file in files], groups, people)
    facts = {
        **record.facts(command),
        "tested_people": len(set(groups["test"].person_F)),
        "labelled_people": len(set(groups["train"].person_F)),
        "everything_present_f1": present,
    }
    content = {**facts, "rows": {name: row.json() for name, row in rows.items()}}
    record.write_result(out, "learning", content, _text(facts, methods, rows))
    draw(content, out / f"learning-{facts['date']}.svg")


def _measure(
    seeds: list[dict[str, Any]], groups: Mapping[str, LabelledFrames], people: SampledFrames
) -> tuple[Row, float]:
    """A method's row from its features of every seed, and the F1 of calling everything present."""
    full: list[Readout] = []
    few: list[Readout] = []
    told, posed = [], []
    for seed, stored in enumerate(seeds):
        feature = {name: stored[name].astype(np.float64) for name in stored}
        train, validation, test = (
            LabelledFeatures(feature[group], groups[group].label_FA, groups[group].person_F)
            for group in GROUPS
        )
        ridge = Ridge(train.feature_FD)
        full.append(read_out(train, validation, test, ridge))
        draws = range(seed * FEW_DRAWS, (seed + 1) * FEW_DRAWS)
        few += [read_out(some_labels(train, FEW_LABELS, draw), validation, test) for draw in draws]
        score = tell_people(feature["people"], people.person_F, people.video_F)
        told.append(float("nan") if score is None else score.value)
        known, unseen = ((feature[group], groups[group].rotation_F3) for group in GROUPS[1:])
        posed.append(pose_r(ridge, groups["train"].rotation_F3, known, unseen))
    row = Row(
        {name: score_readouts(name, full) for name in FULL},
        {name: score_readouts(name, few) for name in FEW},
        float(np.mean(told)),
        float(np.mean(posed)),
    )
    return row, float(mean_over_aus(f1(everything_present(full[0].detection))))


def _text(facts: Mapping[str, Any], methods: list[Method], rows: Mapping[str, Row]) -> str:
    lines = [[method.title, *rows[method.name].cells] for method in methods]
    lines.append(["everything present", ".500", "0", "0", f"{facts['everything_present_f1']:.3f}", *[""] * 4])
    parts = [
        f"# Learning on generated faces, {facts['date']}",
        f"`{facts['command']}`, commit {facts['commit']}, {facts['host']}. Probe: {facts['labelled_people']} "
        f"people; tested: {facts['tested_people']} other people.",
        CAPTION,
        record.markdown(HEAD, lines),
    ]
    pairs = [(one, other) for one, others in PAIRS.items() for other in others if {one, other} <= set(rows)]
    if pairs:
        found = [[f"{one} minus {other}", *rows[one].minus(rows[other])] for one, other in pairs]
        parts.append(record.markdown(["paired difference", *HEAD[1:]], found))
    return "\n\n".join(parts) + "\n"
