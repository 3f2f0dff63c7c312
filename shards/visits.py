"""Which samples each step visits: epochs, windows and batch policies; numpy only.

An epoch permutes the units, cuts them into windows of about so many samples, and orders the samples of a
window by the batch policy. Only the units of a window are read, so that a set may be of any size.

Axes: N rows of a window, U units.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from shards.batch import ClipSpec
from shards.draw import SAMPLES, UNITS, generator
from shards.errors import ShardError
from shards.policies import Composing, Ordering, Policy, Window
from shards.reach import IntArray
from shards.unit_rows import UnitRows

WINDOWS_KEPT = 3
"""The one under way, the one after, and what the units at their ends have more."""
COMPOSED = 1 << 32
"""Second counter of the draws of a composed batch: no epoch has so many windows."""


class PlannedSet(Protocol):
    """What planning needs of a shard set, as `TrackSet` has it."""

    left_out: tuple[str, ...]
    """Hashes of the forgotten people and videos whose rows are not there."""
    rows_U: IntArray
    first_row_U: IntArray

    @property
    def digest(self) -> str: ...

    def usable(self, spec: ClipSpec) -> IntArray: ...

    def unit(self, unit: int) -> UnitRows: ...

    def units(self, units: Sequence[int]) -> list[UnitRows]: ...

    def keep(self, rows: int) -> None: ...

    def place(self, row: int) -> tuple[UnitRows, int]: ...


class Candidates:
    """The rows of a set that are asked for and can hold the clip."""

    def __init__(
        self,
        tracks: PlannedSet,
        spec: ClipSpec,
        rows: IntArray | None,
        group_of_row: Mapping[int, int] | None,
    ) -> None:
        """Reads no unit, but those of `rows` where some are named."""
        self._tracks, self._spec, self._group_of_row = tracks, spec, group_of_row
        self.chosen = None if rows is None else _by_unit(tracks, rows)
        """Rows that were named, by unit and counted within it; None is all of the set."""
        self.asked = int(tracks.rows_U.sum()) if rows is None else len(rows)
        self.count_U = tracks.usable(spec)
        if self.chosen is not None:
            self.count_U[:] = 0
            for unit, chosen in self.chosen.items():
                self.count_U[unit] = tracks.unit(unit).reach.fits(spec)[chosen].sum()

    def keep(self, rows: int) -> None:
        """Keep the units of so many rows at hand, and of one unit more."""
        self._tracks.keep(rows + int(self._tracks.rows_U.max()))

    def of_units(self, units: Sequence[int]) -> Window:
        """Those of some units, which are read beside one another.

        Raises:
            ShardError: they are not as many as the set counts.
        """
        pairs = zip(units, self._tracks.units(units), strict=True)
        return _joined([self._of_unit(unit, rows) for unit, rows in pairs])

    def _of_unit(self, unit: int, rows: UnitRows) -> Window:
        fitting = np.flatnonzero(rows.reach.fits(self._spec))
        if self.chosen is not None:
            fitting = np.intersect1d(fitting, self.chosen[unit])
        if len(fitting) != self.count_U[unit]:
            raise ShardError(
                f"unit {unit} has {len(fitting)} samples that can hold the clip, the set's reach/ "
                f"counts {self.count_U[unit]}; run `python -m shards verify`"
            )
        row_N = int(self._tracks.first_row_U[unit]) + fitting
        if self._group_of_row is None:
            group_N = rows.activity_N[fitting]
        else:
            group_N = np.array([self._group_of_row.get(int(row), -1) for row in row_N], np.int64)
        return Window(row_N, rows.identity_N[fitting], group_N)


class Visits:
    """The endless order in which candidates are visited; a step's batch may cross windows and epochs."""

    def __init__(
        self, candidates: Candidates, policy: Policy, batch: int, seed: int, window_rows: int
    ) -> None:
        """`batch` visits make a step."""
        self._candidates, self._policy = candidates, policy
        self._batch, self._seed, self._window_rows = batch, seed, window_rows
        self._num_rows = int(candidates.count_U.sum())
        candidates.keep(WINDOWS_KEPT * window_rows)
        # A window serves many consecutive steps.
        self.epoch_windows = lru_cache(maxsize=4)(self._make_epoch_windows)
        self._window = lru_cache(maxsize=4)(self._make_window)
        self._ordered = lru_cache(maxsize=4)(self._make_ordered)

    def of_step(self, step: int) -> Window:
        """The rows that a step visits, over all ranks."""
        if isinstance(self._policy, Composing):
            epoch, offset = divmod(step * self._batch, self._num_rows)
            window = self._window(epoch, self._window_at(epoch, offset))
            rng = generator(self._seed, SAMPLES, step, COMPOSED)
            return window.take(self._policy.compose(window, self._batch, rng))
        position, left = step * self._batch, self._batch
        parts: list[Window] = []
        while left:
            epoch, offset = divmod(position, self._num_rows)
            number = self._window_at(epoch, offset)
            begin = offset - int(self.epoch_windows(epoch)[1][number])
            parts.append(self._ordered(epoch, number).take(slice(begin, begin + left)))
            position, left = position + len(parts[-1].row_N), left - len(parts[-1].row_N)
        return _joined(parts)

    def _window_at(self, epoch: int, offset: int) -> int:
        return int(np.searchsorted(self.epoch_windows(epoch)[1], offset, side="right")) - 1

    def _make_epoch_windows(self, epoch: int) -> tuple[list[IntArray], IntArray]:
        """The epoch's windows of units, and at which of its rows each begins."""
        count_U = self._candidates.count_U
        units = generator(self._seed, UNITS, epoch).permutation(np.flatnonzero(count_U))
        starts = np.cumsum(count_U[units]) - count_U[units]
        _, first = np.unique(starts // self._window_rows, return_index=True)
        return np.split(units, first[1:]), starts[first]

    def _make_window(self, epoch: int, number: int) -> Window:
        """A window's rows in random order."""
        units = self.epoch_windows(epoch)[0][number].tolist()
        window = self._candidates.of_units(units)
        return window.take(generator(self._seed, SAMPLES, epoch, number).permutation(len(window.row_N)))

    def _make_ordered(self, epoch: int, number: int) -> Window:
        """A window's rows in the policy's order."""
        window, policy = self._window(epoch, number), self._policy
        assert isinstance(policy, Ordering)
        windows, starts = self.epoch_windows(epoch)
        after = (epoch, number + 1) if number + 1 < len(windows) else (epoch + 1, 0)
        head = -(epoch * self._num_rows + int(starts[number])) % self._batch
        rng = generator(self._seed, SAMPLES, epoch, len(windows) + number)
        return window.take(policy.arrange(window, lambda: self._window(*after), head, self._batch, rng))


def _joined(parts: Sequence[Window]) -> Window:
    return Window(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _by_unit(tracks: PlannedSet, row_N: IntArray) -> dict[int, IntArray]:
    unit_N = np.searchsorted(tracks.first_row_U, row_N, side="right") - 1
    units, starts = np.unique(unit_N, return_index=True)
    parts = np.split(row_N, starts[1:])
    return {int(unit): part - tracks.first_row_U[unit] for unit, part in zip(units, parts, strict=True)}
