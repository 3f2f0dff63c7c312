"""The model card: what a user must know of a registered model, as Markdown, made from its run.

Scores are those of `result.json`; their intervals are bootstrapped over the tested people.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from finetune.arms import BASELINES, HEADLINES, labels_of
from finetune.artifact import output_units, value_names
from finetune.audits.result import Audit
from finetune.protocols.registry import PROTOCOLS
from finetune.results import SCORES, load_sums
from finetune.scored import score_jobs
from pretrain.metrics.people import Interval

GENERATED = (
    "**The people it was trained and scored on are generated faces: these numbers prove the pipeline and "
    "say nothing about real people.**"
)
USE = """Meant for research on facial behaviour, and for tools whose results a trained person checks: it says
which movements of the face a video shows. It reads crops made by its own recipe and refuses others.

- AUs and expressions describe movements of the face. They are no evidence of feelings, intent, honesty,
  health or character, and must not decide about a person.
- It is not made to recognise people; its features hold some identity nevertheless (see the identity audit).
- Scores hold for people, cameras and tasks like those of the tested set. Age, skin, occlusion and light that
  the set lacks were not tried; the fairness audit says what was.
- Face video is personal data: have the consent of who is filmed."""
NO_AUDITS = (
    "None was given when it was registered. What promotion asks stands in the version's tags `gate.*`."
)


def model_card(result: Mapping[str, Any], audits: Sequence[Audit] = ()) -> str:
    """The card of a finished job's model.

    Args:
        result: content of its `result.json`.
        audits: what `finetune.audit` found of it.
    """
    named = ", ".join(map(str, value_names(result)))
    what = "expressions" if result["kind"] == "expression" else "AUs"
    parts = [f"# {result['task']}: {what} {named}"]
    if result["data"]["generated"]:
        parts.append(GENERATED)
    parts += ["\n".join(_what(result)), "## Trained on", "\n".join(_data(result))]
    parts += ["## Use and limits", USE, "## Scores", _scores(result), "## Audits"]
    parts.append("\n".join(f"- {audit.kind}: {audit.verdict}" for audit in audits) or NO_AUDITS)
    return "\n\n".join(parts) + "\n"


def _what(result: Mapping[str, Any]) -> Iterator[str]:
    """Inputs and outputs."""
    yield (
        "Input: column `video`, paths of video files, or column `crop_jpeg`, the crops of one face in time "
        "order. Output, a row per frame and face:"
    )
    yield ""
    for column, unit in output_units(result["kind"], value_names(result)).items():
        yield f"- `{column}`: {unit}"


def _data(result: Mapping[str, Any]) -> Iterator[str]:
    data, people, init = result["data"], result["people"], result["init"]
    tested = PROTOCOLS[result["protocol"]["name"]].people
    groups = {"train": "trained", "validation": "chose epoch and thresholds", "test": "were tested"}
    counts = [f"{len(people[group])} {said}" for group, said in groups.items() if group in people]
    yield (
        f"- Labelled: `{data['layout']}` set `{data['digest']}`, {result['people_line']}; "
        f"{tested}: {', '.join(counts)}."
    )
    if data.get("test_url"):
        yield f"- Tested: set `{data['test_digest']}`."
    yield f"- Crop recipe: `{data['recipe_digest']}`."
    if "trained_on" in init:
        objective = init.get("config", {}).get("objective", "an unnamed objective")
        yield (
            f"- Encoder: pretrained with {objective} on set `{init['trained_on']}`, {init['step']} steps, "
            f"from {init['source']}."
        )
    else:
        yield f"- Encoder: {', '.join(str(init[key]) for key in ('init', 'source') if key in init)}."


def _scores(result: Mapping[str, Any]) -> str:
    """The first two scores of the kind, each beside the row to beat; intervals over the tested people."""
    kind, test = result["kind"], result["test"]
    tested = PROTOCOLS[result["protocol"]["name"]].people
    row = BASELINES[kind]
    each = "per_expression" if kind == "expression" else "per_au"
    scores = [name for name in HEADLINES[kind] if name in test["honest"] and name in test[row]]
    sums = load_sums(result["per_person"])
    scored = {name: score_jobs(SCORES[kind][name], [sums]) for name in scores}
    titles = [title for name in scores for title in (f"{name.upper()} [95 %]", row.replace("_", " "))]
    lines = [
        f"On {len(result['people']['test'])} {tested} it has never seen; epoch and thresholds were chosen on "
        f"other {tested}. Brackets are 95 % intervals, bootstrapped over the tested {tested}.",
        "",
        f"| {'expression' if kind == 'expression' else 'AU'} | {' | '.join(titles)} |",
        f"|{'---|' * (1 + len(titles))}",
    ]
    for place, label in enumerate(labels_of(result)):
        cells = [
            cell
            for name in scores
            for cell in (
                _shown(test["honest"][name][each][label], scored[name].interval(place)),
                _shown(test[row][name][each][label]),
            )
        ]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    means = [
        cell
        for name in scores
        for cell in (
            _shown(test["honest"][name]["mean"], scored[name].mean_interval),
            _shown(test[row][name]["mean"]),
        )
    ]
    return "\n".join([*lines, f"| mean | {' | '.join(means)} |"])


def _shown(value: float | None, interval: Interval | None = None) -> str:
    if value is None:
        return "-"
    if interval is None or interval.low != interval.low:
        return f"{value:.3f}"
    return f"{value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
