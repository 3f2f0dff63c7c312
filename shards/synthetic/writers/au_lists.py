"""BP4D and DISFA as pictures with lists. The forms are those of `shards.layouts.au_lists`.

BP4D is written as ME-GraphAU has it, with lists by fold and numbers without zeros, and DISFA as JAANet has
it, with lists by part and pictures counted from 0.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from shards.layouts import bp4d, bp4d_labels, disfa
from shards.layouts.au_lists import BP4D_LISTS, DISFA_LISTS, LIST_FOLDERS
from shards.synthetic.action_units import Performance
from shards.synthetic.writers.bp4d import Bp4dWriter
from shards.synthetic.writers.bp4d_labels import UNKNOWN, code
from shards.synthetic.writers.disfa import DisfaWriter
from shards.synthetic.writers.writer import VideoJob, rounded, write_lines

if TYPE_CHECKING:
    from shards.synthetic.generate import GenerateConfig

LISTS = LIST_FOLDERS[0]
Listed = list[tuple[str, str]]
"""Pictures with their labels, as text."""


class Bp4dListsWriter:
    name = BP4D_LISTS.name
    fps = Bp4dWriter.fps
    most_identities = Bp4dWriter.most_identities
    identities_are = Bp4dWriter.identities_are

    def plan(self, config: "GenerateConfig") -> Iterator[VideoJob]:
        for job in Bp4dWriter().plan(config):
            video = config.out / "img" / _bp4d_subject(job) / job.shows
            yield replace(job, video=video, frame_name="{}.jpg")

    def perform(self, job: VideoJob, random: np.random.Generator) -> Performance:
        return Bp4dWriter().perform(job, random)

    def write_set_labels(self, config: "GenerateConfig") -> None:
        """Two lists per fold; fold 1 tests part 3, and fold 3 part 1."""
        parts = _by_part(self.plan(config), _bp4d_subject, bp4d.PARTS, self._listed)
        for fold, tested in enumerate(reversed(parts), start=1):
            trained = [line for part in parts if part is not tested for line in part]
            for use, lines in (("train", trained), ("test", tested)):
                begin, end = config.out / LISTS / f"BP4D_{use}", f"fold{fold}.txt"
                _write(Path(f"{begin}_img_path_{end}"), Path(f"{begin}_label_{end}"), lines)

    def write_labels(self, job: VideoJob, performance: Performance) -> None:
        """They are in the lists."""

    def _listed(self, job: VideoJob) -> Listed:
        """The coded frames."""
        coding = code(job, self.perform(job, job.random("movement")))
        columns = [np.where(coding.covered_F, UNKNOWN, coding.occurrence[au]) for au in bp4d_labels.AUS]
        name = f"{_bp4d_subject(job)}/{job.shows}"
        rows = np.stack(columns, axis=1).tolist()
        return [(f"{name}/{frame}.jpg", _text(row)) for frame, row in enumerate(rows, start=coding.first)]


class DisfaListsWriter:
    name = DISFA_LISTS.name
    fps = DisfaWriter.fps
    most_identities = DisfaWriter.most_identities
    identities_are = DisfaWriter.identities_are

    def plan(self, config: "GenerateConfig") -> Iterator[VideoJob]:
        for job in DisfaWriter().plan(config):
            video = config.out / "imgs/DISFA" / _disfa_subject(job)
            yield replace(job, video=video, frame_name="{1}.jpg")

    def perform(self, job: VideoJob, random: np.random.Generator) -> Performance:
        return DisfaWriter().perform(job, random)

    def write_set_labels(self, config: "GenerateConfig") -> None:
        """A list per part, and one per two parts together."""
        parts = _by_part(self.plan(config), _disfa_subject, disfa.PARTS, self._listed)
        named = {f"part{number}": lines for number, lines in enumerate(parts, start=1)}
        for one, other in combinations((1, 2, 3), 2):
            named[f"combine_{one}_{other}"] = parts[one - 1] + parts[other - 1]
        for name, lines in named.items():
            begin = config.out / LISTS / f"DISFA_{name}"
            _write(Path(f"{begin}_path.txt"), Path(f"{begin}_AUoccur.txt"), lines)

    def write_labels(self, job: VideoJob, performance: Performance) -> None:
        """They are in the lists."""

    def _listed(self, job: VideoJob) -> Listed:
        """All frames, counted from 0."""
        performance = self.perform(job, job.random("movement"))
        columns = [rounded(performance, au) >= disfa.PRESENT_FROM for au in disfa.LISTED_AUS]
        rows = np.stack(columns, axis=1).astype(int).tolist()
        return [(f"DISFA/{_disfa_subject(job)}/{index}.jpg", _text(row)) for index, row in enumerate(rows)]


def _bp4d_subject(job: VideoJob) -> str:
    return bp4d.SUBJECTS[job.identity]


def _disfa_subject(job: VideoJob) -> str:
    return sorted(disfa.SUBJECTS)[job.identity]


def _by_part(
    jobs: Iterable[VideoJob],
    subject_of: Callable[[VideoJob], str],
    parts: Sequence[Sequence[str]],
    listed: Callable[[VideoJob], Listed],
) -> list[Listed]:
    """The pictures of each part's people; a part of which nobody was generated is empty."""
    by_job = [(subject_of(job), listed(job)) for job in jobs]
    return [[line for subject, lines in by_job if subject in part for line in lines] for part in parts]


def _text(row: list[int]) -> str:
    return " ".join(map(str, row))


def _write(pictures: Path, labels: Path, lines: Listed) -> None:
    write_lines(pictures, [picture for picture, _ in lines])
    write_lines(labels, [text for _, text in lines])
