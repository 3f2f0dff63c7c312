"""The dated result file: JSON with every number, and Markdown to read."""

import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from finetune.identity import tell_people
from tests.benchmarks.learning.methods import Method
from tests.benchmarks.learning.probe import Frames, Scores, score_probe, some_labels
from tests.benchmarks.learning.sets import GROUPS, Size, labelled_frames, people_frames
from tests.benchmarks.learning.table import (
    SCORES,
    Row,
    as_json,
    cell,
    everything_present,
    markdown,
    score_row,
)

FEW_LABELS, FEW_DRAWS = 0.02, 5
FULL = ("auc", "r", "icc", "f1")
FEW = ("icc", "mae")
AGAINST = ("random", "pixels", "simclr", "moco", "temporal", "own-view", "same-person")
CAPTION = (
    "Generated faces: the numbers compare methods and say nothing about accuracy on real people. Linear "
    "readout of frozen features, mean over 12 AUs; strength and thresholds chosen on validation people. "
    "Brackets: 95 % over people and seeds, paired for differences."
)


def write_result(
    folder: Path,
    size: Size,
    methods: list[Method],
    seeds: int,
    command: str,
    out: Path,
) -> None:
    """Score all encoders and write `learning-<date>.json` and `.md` into `out`."""
    groups = {group: labelled_frames(folder, size, group) for group in GROUPS}
    people = people_frames(folder)
    full: dict[str, list[Scores]] = {}
    few: dict[str, list[Scores]] = {}
    told: dict[str, float] = {}
    for method in methods:
        full[method.name], few[method.name], accuracy = [], [], []
        for seed in range(seeds):
            stored = np.load(folder / "features" / f"{method.name}-{seed}.npz")
            train, validation, test = (
                Frames(stored[group].astype(np.float64), part.label_FA, part.person_F, part.rotation_F3)
                for group, part in groups.items()
            )
            full[method.name].append(score_probe(train, validation, test))
            few[method.name] += [
                score_probe(some_labels(train, FEW_LABELS, draw), validation, test)
                for draw in range(seed * FEW_DRAWS, (seed + 1) * FEW_DRAWS)
            ]
            score = tell_people(stored["people"].astype(np.float64), people.person_F, people.video_F)
            accuracy.append(float("nan") if score is None else score.value)
        told[method.name] = float(np.mean(accuracy))
    rows = {name: {score: score_row(SCORES[score], seen) for score in FULL} for name, seen in full.items()}
    few_rows = {name: {score: score_row(SCORES[score], seen) for score in FEW} for name, seen in few.items()}
    posed = {name: float(np.mean([one.pose_r for one in seen])) for name, seen in full.items()}
    present = score_row(SCORES["f1"], [everything_present(next(iter(full.values()))[0])])
    facts = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "command": command,
        "commit": _commit(),
        "host": f"{_cpu()}, Python {platform.python_version()}",
        "tested_people": len(set(groups["test"].person_F)),
        "labelled_people": len(set(groups["train"].person_F)),
    }
    content: dict[str, Any] = {
        **facts,
        "all_labels": _json(rows),
        "two_percent": _json(few_rows),
        "identity": told,
        "pose_r": posed,
        "everything_present_f1": as_json(present),
    }
    out.mkdir(parents=True, exist_ok=True)
    stem = out / f"learning-{facts['date']}"
    stem.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
    text = _text(facts, methods, rows, few_rows, told, posed, present)
    stem.with_suffix(".md").write_text(text)
    sys.stdout.write(text)


def _json(rows: dict[str, dict[str, Row]]) -> dict[str, Any]:
    return {name: {score: as_json(row) for score, row in found.items()} for name, found in rows.items()}


def _text(
    facts: dict[str, Any],
    methods: list[Method],
    rows: dict[str, dict[str, Row]],
    few_rows: dict[str, dict[str, Row]],
    told: dict[str, float],
    posed: dict[str, float],
    present: Row,
) -> str:
    lines = [
        [
            method.title,
            *(cell(rows[method.name][score]) for score in FULL),
            *(cell(few_rows[method.name][score]) for score in FEW),
            f"{told[method.name]:.3f}",
            f"{posed[method.name]:.3f}",
        ]
        for method in methods
    ]
    lines.append(["everything present", ".500", "0", "0", cell(present), "", "", "", ""])
    head = ["", "AUC", "r", "ICC", "F1", "ICC, 2 % labelled", "MAE, 2 % labelled", "identity", "pose r"]
    parts = [
        f"# Learning on generated faces, {facts['date']}",
        f"`{facts['command']}`, commit {facts['commit']}, {facts['host']}. Probe: {facts['labelled_people']} "
        f"people; tested: {facts['tested_people']} other people.",
        CAPTION,
        markdown(head, lines),
    ]
    if "clp" in rows:
        differences = [
            [
                f"CLP minus {name}",
                *(cell(rows["clp"][score].minus(rows[name][score])) for score in FULL),
                *(cell(few_rows["clp"][score].minus(few_rows[name][score])) for score in FEW),
                f"{told['clp'] - told[name]:+.3f}",
                f"{posed['clp'] - posed[name]:+.3f}",
            ]
            for name in AGAINST
            if name in rows
        ]
        parts.append(markdown(["paired difference", *head[1:]], differences))
    return "\n\n".join(parts) + "\n"


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
