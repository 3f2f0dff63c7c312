"""`python -m finetune.report`: jobs side by side, as a table for the terminal and one HTML file."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from finetune.arms import make_arms, refuse_other_networks
from finetune.audits.result import load_audit
from finetune.jobs import caption, load_jobs
from finetune.page import html_page
from finetune.sections import Sources, make_sections
from finetune.tables import ScoreTable, make_table, table_json, terminal_table
from pretrain.config import ConfigError, run_command


def load_throughput(path: Path) -> list[dict[str, Any]]:
    """Stages measured elsewhere: a JSON list of {"stage", "count", "unit", "seconds"[, "peak_bytes"]}.

    Raises:
        ConfigError: another form.
    """
    content = json.loads(path.read_text())
    wanted = {"stage", "count", "unit", "seconds"}
    if not isinstance(content, list) or any(set(entry) - {"peak_bytes"} != wanted for entry in content):
        raise ConfigError(f"{path}: a list of objects with {sorted(wanted)} wanted")
    return content


def job_throughput(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The stages of the jobs themselves."""
    return [
        {
            "stage": f"{result['task']}, {result['init']['init']}: {name}",
            "count": int(stage["images"]),
            "unit": "images",
            "seconds": stage["seconds"],
        }
        for result in results
        for name, stage in result["stages"].items()
        if stage["images"]
    ]


def report_tables(results: list[dict[str, Any]]) -> list[ScoreTable]:
    """A table for each kind of labels, in which random weights are what others are compared with.

    Raises:
        ConfigError: jobs cannot stand side by side, or have different encoders.
    """
    tables = []
    for kind, arms in make_arms(results).items():
        refuse_other_networks(kind, arms)
        random = [arm.name for arm in arms if arm.is_random]
        tables.append(make_table(arms, random[0] if len(random) == 1 else None))
    return tables


def make_report(sources: Sources, out: Path | None) -> str:
    """Write the HTML file and a JSON file beside it where `out` is given; returns the terminal's text."""
    results = sources.results
    tables = report_tables(results)
    job_stages = job_throughput(results)
    if out is not None:
        sections = make_sections(sources, tables, job_stages, caption(results))
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(
            html_page("Facial action units: a run from videos to models", caption(results), sections)
        )
        out.with_suffix(".json").write_text(json.dumps(_json(sources, tables), indent=1) + "\n")
    rates = [
        f"{entry['stage']:<40}{entry['count']:>10} {entry['unit']:<8}{entry['seconds']:>9.1f} s"
        f"{entry['count'] / max(entry['seconds'], 1e-9):>10.0f} {entry['unit']}/s"
        for entry in (*sources.stages, *job_stages)
    ]
    return "\n\n".join([*(terminal_table(table) for table in tables), "\n".join(rates), caption(results)])


def _json(sources: Sources, tables: list[ScoreTable]) -> dict[str, Any]:
    """What the page says in numbers."""
    return {
        "caption": caption(sources.results),
        "tables": [table_json(table) for table in tables],
        "audits": [audit.json() for audit in sources.audits],
        "stages": [*sources.stages, *job_throughput(sources.results)],
    }


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m finetune.report",
        description="Compare finetuning jobs: pretrained beside random, per AU, with intervals over people.",
        epilog="example: python -m finetune.report runs/* --throughput stages.json --out report.html",
    )
    parser.add_argument("jobs", type=Path, nargs="+", help="run folders or result.json files")
    parser.add_argument("--throughput", type=Path, help='JSON list of {"stage", "count", "unit", "seconds"}')
    parser.add_argument("--out", type=Path, help="HTML file")
    more = parser.add_argument_group("more sections of the HTML file")
    more.add_argument("--labelled", default="", metavar="URL", help="shard set of the jobs")
    more.add_argument("--unlabelled", default="", metavar="URL", help="shard set of the pretraining run")
    more.add_argument(
        "--pretrain", default="", metavar="URL", help="the run; MLFLOW_TRACKING_URI has its metrics"
    )
    more.add_argument(
        "--rivals", nargs="*", default=[], metavar="URL", help="runs of other objectives on the same set"
    )
    more.add_argument("--models", nargs="*", default=[], metavar="NAME", help="registered models")
    more.add_argument("--clip", type=Path, metavar="VIDEO", help="a video that was predicted")
    more.add_argument(
        "--clip-tables", type=Path, nargs="*", default=[], metavar="CSV", help="its predictions"
    )
    more.add_argument("--clip-source", default="", metavar="TEXT", help="where it comes from, for the page")
    more.add_argument(
        "--audits", type=Path, nargs="*", default=[], metavar="JSON", help="what `finetune.audit` wrote"
    )
    given = parser.parse_args(arguments)
    sources = Sources(
        jobs=load_jobs(given.jobs),
        stages=[] if given.throughput is None else load_throughput(given.throughput),
        labelled_url=given.labelled,
        unlabelled_url=given.unlabelled,
        pretrain_url=given.pretrain,
        rival_urls=given.rivals,
        models=given.models,
        clip=given.clip,
        clip_tables=given.clip_tables,
        clip_source=given.clip_source,
        audits=[load_audit(path) for path in given.audits],
    )
    sys.stdout.write(make_report(sources, given.out) + "\n")


if __name__ == "__main__":
    run_command(main)
