"""What damage costs: pictures that are broken, or built on a broken one, are left out and counted."""

import av

from shards.pack.frames.trouble import Tell

LONGEST_WAIT = 300
"""Pictures for which a whole one (a key frame) is waited for; encoders set one every 250 or more often."""


class Damage:
    """Watches the pictures of one video in order."""

    def __init__(self) -> None:
        self._count = 0
        self._first = 0
        self._waited: int | None = None
        self.gap = False
        """Whether frames were left out since the last good one."""

    def number_after_gap(self, index: int, index_by_time: int) -> int:
        """The number of a good frame, `index` by counting: behind damage, decoders drop frames in silence."""
        self.gap = False
        self._count += max(0, index_by_time - index)
        return max(index, index_by_time)

    def lose(self, index: int) -> None:
        """Frame `index` could not be decoded."""
        self._leave_out(index)
        self._waited = 0

    def spoils(self, index: int, picture: av.VideoFrame) -> bool:
        """Whether frame `index` is to be left out."""
        if picture.is_corrupt:
            self.lose(index)
            return True
        if self._waited is None:
            return False
        self._waited += 1
        if picture.key_frame or self._waited > LONGEST_WAIT:
            self._waited = None
            return False
        self._leave_out(index)
        return True

    def tell_lost(self, frames: int, tell: Tell) -> None:
        """Report what was left out, if anything was."""
        if self._count:
            tell(
                "decode",
                "damaged_frames",
                f"{self._count} of {frames} frames are damaged or built on damaged ones, the first is frame "
                f"{self._first}; they were left out",
            )

    def _leave_out(self, index: int) -> None:
        self._first = self._first if self._count else index
        self._count += 1
        self.gap = True
