"""`python -m finetune.compare`: any finished jobs side by side, arm by arm."""

import argparse
import json
import sys
from pathlib import Path

from finetune.arms import make_arms
from finetune.jobs import caption, load_jobs
from finetune.page import html_page
from finetune.pages.scores import jobs_section, scores_section
from finetune.tables import ScoreTable, make_table, table_json, terminal_table
from pretrain.config import ConfigError, run_command


def compare(paths: list[Path], against: str | None) -> tuple[list[ScoreTable], str, str]:
    """Tables by kind of labels, what they are about, and the terminal's text.

    Args:
        paths: run folders or `result.json` files.
        against: name of the arm that the others are compared with; None: the first of each kind.

    Raises:
        ConfigError: a path holds no finished job, the jobs cannot stand side by side, or no arm has the name.
    """
    results = [result for _, result in load_jobs(paths)]
    kinds = make_arms(results)
    names = [arm.name for arms in kinds.values() for arm in arms]
    if against is not None and against not in names:
        raise ConfigError(f"--against {against!r}: there is no such arm; the arms are {names}")
    tables = [
        make_table(arms, against if against in {arm.name for arm in arms} else None)
        for arms in kinds.values()
    ]
    about = caption(results)
    return tables, about, "\n\n".join([*(terminal_table(table) for table in tables), about])


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m finetune.compare",
        description="Compare finished jobs. Jobs that differ in seed and fold alone are one arm; arms are "
        "named by what differs between their configs. Honest and paper-style numbers stand side by side.",
        epilog="example: python -m finetune.compare runs/* --against aunce.delta=0.0 --out compare.html",
    )
    parser.add_argument("jobs", type=Path, nargs="+", help="run folders or result.json files")
    parser.add_argument("--against", metavar="ARM", help="arm that the others are compared with (the first)")
    parser.add_argument("--out", type=Path, metavar="HTML", help="page to write")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all numbers, to write")
    given = parser.parse_args(arguments)
    tables, about, text = compare(given.jobs, given.against)
    if given.out is not None:
        results = [result for table in tables for arm in table.arms.values() for result in arm.results]
        sections = [*(scores_section(table, about) for table in tables), jobs_section(results)]
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(html_page("Finetuning jobs compared", about, sections))
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        content = {"caption": about, "tables": [table_json(table) for table in tables]}
        given.json.write_text(json.dumps(content, indent=1) + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    run_command(main)
