"""All trainings of the table on flipped labels, and its result."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from finetune.protocols.registry import PROTOCOLS
from finetune.results import load_sums
from finetune.scored import Scored, difference, score_jobs
from finetune.tables import cell
from pretrain.metrics.detection import auc, f1
from tests.benchmarks import record
from tests.benchmarks.finetuning.flips import FLIPS, ROWS, Row, train
from tests.benchmarks.finetuning.tokens import keep_tokens, kept_tokens
from tests.benchmarks.learning.sets import Size
from tests.benchmarks.units import run_units

RARE_BELOW = 0.12
"""Share of the training frames in which a rare AU is present."""
TITLES = {"f1": "F1", "f1_rare": "F1 of rare AUs", "auc": "AUC"}
HEAD = [f"{share:.0%} flipped" for share in FLIPS]
CAPTION = (
    "Generated faces: the numbers compare losses and say nothing about accuracy on real people. Heads on the "
    "frozen features of CLP; labels of training and validation people are flipped, those of tested people "
    "are true. Means over 8 AUs of DISFA, and over those that are present in less than {below:.0%} of the "
    "training frames ({rare}); brackets are 95 % intervals over people and seeds, paired for differences. "
    "AUNCE without a part has at most two seeds."
)


def seeds_of(row: Row, seeds: int) -> int:
    """How many seeds a row is run with: AUNCE without a part has at most two."""
    return seeds if row.is_rival else min(seeds, 2)


def make_all(folder: Path, size: Size, encoder: Path, arguments: list[str], seeds: int) -> None:
    """Train what is not done yet, a process on each core; tokens are made once."""
    keep_tokens(folder, size, encoder)
    units = [(row, seed) for seed in range(seeds) for row in ROWS if seed < seeds_of(row, seeds)]
    waiting = [
        f"{row.name},{seed}"
        for row, seed in units
        if not all(unit_file(folder, row.name, share, seed).exists() for share in FLIPS)
    ]
    run_units("tests.benchmarks.finetuning", {name: [*arguments, "--one", name] for name in waiting})


def make_one(folder: Path, name: str) -> None:
    """The trainings of a row and a seed (`aunce,3`) that are not done yet, in this process."""
    torch.set_num_threads(1)
    row_name, seed = name.split(",")
    [row] = [row for row in ROWS if row.name == row_name]
    tokens = kept_tokens(folder)
    for share in FLIPS:
        file = unit_file(folder, row_name, share, int(seed))
        if not file.exists():
            unfinished = file.with_suffix(".partial")
            unfinished.write_text(json.dumps(train(row, tokens, share, int(seed))))
            unfinished.replace(file)


def unit_file(folder: Path, row: str, share: float, seed: int) -> Path:
    """Where a training's result lies once it is done."""
    return folder / "flips" / f"{row}-{round(100 * share)}-{seed}.json"


def result(folder: Path, facts: dict[str, str], seeds: int) -> tuple[dict[str, Any], str]:
    """Content of the result file, and its Markdown."""
    rate_A = np.array(json.loads(unit_file(folder, "bce", 0.0, 0).read_text())["rate"])
    scored = Scores(folder, seeds, rate_A < RARE_BELOW)
    aus = [
        f"AU{au}"
        for au, is_rare in zip(PROTOCOLS["disfa"].aus("detection"), scored.rare_A, strict=True)
        if is_rare
    ]
    parts = [
        f"# AUNCE under flipped labels, {facts['date']}",
        f"`{facts['command']}`, commit {facts['commit']}, {facts['host']}.",
        CAPTION.format(rare=", ".join(aus), below=RARE_BELOW),
    ]
    content: dict[str, Any] = {**facts, "rare": aus, "scores": {}}
    for name, title in TITLES.items():
        parts.append(record.markdown([title, *HEAD], _rows(scored, name)))
        content["scores"][name] = {
            f"{row.name}, {share:.0%}": [one.mean, *one.mean_interval]
            for row, share in product(ROWS, FLIPS)
            for one in [scored.of(row, share, name, seeds_of(row, seeds))]
        }
    return content, "\n\n".join(parts) + "\n"


class Scores:
    """Scores of trainings, over as many seeds as are asked for."""

    def __init__(self, folder: Path, seeds: int, rare_A: NDArray[np.bool_]) -> None:
        self.seeds, self.rare_A = seeds, rare_A
        self._sums = {
            (row.name, share): [
                load_sums(json.loads(unit_file(folder, row.name, share, seed).read_text())["per_person"])
                for seed in range(seeds_of(row, seeds))
            ]
            for row, share in product(ROWS, FLIPS)
        }

    def of(self, row: Row, share: float, name: str, seeds: int) -> Scored:
        """One cell, over its first `seeds` seeds."""
        found = score_jobs(auc if name == "auc" else f1, self._sums[row.name, share][:seeds])
        if name == "f1_rare":
            return Scored(found.value_A[self.rare_A], found.draws_RA[:, self.rare_A])
        return found


def _rows(scored: Scores, name: str) -> list[list[str]]:
    rows = []
    for row in ROWS:
        found = [scored.of(row, share, name, seeds_of(row, scored.seeds)) for share in FLIPS]
        rows.append([row.title, *(cell(one.mean, one.mean_interval) for one in found)])
    [aunce] = [row for row in ROWS if row.name == "aunce"]
    for other in (row for row in ROWS if row != aunce):
        # Over the seeds that both have.
        pairs = [
            [scored.of(row, share, name, seeds_of(other, scored.seeds)) for row in (aunce, other)]
            for share in FLIPS
        ]
        rows.append([f"AUNCE minus {other.title}", *(cell(*difference(*pair)) for pair in pairs)])
    return rows
