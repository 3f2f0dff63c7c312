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
    """Permute a window so that no batch shows a person twice, as far as the window allows it.

    The first `head` rows complete a batch that the window before began, and the last rows may begin one that
    the next window completes. The head is chosen from this window alone and the tail avoids the next window's
    head, so a window's order is known without computing its neighbours'.

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
    everyone = np.arange(len(rows))
    first = _different_people(everyone, identity, min(head, len(rows)))
    rest = np.setdiff1d(everyone, first)
    full, tail = divmod(len(rest), batch)
    next_head = _different_people(
        np.arange(len(following_identity)), following_identity, min(batch - tail, len(following_identity))
    )
    avoided = following_identity[next_head] if tail else np.empty(0, np.int64)
    last = _different_people(rest, identity, tail, avoided)
    middle = np.setdiff1d(rest, last)
    bins = _fill(middle, identity[middle], full, batch, rng)
    ordered = [first, *(rng.permutation(np.asarray(chosen, np.int64)) for chosen in bins), last]
    return np.asarray(rows[np.concatenate(ordered)], np.int64)


def _different_people(
    candidates: IntArray, identity: IntArray, count: int, avoided: IntArray | None = None
) -> IntArray:
    """`count` of the candidates: one row of each person, who has most rows first, in the candidates' order.

    Where people run out, further rows and avoided people are taken: the batch must be filled.
    """
    person = identity[candidates]
    _, first, inverse, frequency = np.unique(
        person, return_index=True, return_inverse=True, return_counts=True
    )
    repeated = np.ones(len(candidates), bool)
    repeated[first] = False
    unwanted = np.zeros(len(candidates), bool) if avoided is None else np.isin(person, avoided)
    order = np.lexsort((np.arange(len(candidates)), -frequency[inverse], repeated, unwanted))
    return np.asarray(candidates[order][:count], np.int64)


def _fill(
    rows: IntArray, identity: IntArray, bins: int, batch: int, rng: np.random.Generator
) -> list[list[int]]:
    """Deal rows to `bins` batches, person by person, most rows first, each into the emptiest batches.

    This places everyone in different batches whenever that is possible (Gale 1957, Ryser 1957); what cannot
    be placed goes where room is left.
    """
    filled: list[list[int]] = [[] for _ in range(bins)]
    room = np.full(bins, batch)
    order = np.argsort(identity, kind="stable")
    _, first, frequency = np.unique(identity[order], return_index=True, return_counts=True)
    unplaced: list[int] = []
    for person in np.lexsort((rng.permutation(len(first)), -frequency)):
        mine = rows[order[first[person] : first[person] + frequency[person]]]
        emptiest = np.lexsort((rng.random(bins), -room))
        usable = emptiest[room[emptiest] > 0][: len(mine)]
        for row, number in zip(mine, usable, strict=False):
            filled[number].append(int(row))
        room[usable] -= 1
        unplaced.extend(int(row) for row in mine[len(usable) :])
    for row in unplaced:
        number = int(np.argmax(room))
        filled[number].append(row)
        room[number] -= 1
    return filled
