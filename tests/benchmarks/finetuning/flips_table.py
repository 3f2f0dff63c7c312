"""All trainings of the table on flipped labels, and its result."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from finetune.protocols.registry import PROTOCOLS
from finetune.results import load_sums
from finetune.scored import Score, Scored, difference, score_jobs
from finetune.tables import cell
from pretrain.metrics.detection import auc, f1
from tests.benchmarks import record
from tests.benchmarks.finetuning.flips import FLIPS, ROWS, train
from tests.benchmarks.finetuning.tokens import keep_tokens, kept_tokens
from tests.benchmarks.learning.sets import Size
from tests.benchmarks.units import run_units

RARE_BELOW = 0.12
"""Share of the training frames in which a rare AU is present."""
SCORES: dict[str, Score] = {"f1": f1, "auc": auc}
HEAD = [f"{share:.0%} flipped" for share in FLIPS]
CAPTION = (
    "Generated faces: the numbers compare losses and say nothing about accuracy on real people. Heads on the "
    "frozen features of CLP; labels of training and validation people are flipped, those of tested people "
    "are true. Means over 8 AUs of DISFA, and over those that are present in less than {below:.0%} of the "
    "training frames ({rare}); brackets are 95 % intervals over people and seeds, paired for differences."
)


def make_all(folder: Path, size: Size, encoder: Path, arguments: list[str], seeds: int) -> None:
    """Train what is not done yet, a process on each core; tokens are made once."""
    keep_tokens(folder, size, encoder)
    units = [(row.name, share, seed) for seed in range(seeds) for share in FLIPS for row in ROWS]
    waiting = [",".join(map(str, unit)) for unit in units if not unit_file(folder, *unit).exists()]
    run_units("tests.benchmarks.finetuning", {name: [*arguments, "--one", name] for name in waiting})


def make_one(folder: Path, name: str) -> None:
    """A training by its name (`aunce,0.1,3`), in this process."""
    torch.set_num_threads(1)
    row_name, share, seed = name.split(",")
    [row] = [row for row in ROWS if row.name == row_name]
    found = train(row, kept_tokens(folder), float(share), int(seed))
    file = unit_file(folder, row_name, float(share), int(seed))
    unfinished = file.with_suffix(".partial")
    unfinished.write_text(json.dumps(found))
    unfinished.replace(file)


def unit_file(folder: Path, row: str, share: float, seed: int) -> Path:
    """Where a training's result lies once it is done."""
    return folder / "flips" / f"{row}-{round(100 * share)}-{seed}.json"


def result(folder: Path, facts: dict[str, str], seeds: int) -> tuple[dict[str, Any], str]:
    """Content of the result file, and its Markdown."""
    scored: dict[tuple[str, float, str], Scored] = {}
    for row, share in product(ROWS, FLIPS):
        files = [unit_file(folder, row.name, share, seed) for seed in range(seeds)]
        sums = [load_sums(json.loads(file.read_text())["per_person"]) for file in files]
        for name, score in SCORES.items():
            scored[row.name, share, name] = score_jobs(score, sums)
    rate_A = np.array(json.loads(unit_file(folder, "bce", 0.0, 0).read_text())["rate"])
    rare = rate_A < RARE_BELOW
    for row, share in product(ROWS, FLIPS):
        all_aus = scored[row.name, share, "f1"]
        scored[row.name, share, "f1_rare"] = Scored(all_aus.value_A[rare], all_aus.draws_RA[:, rare])
    aus = [
        f"AU{au}" for au, is_rare in zip(PROTOCOLS["disfa"].aus("detection"), rare, strict=True) if is_rare
    ]
    parts = [
        f"# AUNCE under flipped labels, {facts['date']}",
        f"`{facts['command']}`, commit {facts['commit']}, {facts['host']}.",
        CAPTION.format(rare=", ".join(aus), below=RARE_BELOW),
    ]
    content: dict[str, Any] = {**facts, "rare": aus, "scores": {}}
    for name, title in (("f1", "F1"), ("f1_rare", "F1 of rare AUs"), ("auc", "AUC")):
        parts.append(record.markdown([title, *HEAD], _rows(scored, name)))
        content["scores"][name] = {
            f"{row.name}, {share:.0%}": [one.mean, *one.mean_interval]
            for row, share in product(ROWS, FLIPS)
            for one in [scored[row.name, share, name]]
        }
    return content, "\n\n".join(parts) + "\n"


def _rows(scored: dict[tuple[str, float, str], Scored], name: str) -> list[list[str]]:
    rows = []
    for row in ROWS:
        found = [scored[row.name, share, name] for share in FLIPS]
        rows.append([row.title, *(cell(one.mean, one.mean_interval) for one in found)])
    for other in ROWS:
        if other.name != "aunce":
            pairs = [(scored["aunce", share, name], scored[other.name, share, name]) for share in FLIPS]
            rows.append([f"AUNCE minus {other.title}", *(cell(*difference(*pair)) for pair in pairs)])
    return rows
