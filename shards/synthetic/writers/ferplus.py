"""FER+: a small grey picture per person, and ten votes. The form is that of `shards.layouts.ferplus`.

Most votes are for what the face shows. Sometimes there are too many for other expressions, sometimes nobody
can tell, and now and then a line is of something that is no face, without a picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shards.layouts.ferplus import (
    CHOICES,
    EXPRESSIONS,
    FOLDER_OF,
    LIST_NAME,
    NAME,
    NOT_A_FACE,
    PART,
    UNKNOWN,
)
from shards.synthetic.action_units import Performance
from shards.synthetic.expressions import perform_still
from shards.synthetic.person import stable_seed
from shards.synthetic.writers.stills import draw_classes
from shards.synthetic.writers.writer import VideoJob, write_lines

if TYPE_CHECKING:
    from shards.synthetic.generate import GenerateConfig

VOTERS = 10
SHARES = dict(enumerate((0.351, 0.288, 0.126, 0.119, 0.085, 0.005, 0.021, 0.005)))
"""Of the expressions in FER+'s list, counted by its majority rule."""
PART_SHARES = (0.8, 0.1, 0.1)
UNKNOWN_CHANCE = 0.05
FEWEST_AGREE = 4
NO_FACE_EVERY = 25
"""Lines; one of so many is of no face."""


@dataclass(frozen=True)
class Row:
    """A line of the list; the name is empty where there is no picture."""

    part: str
    name: str
    shows: str
    votes: tuple[int, ...]


def rows_of(config: "GenerateConfig") -> list[Row]:
    """The list; `identities` counts pictures."""
    count, taken = config.identities, np.cumsum(PART_SHARES)
    numbers = draw_classes(config.seed, [f"fer{place}" for place in range(count)], SHARES)
    rows: list[Row] = []
    for place, number in enumerate(numbers):
        part = list(FOLDER_OF)[int(np.searchsorted(taken, (place + 0.5) / count))]
        if len(rows) % NO_FACE_EVERY == NO_FACE_EVERY - 1:
            rows.append(Row(part, "", "", tuple(VOTERS * (choice == NOT_A_FACE) for choice in CHOICES)))
        random = np.random.default_rng(stable_seed("votes", config.seed, place))
        shows = EXPRESSIONS[number]
        rows.append(Row(part, f"fer{len(rows):07d}.png", shows, draw_votes(random, shows)))
    return rows


def draw_votes(random: np.random.Generator, shows: str) -> tuple[int, ...]:
    """Votes in the order of `CHOICES`; no other choice has as many as the one that was seen."""
    seen = CHOICES.index(UNKNOWN if random.random() < UNKNOWN_CHANCE else shows)
    votes = [0] * len(CHOICES)
    votes[seen] = int(random.integers(FEWEST_AGREE, VOTERS + 1))
    while sum(votes) < VOTERS:
        other = int(random.integers(CHOICES.index(NOT_A_FACE)))
        votes[other] += other != seen and votes[other] + 1 < votes[seen]
    return tuple(votes)


class FerplusWriter:
    name = "ferplus"
    fps = 1
    most_identities = 9_000_000
    identities_are = "numbers that fit ferNNNNNNN.png"

    def plan(self, config: "GenerateConfig") -> Iterator[VideoJob]:
        for identity, row in enumerate(row for row in rows_of(config) if row.name):
            yield VideoJob(config, identity, 0, 1, config.out / FOLDER_OF[row.part] / row.name, row.shows)

    def perform(self, job: VideoJob, random: np.random.Generator) -> Performance:
        return perform_still(random, job.shows)

    def write_set_labels(self, config: "GenerateConfig") -> None:
        """The list of all votes."""
        rows = [",".join(map(str, (row.part, row.name, *row.votes))) for row in rows_of(config)]
        write_lines(config.out / LIST_NAME, [",".join((PART, NAME, *CHOICES)), *rows])

    def write_labels(self, job: VideoJob, performance: Performance) -> None:
        """They are in the list."""
