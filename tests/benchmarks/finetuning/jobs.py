"""Tables of whole finetuning jobs: arms of `python -m finetune`, each on some folds and seeds, resumable."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.arms import Arm
from finetune.jobs import load_jobs
from finetune.results import RESULT_NAME
from finetune.scored import Scored, difference
from finetune.tables import ScoreTable, cell, make_table
from tests.benchmarks import record
from tests.benchmarks.units import run_units

Words = tuple[str, ...]


@dataclass(frozen=True)
class JobTable:
    """What is compared. Encoders are named `{clp}` in words, as rows of `tests.benchmarks.learning`."""

    title: str
    config: str
    folds: tuple[int, ...]
    arms: Mapping[str, Words]
    """Words of each arm besides the set, fold and seed."""
    pairs: tuple[tuple[str, str], ...]
    """Arms whose paired differences are shown: the first minus the second. Only these carry a claim and are
    run with every seed, the others with the first one."""
    scores: tuple[str, ...]
    caption: str

    @property
    def encoders(self) -> list[str]:
        """Names of the encoders that the arms start from."""
        words = " ".join(word for words in self.arms.values() for word in words)
        return sorted({part.split("}")[0] for part in words.split("{")[1:]})

    def arms_of(self, seed: int) -> dict[str, Words]:
        """Those that are run with this seed, from 0."""
        paired = {arm for pair in self.pairs for arm in pair}
        return {arm: words for arm, words in self.arms.items() if seed == 0 or arm in paired}


def run_jobs(
    table: JobTable, folder: Path, data: Words, encoders: Mapping[str, str], seeds: int, more: Words
) -> dict[str, list[Path]]:
    """Run what is not done yet; the run folders of each arm.

    Raises:
        RuntimeError: a job failed; the message ends with what it said.
    """
    found: dict[str, list[Path]] = {arm: [] for arm in table.arms}
    waiting: dict[str, Words] = {}
    for seed in range(seeds):
        for fold in table.folds:
            for arm, words in table.arms_of(seed).items():
                out = folder / "jobs" / f"{arm.replace(' ', '-').replace('%', '')}-{fold}-{seed}"
                found[arm].append(out)
                given = tuple(word.format(**encoders) for word in words)
                place = (f"out={out}", f"seed={seed}", f"protocol.fold={fold}", "data.generated=true")
                if not (out / RESULT_NAME).exists():
                    waiting[out.name] = (table.config, *place, *data, *given, *more)
    run_units("finetune", waiting)
    return found


def score(table: JobTable, folders: Mapping[str, list[Path]], draws: int) -> ScoreTable:
    """All arms side by side; the first pair's second arm is the reference."""
    arms = [Arm(name, [result for _, result in load_jobs(paths)]) for name, paths in folders.items()]
    return make_table(arms, table.pairs[0][1], draws)


def rows_of(table: JobTable, scored: ScoreTable) -> tuple[list[str], list[list[str]]]:
    """Head and cells: every arm, then every pair."""
    head = ["", *(name.upper() for name in table.scores)]
    rows = [[arm, *(_cell(scored.scores[name].arms[arm]) for name in table.scores)] for arm in table.arms]
    for first, second in table.pairs:
        arms = [scored.scores[name].arms for name in table.scores]
        rows.append([f"{first} minus {second}", *(cell(*difference(of[first], of[second])) for of in arms)])
    return head, rows


def _cell(scored: Scored) -> str:
    return cell(scored.mean, scored.mean_interval)


def text(
    table: JobTable,
    facts: Mapping[str, str],
    scored: ScoreTable,
    more: Callable[[ScoreTable], list[str]] | None,
) -> str:
    """The Markdown."""
    parts = [
        f"# {table.title}, {facts['date']}",
        f"`{facts['command']}`, commit {facts['commit']}, {facts['host']}.",
        table.caption,
        record.markdown(*rows_of(table, scored)),
        *(more(scored) if more else []),
    ]
    return "\n\n".join(parts) + "\n"


def as_json(table: JobTable, scored: ScoreTable) -> dict[str, Any]:
    """For the result file: means with intervals, and differences, by score."""
    found: dict[str, Any] = {}
    for name in table.scores:
        arms = scored.scores[name].arms
        found[name] = {
            "arms": {arm: [one.mean, *one.mean_interval] for arm, one in arms.items()},
            "differences": {
                f"{first} minus {second}": [value, *interval]
                for first, second in table.pairs
                for value, interval in [difference(arms[first], arms[second])]
            },
        }
    return found
