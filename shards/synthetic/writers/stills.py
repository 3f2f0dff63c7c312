"""What the writers of still pictures share: which class each picture has."""

from collections.abc import Mapping, Sequence

import numpy as np

from shards.synthetic.person import stable_seed


def draw_classes(seed: int, names: Sequence[str], shares: Mapping[int, float]) -> list[int]:
    """A class for each picture, by its name; the first pictures show every class once."""
    numbers, weights = list(shares), np.array(list(shares.values()))
    found = []
    for place, name in enumerate(names):
        random = np.random.default_rng(stable_seed("class", seed, name))
        drawn = int(random.choice(numbers, p=weights / weights.sum()))
        found.append(numbers[place] if place < len(numbers) else drawn)
    return found
