"""Arranging a window so that the people of every batch are distinct.

This project's reconstruction: CLP asks only that the people of a batch be distinct; how to reach that while
each sample is visited once is arranged here.
"""

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def distinct_batches(
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
        identity: (N,) people of the window's shuffled rows.
        following_identity: people of the next window's shuffled rows.
        head: rows that still belong to the batch before, 0 <= head < batch.
        batch: clips of a global batch.
        rng: breaks ties.

    Returns:
        (N,) places of the rows in their new order.
    """
    everyone = np.arange(len(identity))
    first = _different_people(everyone, identity, min(head, len(identity)))
    rest = np.setdiff1d(everyone, first)
    full, tail = divmod(len(rest), batch)
    next_head = _different_people(
        np.arange(len(following_identity)), following_identity, min(batch - tail, len(following_identity))
    )
    avoided = following_identity[next_head] if tail else np.empty(0, np.int64)
    last = _different_people(rest, identity, tail, avoided)
    middle = np.setdiff1d(rest, last)
    filled_BG = _fill(middle, identity[middle], full, batch, rng)
    return np.concatenate([first, rng.permuted(filled_BG, axis=1).ravel(), last])


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


def _fill(rows: IntArray, identity: IntArray, bins: int, batch: int, rng: np.random.Generator) -> IntArray:
    """Deal rows to `bins` batches, person by person, most rows first, each into the emptiest batches.

    This places everyone in different batches whenever that is possible (Gale 1957, Ryser 1957); what cannot
    be placed goes where room is left. Returns the rows of each batch `(bins, batch)`.
    """
    filled = np.empty((bins, batch), np.int64)
    room = np.full(bins, batch)
    order = np.argsort(identity, kind="stable")
    _, first, frequency = np.unique(identity[order], return_index=True, return_counts=True)
    people = np.lexsort((rng.permutation(len(first)), -frequency))
    many = int((frequency > 1).sum())
    rest: list[IntArray] = []
    for person in people[:many]:
        mine = rows[order[first[person] : first[person] + frequency[person]]]
        emptiest = np.argsort(rng.random(bins) - room)
        usable = emptiest[room[emptiest] > 0][: len(mine)]
        filled[usable, batch - room[usable]] = mine[: len(usable)]
        room[usable] -= 1
        rest.append(mine[len(usable) :])
    # Whoever is there once may go anywhere.
    rest.append(rows[order[first[people[many:]]]])
    places = np.arange(batch) >= batch - room[:, None]
    filled[places] = np.concatenate(rest)
    return filled
