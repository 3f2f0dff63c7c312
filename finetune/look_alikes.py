"""AUs that cannot be told apart in generated faces: named in the report, and kept out of its claims."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LookAlikes:
    """Pairs of AUs that look alike, as far as they are known."""

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
        return f"These AUs look alike in generated faces, so nothing is claimed of them singly: {named}."


def look_alikes() -> LookAlikes:
    """What is known of the generator's faces."""
    return LookAlikes()
