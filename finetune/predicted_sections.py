"""From jobs' tested frames to sections of the report: confusion, densities, extreme frames, timelines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune.arms import Arm
from finetune.densities import intensity_counts
from finetune.extremes import extremes
from finetune.pages.confusion import confusion_section
from finetune.pages.densities import densities_section
from finetune.pages.extremes import extremes_section, wanted_frames
from finetune.pages.markup import Section
from finetune.pages.timelines import timelines_section, wanted_pictures
from finetune.predictions import VALUE_OF, read_predictions
from finetune.results import PREDICTIONS_NAME
from finetune.tables import ScoreTable
from finetune.timelines import examples
from pretrain.sampled import read_sampled
from shards.tracks import TrackSet

Jobs = Sequence[tuple[Path, dict[str, Any]]]
Pictures = dict[tuple[str, int], bytes]


def predicted_sections(table: ScoreTable, jobs: Jobs, labelled: TrackSet | None) -> list[Section]:
    """Of one kind of labels: of its first arm that did not begin with random weights, or of its first.

    Sections that need frames are left out where the jobs' folders hold no predictions, pictures where the set
    is not given.
    """
    arms = sorted(table.arms.values(), key=lambda arm: arm.is_random)
    shown = arms[0]
    sections = [] if table.kind == "intensity" else [confusion_section(arms)]
    kept = _with_predictions(shown, jobs)
    if not kept:
        return sections
    read = [read_predictions(folder, result) for folder, result in kept]
    if table.kind == "intensity":
        sections.append(densities_section(shown.name, table.labels, intensity_counts(read)))
    if (found := extremes(read[0])) is not None:
        sections.append(extremes_section(shown.name, found, _pictures(labelled, wanted_frames(found))))
    if table.kind == "intensity":
        folder, result = kept[0]
        chosen = examples((folder / PREDICTIONS_NAME).read_bytes(), result["aus"])
        if chosen is not None:
            pictures = _pictures(labelled, wanted_pictures(chosen))
            sections.append(timelines_section(shown.name, chosen, pictures))
    return sections


def _with_predictions(arm: Arm, jobs: Jobs) -> Jobs:
    """The arm's jobs whose folders have predictions of AUs."""
    if arm.kind not in VALUE_OF:
        return []
    mine = {id(result) for result in arm.results}
    return [job for job in jobs if id(job[1]) in mine and (job[0] / PREDICTIONS_NAME).is_file()]


def _pictures(labelled: TrackSet | None, wanted: Sequence[tuple[str, int]]) -> Pictures:
    """JPEG files by key and frame index, of those that the set has."""
    if labelled is None:
        return {}
    row_of = {key: row for row, key in enumerate(labelled.keys)}
    places = [(row_of[key], frame) for key, frame in wanted if key in row_of]
    if not places:
        return {}
    found = read_sampled(labelled, places).jpeg_at
    return {(labelled.keys[row], place): jpeg for (row, place), jpeg in found.items()}
