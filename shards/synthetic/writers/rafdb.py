"""RAF-DB: a picture per person, at the height of an expression. The form is that of `shards.layouts.rafdb`.

Expressions are as unequal as in the real set, but the first seven pictures of each part show all seven.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from shards.layouts.rafdb import EXPRESSIONS, LIST_NAME
from shards.synthetic.action_units import Performance
from shards.synthetic.expressions import perform_still
from shards.synthetic.writers.stills import draw_classes
from shards.synthetic.writers.writer import VideoJob, write_lines

if TYPE_CHECKING:
    from shards.synthetic.generate import GenerateConfig

TRAINING_SHARE = 0.8
SHARES = {1: 0.105, 2: 0.023, 3: 0.057, 4: 0.388, 5: 0.161, 6: 0.056, 7: 0.21}
"""Of the classes in the real set's training part (a recollection)."""


def names_and_classes(config: "GenerateConfig") -> list[tuple[str, int]]:
    """Every picture's name without suffix, and its class; `identities` counts pictures."""
    num_train = max(1, round(TRAINING_SHARE * config.identities))
    train = [f"train_{number:05d}" for number in range(1, num_train + 1)]
    test = [f"test_{number:04d}" for number in range(1, config.identities - num_train + 1)]
    classes = (draw_classes(config.seed, part, SHARES) for part in (train, test))
    return [*zip(train, next(classes), strict=True), *zip(test, next(classes), strict=True)]


class RafdbWriter:
    name = "rafdb"
    fps = 1
    most_identities = 99_999
    identities_are = "pictures"

    def plan(self, config: "GenerateConfig") -> Iterator[VideoJob]:
        for identity, (name, number) in enumerate(names_and_classes(config)):
            picture = config.out / f"basic/Image/aligned/{name}_aligned.jpg"
            yield VideoJob(config, identity, 0, 1, picture, EXPRESSIONS[number])

    def perform(self, job: VideoJob, random: np.random.Generator) -> Performance:
        return perform_still(random, job.shows)

    def write_set_labels(self, config: "GenerateConfig") -> None:
        """The list of all pictures."""
        lines = [f"{name}.jpg {number}" for name, number in names_and_classes(config)]
        write_lines(config.out / "basic" / LIST_NAME, lines)

    def write_labels(self, job: VideoJob, performance: Performance) -> None:
        """They are in the list."""
