"""Batch policies: how the rows of one shuffled window are arranged into batches.

Pure functions of their arguments. This project's reconstruction: CLP asks only that the people of a batch be
distinct; how to reach that while each row is used once is arranged here.
"""

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def distinct_batches(
    rows: IntArray,
    identity: IntArray,
    following_identity: IntArray,
    head: int,
    batch: int,
    rng: np.random.Generator,
) -> IntArray:
    """Permute a window so that no batch shows a person twice, wherever the window allows it.

    The first `head` rows complete a batch that the window before began, and the last rows may begin one that
    the next window completes. The head is chosen from this window alone, and the tail avoids the head of the
    next, so each window's order is known without computing its neighbours'.

    Filling the batches person by person, most rows first, each into the emptiest batches, places everything
    whenever that is possible at all (Gale and Ryser, 1957); what cannot be placed is put where room is left.

    Args:
        rows: (N,) shuffled rows of the window.
        identity: (N,) their people.
        following_identity: people of the next window's shuffled rows, in that order.
        head: rows that still belong to the batch before, 0 <= head < batch.
        batch: clips of a global batch.
        rng: breaks ties.

    Returns:
        (N,) the same rows in their new order.
    """
    head = min(head, len(rows))
    taken = _head(identity, head)
    rest = np.setdiff1d(np.arange(len(rows)), taken, assume_unique=True)
    full, tail = divmod(len(rest), batch)
    capacities = [batch] * full + ([tail] if tail else [])
    avoided = np.empty(0, np.int64)
    if tail:
        avoided = following_identity[_head(following_identity, min(batch - tail, len(following_identity)))]
    bins = _fill(rest, identity, capacities, set(avoided.tolist()) if tail else set(), rng)
    ordered = [taken, *(rng.permutation(np.asarray(chosen, np.int64)) for chosen in bins)]
    return np.asarray(rows[np.concatenate(ordered)], np.int64)


def _head(identity: IntArray, count: int) -> IntArray:
    """Indices of `count` rows of different people, the most frequent people first."""
    people, first, frequency = np.unique(identity, return_index=True, return_counts=True)
    chosen = first[np.lexsort((people, -frequency))][:count]
    if len(chosen) < count:
        others = np.setdiff1d(np.arange(len(identity)), chosen)
        chosen = np.concatenate([chosen, others[: count - len(chosen)]])
    return chosen.astype(np.int64)


def _fill(
    rest: IntArray,
    identity: IntArray,
    capacities: list[int],
    avoided_last: set[int],
    rng: np.random.Generator,
) -> list[list[int]]:
    """Indices per bin; the last bin takes nobody of `avoided_last` unless nothing else is left."""
    bins: list[list[int]] = [[] for _ in capacities]
    room = np.asarray(capacities, np.float64)
    order = np.argsort(identity[rest], kind="stable")
    people, first, frequency = np.unique(identity[rest][order], return_index=True, return_counts=True)
    unplaced: list[int] = []
    for person in np.lexsort((rng.permutation(len(people)), -frequency)):
        mine = rest[order[first[person] : first[person] + frequency[person]]]
        allowed = room.copy()
        if avoided_last and int(people[person]) in avoided_last:
            allowed[-1] = 0
        # A fraction below one breaks ties without changing which bin is emptier.
        emptiest = np.argsort(-(allowed + rng.random(len(room)) * 0.5) * (allowed > 0), kind="stable")
        usable = emptiest[: np.count_nonzero(allowed > 0)][: len(mine)]
        for index, bin_number in zip(mine, usable, strict=False):
            bins[bin_number].append(int(index))
            room[bin_number] -= 1
        unplaced.extend(int(index) for index in mine[len(usable) :])
    for index in unplaced:
        bin_number = int(np.argmax(room))
        bins[bin_number].append(index)
        room[bin_number] -= 1
    return bins
