"""Section: the way of the data through a run, with its numbers, and a clip as the encoder sees it."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from finetune.clip import ClipResult
from finetune.pages.markup import Section, facts, figure, paragraph, picture, strip
from finetune.run_facts import PretrainRun, RegisteredModel, SetFacts
from finetune.views import ClipViews

SET_NAMES = {"voxceleb": "unlabelled, in VoxCeleb2's form", "disfa": "labelled, in DISFA's form"}
Stage = Mapping[str, Any]


def flow_section(
    sets: Sequence[SetFacts],
    run: PretrainRun | None,
    results: Sequence[Mapping[str, Any]],
    models: Sequence[RegisteredModel],
    stages: Sequence[Stage],
    views: ClipViews | None,
    clip: ClipResult | None,
) -> Section:
    """The stages in order; what was not given is left out."""
    measured = {str(stage["stage"]): stage for stage in stages}
    cards = [*(_set_card(facts_of_set) for facts_of_set in sets)]
    if run is not None:
        cards.append(_pretrain_card(run, measured.get("pretrain")))
    cards.append(_finetune_card(results, measured.get("finetune")))
    if models:
        rows = [(f"{model.name}@{model.alias}", f"version {model.version}") for model in models]
        cards.append(_card("Registry: models that load without the training code", rows))
    if clip is not None:
        rows = [
            ("frames", f"{clip.frames}"),
            ("frames with the face", f"{clip.frames_with_face}"),
            ("skipped", f"{clip.frames - clip.frames_with_face}"),
        ]
        cards.append(_card(f"Prediction on a video: {clip.name}", rows))
    parts = [f"<ol class='flow'>{''.join(cards)}</ol>"]
    if views is not None:
        parts += _clip(views)
    return Section("flow", "The run", parts)


def _card(title: str, rows: Sequence[tuple[str, str]]) -> str:
    return f"<li><b>{escape(title)}</b>{facts(rows)}</li>"


def _set_card(found: SetFacts) -> str:
    lost = ", ".join(
        f"{count} {reason.replace('_', ' ')}" for reason, count in sorted(found.failures.items())
    )
    rows = [
        ("people", f"{found.people}"),
        ("videos with a face", f"{found.videos}"),
        ("gave nothing", lost or "0"),
        ("face frames", f"{found.frames:,} ({found.seconds / 60:.1f} min)"),
        ("shards in storage", f"{found.shards} tar files, {size_text(found.bytes)}"),
        (
            "crops",
            f"{found.crop_pixels} x {found.crop_pixels} px, {found.bytes / found.frames / 1e3:.1f} kB each",
        ),
    ]
    return _card(f"Videos to shards: {SET_NAMES.get(found.layout, found.layout)}", rows)


def _pretrain_card(run: PretrainRun, stage: Stage | None) -> str:
    settings, ranks, frames = (
        run.config["run"],
        run.reader.facts.get("ranks"),
        run.objective.get("num_frames"),
    )
    rows = [
        ("steps", f"{run.step} of {settings['global_batch']} clips"),
        ("clips seen", f"{run.step * int(settings['global_batch']):,}"),
    ]
    if frames:
        rows.append(("frames of a clip", f"{frames}"))
    if ranks:
        rows.append(("processes", f"{ranks}"))
    if (speed := run.curves.get("speed/clips_per_s")) is not None:
        rows.append(("speed, median", f"{sorted(speed.value)[len(speed.value) // 2]:.0f} clips/s"))
    if stage is not None:
        rows.append(("time, start to end", f"{stage['seconds']:.0f} s"))
    return _card("Pretraining on unlabelled clips", rows)


def _finetune_card(results: Sequence[Mapping[str, Any]], stage: Stage | None) -> str:
    people = results[0]["people"]
    rows = [
        (f"{result['task']} from {result['init']['init']}", f"{result['seconds']:.0f} s")
        for result in results
        if "seconds" in result
    ]
    groups = [f"{len(people[name])} {name}" for name in ("train", "validation", "test") if name in people]
    rows.append(("people", ", ".join(groups)))
    if stage is not None:
        rows.append(("all jobs, start to end", f"{stage['seconds']:.0f} s"))
    return _card("Finetuning on labelled frames", rows)


def _clip(views: ClipViews) -> list[str]:
    frames = len(views.packed_T)
    times = [f"{time:.2f} s" for time in views.time_seconds_T]
    shown = [
        picture(jpeg, f"packed frame at {time}", time)
        for jpeg, time in zip(views.packed_T, times, strict=True)
    ]
    rows = [figure("As packed", strip(shown, frames))]
    names = ("First augmented view (the query)", "Second augmented view (the key)")
    for name, view_T in zip(names, views.views_VT, strict=False):
        pictures = [
            picture(jpeg, f"augmented frame at {time}") for jpeg, time in zip(view_T, times, strict=True)
        ]
        rows.append(figure(name, strip(pictures, frames)))
    return [
        "<h3>The first clip of the pretraining run</h3>",
        paragraph(
            f"{frames} frames of one person, drawn by the run's own plan, and two views of them as the "
            f"encoder got them, {views.image_size} x {views.image_size} px. One strong change is shared by "
            "all frames of a view: what differs between its frames is the face's movement."
        ),
        *rows,
    ]


def size_text(number: float) -> str:
    """Bytes for people: `2.1 MB`."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"
