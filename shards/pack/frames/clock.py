"""The time of each frame: the file's own where it rises, counted where it does not."""

from shards.pack.frames.trouble import Tell

USUAL_RATE = 25.0
"""Frames per second of a file that does not say, or says what no camera does."""
RATES = (1e-3, 1e3)
LONGEST_GAP_SECONDS = 3600.0
"""Between two frames; more is a damaged time, which would stretch a track over years."""
MOST_SECONDS = 1e10
"""Beyond any clock of the world (seconds since 1970 are 2e9): microseconds would not fit in a float."""


class Clock:
    """Gives each frame a time that is greater than that of the frame before."""

    def __init__(self, frames_per_second: float) -> None:
        self.frames_per_second = (
            frames_per_second if RATES[0] <= frames_per_second <= RATES[1] else USUAL_RATE
        )
        self._trusted_seconds, self._trusted_index = 0.0, 0
        self._last_seconds: float | None = None
        self._wrong, self._first_wrong = 0, 0

    def time_seconds(self, index: int, stored_seconds: float | None) -> float:
        """The time of frame `index`; `stored_seconds` is the file's own, None where it has none.

        A time that does not rise, or leaps by more than `LONGEST_GAP_SECONDS`, is replaced: frames are
        counted on from the last good time at the file's rate.
        """
        if stored_seconds is not None and self._is_next(round(stored_seconds, 6)):
            self._trusted_seconds, self._trusted_index = stored_seconds, index
        elif stored_seconds is not None:
            self._first_wrong = self._first_wrong if self._wrong else index
            self._wrong += 1
        since = (index - self._trusted_index) / self.frames_per_second
        self._last_seconds = round(self._trusted_seconds + since, 6)
        return self._last_seconds

    def index_at(self, stored_seconds: float | None) -> int:
        """Where an even rate puts a frame of this time; 0 where nothing is known to count from."""
        if stored_seconds is None or self._last_seconds is None or not self._is_next(stored_seconds):
            return 0
        since = stored_seconds - self._trusted_seconds
        return self._trusted_index + round(since * self.frames_per_second)

    def tell_wrong(self, frames: int, tell: Tell) -> None:
        """Report the replaced times, if there are any."""
        if self._wrong:
            tell(
                "decode",
                "wrong_times",
                f"{self._wrong} of {frames} frames have a time that does not rise or leaps, the first is "
                f"frame {self._first_wrong}; they were counted at {self.frames_per_second:g} per second",
            )

    def _is_next(self, seconds: float) -> bool:
        if self._last_seconds is None:
            return abs(seconds) <= MOST_SECONDS
        return 0 < seconds - self._last_seconds <= LONGEST_GAP_SECONDS
