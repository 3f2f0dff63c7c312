"""`python -m finetune.report`: jobs side by side, as a table for the terminal and one HTML file."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from finetune.arms import BASELINES, HEADLINES, Arm, baseline_values, make_arms, score_arm
from finetune.page import html_page
from finetune.results import RESULT_FORMAT, RESULT_NAME
from finetune.scored import difference
from finetune.sections import Sources, make_sections
from pretrain.config import ConfigError, run_command
from pretrain.metrics.people import Interval

GENERATED_CAPTION = (
    "These faces are generated. The numbers prove the pipeline and compare methods; they say nothing about "
    "accuracy on real people."
)
NAMES = {
    "aunce": "AU detection (AUNCE)",
    "intensity": "AU intensity",
    "everything_present": "everything present",
    "labelled_mean": "labelled mean",
}


def load_jobs(paths: list[Path]) -> list[tuple[Path, dict[str, Any]]]:
    """Folder and result of each job, given by its `result.json` or its run folder.

    Raises:
        ConfigError: one is not there or is something else.
    """
    jobs = []
    for path in paths:
        file = path / RESULT_NAME if path.is_dir() else path
        if not file.is_file():
            raise ConfigError(f"no {RESULT_NAME} at {path}; give finished jobs' run folders")
        content = json.loads(file.read_text())
        if content.get("format_version") != RESULT_FORMAT or "per_person" not in content:
            raise ConfigError(
                f"{file} is not the result of a finetuning job of this program: wanted format version "
                f"{RESULT_FORMAT}, found {content.get('format_version')}"
            )
        jobs.append((file.parent, content))
    return jobs


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


def caption(results: list[dict[str, Any]]) -> str:
    """What the numbers are about; the same for every table."""
    generated = any(result["data"]["generated"] for result in results)
    people = sorted({f"fold {r['protocol']['fold']}: {len(r['people']['test'])} people" for r in results})
    seeds = sorted({result["seed"] for result in results})
    text = (
        f"Scores on people never seen in training ({'; '.join(people)}; {len(seeds)} seed"
        f"{'s' if len(seeds) > 1 else ''}). Epoch and thresholds were chosen on other people. Brackets are "
        "95 % intervals, bootstrapped over people and seeds; differences are paired."
    )
    return f"{GENERATED_CAPTION} {text}" if generated else text


def task_table(arms: list[Arm]) -> dict[str, Any]:
    """One task's numbers, for the terminal and the page."""
    task, aus = arms[0].task, arms[0].results[0]["aus"]
    scores: dict[str, Any] = {}
    for name in HEADLINES[task]:
        scored = {arm.start: score_arm(arm, name) for arm in arms}
        base_A, base_mean = baseline_values(arms[0], name, BASELINES[task])
        scores[name] = {
            "arms": scored,
            "baseline": (base_A, base_mean),
            "best_on_test": {arm.start: baseline_values(arm, name, "best_on_test")[1] for arm in arms},
            "difference": difference(scored["pretrained"], scored["random"]) if len(arms) == 2 else None,
        }
    return {
        "task": task,
        "title": NAMES[task],
        "aus": aus,
        "scores": scores,
        "baseline": BASELINES[task],
        "unseen": unseen_aus(arms[0]),
        "people_showing": people_showing(arms[0]),
    }


def people_showing(arm: Arm) -> list[int]:
    """How many tested people show each AU; empty for intensity."""
    if arm.kind == "intensity":
        return []
    sums_of = {result["protocol"]["fold"]: result["per_person"] for result in arm.results}
    positive_PA = np.concatenate(
        [np.add(sums["true_positive_PA"], sums["false_negative_PA"]) for sums in sums_of.values()]
    )
    return [int(count) for count in (positive_PA > 0).sum(axis=0)]


def unseen_aus(arm: Arm) -> str:
    """A line on the AUs that no tested person shows; empty where there are none."""
    if arm.kind == "intensity":
        return ""
    shown_A = np.zeros(len(arm.results[0]["aus"]))
    for result in arm.results:
        sums = result["per_person"]
        shown_A += np.sum(sums["true_positive_PA"], axis=0) + np.sum(sums["false_negative_PA"], axis=0)
    names = [f"AU{au}" for au, shown in zip(arm.results[0]["aus"], shown_A, strict=True) if not shown]
    if not names:
        return ""
    return f"No tested person shows {', '.join(names)}: F1 is 0 there for every method, AUC is not defined."


def terminal_table(table: dict[str, Any]) -> str:
    """Fixed-width text of one task."""
    lines = [table["title"], "=" * len(table["title"])]
    for name, score in table["scores"].items():
        baseline_A, baseline_mean = score["baseline"]
        heads = [*score["arms"], NAMES[table["baseline"]]]
        lines += ["", f"{name.upper():<8}" + "".join(f"{head:>26}" for head in heads)]
        for index, au in enumerate(table["aus"]):
            cells = [_cell(arm.value_A[index], arm.interval(index)) for arm in score["arms"].values()]
            lines.append(f"{f'AU{au}':<8}" + "".join(f"{c:>26}" for c in [*cells, _cell(baseline_A[index])]))
        cells = [_cell(arm.mean, arm.mean_interval) for arm in score["arms"].values()]
        lines.append(f"{'mean':<8}" + "".join(f"{cell:>26}" for cell in [*cells, _cell(baseline_mean)]))
        upper = [_cell(value) for value in score["best_on_test"].values()]
        lines.append(f"{'upper*':<8}" + "".join(f"{cell:>26}" for cell in upper))
        if score["difference"] is not None:
            lines.append(f"pretrained minus random: {_cell(*score['difference'])}")
    lines += ["", "* best on the tested people themselves (paper style): an upper bound, not a result"]
    return "\n".join([*lines, table["unseen"]] if table["unseen"] else lines)


def _cell(value: float, interval: Interval | None = None) -> str:
    if value != value:
        return "-"
    return f"{value:.3f}" + (f" [{interval.low:.3f}, {interval.high:.3f}]" if interval else "")


def make_report(sources: Sources, out: Path | None) -> str:
    """Write the HTML file where `out` is given; returns the text for the terminal."""
    results = sources.results
    tables = [task_table(arms) for arms in make_arms(results).values()]
    job_stages = job_throughput(results)
    if out is not None:
        sections = make_sections(sources, tables, job_stages, caption(results))
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(
            html_page("Facial action units: a run from videos to models", caption(results), sections)
        )
    rates = [
        f"{entry['stage']:<40}{entry['count']:>10} {entry['unit']:<8}{entry['seconds']:>9.1f} s"
        f"{entry['count'] / max(entry['seconds'], 1e-9):>10.0f} {entry['unit']}/s"
        for entry in (*sources.stages, *job_stages)
    ]
    return "\n\n".join([*(terminal_table(table) for table in tables), "\n".join(rates), caption(results)])


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
    )
    sys.stdout.write(make_report(sources, given.out) + "\n")


if __name__ == "__main__":
    run_command(main)
