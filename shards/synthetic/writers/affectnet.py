"""AffectNet: a picture per person, in the form with lists of `shards.layouts.affectnet`.

Beside the eight expressions there are pictures of class None, which show a mixture of two, and of class
Uncertain, which show hardly anything; No-Face is left out, as nothing here draws a picture without a face.
The automatic classes are wrong at times. Nothing reads box, landmarks, valence and arousal: the box is the
whole picture and the others are 0, or -2 where AffectNet has that for "not given".
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from shards.layouts.affectnet import COLUMNS, EXPRESSIONS, LISTS_OF, WITHOUT_EXPRESSION
from shards.synthetic.action_units import Performance
from shards.synthetic.expressions import perform_still
from shards.synthetic.person import stable_seed
from shards.synthetic.writers.stills import draw_classes
from shards.synthetic.writers.writer import VideoJob, write_lines

if TYPE_CHECKING:
    from shards.synthetic.generate import GenerateConfig

NONE, UNCERTAIN = (number for number, unclear in WITHOUT_EXPRESSION.items() if not unclear.no_face)
SHARES = {
    **{0: 0.22, 1: 0.40, 2: 0.08, 3: 0.045, 4: 0.022, 5: 0.014, 6: 0.077, 7: 0.014},
    **{NONE: 0.096, UNCERTAIN: 0.036},
}
"""Of the manual classes but No-Face (a recollection)."""
LISTS = tuple((folder, name) for folder, names in LISTS_OF.items() for name in names)
LIST_SHARES = (0.7, 0.1, 0.2)
WRONG_CHANCE = 0.35
"""How often the network that gave the automatic classes is wrong (as its authors measured)."""
PER_FOLDER = 500
NUM_LANDMARKS = 68
GIVEN, NOT_GIVEN = 0, -2


@dataclass(frozen=True)
class Row:
    """A line of a list: the picture's class, and what it shows in truth."""

    folder: str
    list_name: str
    path: str
    number: int
    shows: str


def rows_of(config: "GenerateConfig") -> list[Row]:
    """All lines of all lists; `identities` counts pictures."""
    count, taken = config.identities, np.cumsum(LIST_SHARES)
    names = [f"{config.seed}/{place}" for place in range(count)]
    rows = []
    for place, number in enumerate(draw_classes(config.seed, names, SHARES)):
        folder, list_name = LISTS[int(np.searchsorted(taken, (place + 0.5) / count))]
        name = hashlib.sha224(names[place].encode()).hexdigest()
        path = f"{1 + place // PER_FOLDER}/{name}.jpg"
        row = Row(folder, list_name, path, number, EXPRESSIONS.get(number, str(number)))
        random = np.random.default_rng(stable_seed("automatic", config.seed, place))
        wrong = folder != LISTS[0][0] and random.random() < WRONG_CHANCE
        rows.append(replace(row, number=int(random.choice(list(EXPRESSIONS)))) if wrong else row)
    return rows


class AffectnetWriter:
    name = "affectnet"
    fps = 1
    most_identities = 1_000_000
    identities_are = "as many pictures as AffectNet has"

    def plan(self, config: "GenerateConfig") -> Iterator[VideoJob]:
        for identity, row in enumerate(rows_of(config)):
            yield VideoJob(config, identity, 0, 1, config.out / row.folder / row.path, row.shows)

    def perform(self, job: VideoJob, random: np.random.Generator) -> Performance:
        if job.shows in EXPRESSIONS.values():
            return perform_still(random, job.shows)
        quiet = perform_still(random, "neutral")
        if job.shows == str(UNCERTAIN):
            return quiet
        one, other = random.choice(list(EXPRESSIONS.values()), 2, replace=False)
        first, second = perform_still(random, one), perform_still(random, other)
        return replace(quiet, intensity_TA=np.float32(0.5) * (first.intensity_TA + second.intensity_TA))

    def write_set_labels(self, config: "GenerateConfig") -> None:
        """The lists; every one is there, if need be with its header alone."""
        rows = rows_of(config)
        landmarks = ";".join(["0"] * 2 * NUM_LANDMARKS)
        for folder, name in LISTS:
            lines = [",".join(COLUMNS)]
            for row in rows:
                affect = GIVEN if row.number in EXPRESSIONS else NOT_GIVEN
                box = f"0,0,{config.size},{config.size}"
                if row.list_name == name:
                    lines.append(f"{row.path},{box},{landmarks},{row.number},{affect},{affect}")
            write_lines(config.out / folder.replace("Images", "file_lists") / name, lines)
            (config.out / folder).mkdir(parents=True, exist_ok=True)

    def write_labels(self, job: VideoJob, performance: Performance) -> None:
        """They are in the lists."""
