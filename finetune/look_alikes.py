"""AUs that cannot be told apart in generated faces: named in the report, and kept out of its claims."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class LookAlikes:
    """Pairs of AUs that look alike."""

    pairs: tuple[tuple[int, int], ...] = ()

    @property
    def aus(self) -> frozenset[int]:
        return frozenset(au for pair in self.pairs for au in pair)

    @property
    def line(self) -> str:
        """A sentence for the page; empty where there are none."""
        if not self.pairs:
            return ""
        named = ", ".join(f"AU{first} and AU{second}" for first, second in self.pairs)
        return (
            f"Measured on the generator's pictures, these AUs look alike: {named}. A model may take one for "
            "the other, so nothing is claimed of them singly."
        )


def look_alikes(aus: Iterable[int]) -> LookAlikes:
    """Of `aus`, the pairs that look alike in the generator's faces."""
    # Here, as rendering is slow to import and only reports on generated faces ask.
    from shards.synthetic.likeness import CONFUSABLE_PAIRS

    known = set(aus)
    return LookAlikes(tuple(sorted(pair for pair in CONFUSABLE_PAIRS if known.issuperset(pair))))
