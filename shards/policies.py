"""Batch policies: what the clips of a global batch must have in common, or not.

`Ordering` policies permute a window of samples, so that each is visited once per epoch; `Composing` ones put
each batch together from a window on their own, and may visit a sample more often. All are pure functions of
their arguments. How a policy reaches its invariant is this project's reconstruction: the papers state only
what their batches hold.

Axes: N rows of a window, G clips of a global batch.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from shards.distinct import distinct_batches

IntArray = NDArray[np.int64]


class Window(NamedTuple):
    """Rows of the set that are shuffled together."""

    row_N: IntArray
    identity_N: IntArray
    group_N: IntArray
    """What the policy groups by: number of the activity or class; -1 is none."""

    def take(self, chosen: IntArray | slice) -> "Window":
        return Window(*(column[chosen] for column in self))


class Policy(Protocol):
    """Any of them."""

    @property
    def name(self) -> str:
        """As `policy_named` takes it."""
        ...

    def violations(self, batch: Window) -> int:
        """Clips of a batch that break the policy's invariant."""
        ...


@runtime_checkable
class Ordering(Policy, Protocol):
    """Visits each row of a window once."""

    def arrange(
        self, window: Window, following: Callable[[], Window], head: int, batch: int, rng: np.random.Generator
    ) -> IntArray:
        """Places of the window's rows in their new order.

        The first `head` of them complete a batch that the window before began; the last may begin one that
        the `following` window completes.
        """
        ...


@runtime_checkable
class Composing(Policy, Protocol):
    """Draws each batch from its window."""

    def compose(self, window: Window, batch: int, rng: np.random.Generator) -> IntArray:
        """Places of a batch's rows in the window.

        Raises:
            ValueError: the policy makes batches of another size.
        """
        ...


@dataclass(frozen=True)
class AnyOrder:
    """The window in random order."""

    name: str = "any"

    def arrange(
        self, window: Window, following: Callable[[], Window], head: int, batch: int, rng: np.random.Generator
    ) -> IntArray:
        return np.arange(len(window.row_N))

    def violations(self, batch: Window) -> int:
        return 0


@dataclass(frozen=True)
class DistinctIdentity:
    """No two clips of a batch show the same person, as far as the window allows."""

    name: str = "distinct_identity"

    def arrange(
        self, window: Window, following: Callable[[], Window], head: int, batch: int, rng: np.random.Generator
    ) -> IntArray:
        return distinct_batches(window.identity_N, following().identity_N, head, batch, rng)

    def violations(self, batch: Window) -> int:
        return len(batch.identity_N) - len(np.unique(batch.identity_N))


@dataclass(frozen=True)
class Grouped:
    """So many activities, so many people of each, so many clips of each of these."""

    activities: int
    people: int
    clips: int

    def __post_init__(self) -> None:
        if min(self.activities, self.people, self.clips) < 1:
            raise ValueError(f"grouped needs at least 1 activity, person and clip, found {self}")

    @property
    def name(self) -> str:
        return f"grouped({self.activities},{self.people},{self.clips})"

    @property
    def batch(self) -> int:
        return self.activities * self.people * self.clips

    def compose(self, window: Window, batch: int, rng: np.random.Generator) -> IntArray:
        """Where activities, people or clips are too few, some are taken again."""
        if batch != self.batch:
            raise ValueError(f"{self.name} makes batches of {self.batch} clips, found global_batch={batch}")
        pairs = {pair: places for pair, places in _places_of_pairs(window).items() if pair[0] >= 0}
        if not pairs:
            raise ValueError(f"{self.name} needs samples with an activity; this set names none")
        people_of: dict[int, list[int]] = {}
        for activity, person in pairs:
            people_of.setdefault(activity, []).append(person)
        # Who has people enough comes first; ties and the rest at random.
        order = sorted(people_of)
        order = [order[place] for place in rng.permutation(len(order))]
        order.sort(key=lambda activity: len(people_of[activity]) < self.people)
        chosen: list[IntArray] = []
        for activity in _repeated(np.array(order), self.activities):
            for person in _drawn(np.array(people_of[int(activity)]), self.people, rng):
                chosen.append(_drawn(pairs[int(activity), int(person)], self.clips, rng))
        return np.concatenate(chosen)

    def violations(self, batch: Window) -> int:
        """Clips that stand where another activity, person or sample was wanted."""
        shape = (self.activities, self.people, self.clips)
        group_APR, person_APR = batch.group_N.reshape(shape), batch.identity_N.reshape(shape)
        row_APR = batch.row_N.reshape(shape)
        repeated = self.activities - len(np.unique(group_APR[:, 0, 0]))
        found = repeated * self.people * self.clips
        for person_PR, row_PR in zip(person_APR, row_APR, strict=True):
            found += (self.people - len(np.unique(person_PR[:, 0]))) * self.clips
            found += sum(self.clips - len(np.unique(row_R)) for row_R in row_PR)
        return found


@dataclass(frozen=True)
class ClassBalanced:
    """Each class of the window equally often, to within one clip."""

    name: str = "class_balanced"

    def compose(self, window: Window, batch: int, rng: np.random.Generator) -> IntArray:
        """Rows without a class are left out."""
        classes = np.unique(window.group_N[window.group_N >= 0])
        if not len(classes):
            raise ValueError("class_balanced needs rows with a class; give the plan `group_of_row`")
        counts = np.full(len(classes), batch // len(classes))
        counts[rng.permutation(len(classes))[: batch % len(classes)]] += 1
        chosen = [
            _drawn(np.flatnonzero(window.group_N == one), int(count), rng)
            for one, count in zip(classes, counts, strict=True)
        ]
        return rng.permutation(np.concatenate(chosen))

    def violations(self, batch: Window) -> int:
        """By how many clips the most frequent class is too frequent."""
        _, counts = np.unique(batch.group_N, return_counts=True)
        return max(0, int(counts.max() - counts.min()) - 1)


NAMED: dict[str, Policy] = {
    policy.name: policy for policy in (AnyOrder(), DistinctIdentity(), ClassBalanced())
}
GROUPED = re.compile(r"grouped\((\d+),(\d+),(\d+)\)")


def policy_named(name: str) -> Policy:
    """The policy that has this name.

    Raises:
        ValueError: there is none.
    """
    grouped = GROUPED.fullmatch(name.replace(" ", ""))
    if grouped:
        return Grouped(*map(int, grouped.groups()))
    if name not in NAMED:
        raise ValueError(
            f"policy {name!r} is unknown; wanted {', '.join(NAMED)} or grouped(ACTIVITIES,PEOPLE,CLIPS)"
        )
    return NAMED[name]


def _places_of_pairs(window: Window) -> dict[tuple[int, int], IntArray]:
    """Places of the rows of each activity and person."""
    order = np.lexsort((window.identity_N, window.group_N))
    group, person = window.group_N[order], window.identity_N[order]
    starts = np.flatnonzero(np.append(True, (group[1:] != group[:-1]) | (person[1:] != person[:-1])))
    parts = np.split(order, starts[1:])
    return {(int(group[start]), int(person[start])): part for start, part in zip(starts, parts, strict=True)}


def _drawn(places: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """So many of them in random order, each as often as the others to within one."""
    rounds = [rng.permutation(places) for _ in range(-(-count // len(places)))]
    return np.concatenate([np.empty(0, np.int64), *rounds])[:count]


def _repeated(places: IntArray, count: int) -> IntArray:
    return np.resize(places, count)
