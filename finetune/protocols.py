"""Who trains, who validates, who is tested: subject-exclusive folds of the labelled sets.

Fold k tests part k; the other parts train. (List files elsewhere number the folds in other orders, so only
the names of the parts are used here.) Epoch and threshold are chosen on validation people, who are drawn
from the training people and train nothing; the tested people choose nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pretrain.config import ConfigError
from shards.layouts import disfa

Kind = Literal["detection", "intensity"]
"""What a label says of an AU: whether it is there, or how strong it is."""


@dataclass(frozen=True)
class Protocol:
    """What a data set's community agreed on."""

    name: str
    parts: tuple[tuple[str, ...], ...]
    detection_aus: tuple[int, ...]
    intensity_aus: tuple[int, ...]
    present_from: int | None
    """Intensity from which an AU counts as present; None takes the set's own occurrence labels."""

    def aus(self, kind: Kind) -> tuple[int, ...]:
        """AUs that are scored by such labels; none where the protocol has no such labels."""
        return self.detection_aus if kind == "detection" else self.intensity_aus


DISFA = Protocol(
    name="disfa",
    parts=disfa.PARTS,
    detection_aus=tuple(disfa.LISTED_AUS),
    intensity_aus=tuple(disfa.AUS),
    present_from=2,
)
"""27 people, 9/9/9: the parts of ME-GraphAU, JAANet and LibreFace; an AU occurs from intensity 2 on."""

PROTOCOLS = {protocol.name: protocol for protocol in (DISFA,)}


@dataclass(frozen=True)
class ProtocolConfig:
    """Which protocol, which fold, how many people validate."""

    name: str = "disfa"
    fold: int = 3
    """1-based; fold k tests part k."""
    validation_share: float = 0.2
    """Share of the training people that choose epoch and threshold and train nothing; at least one person."""

    def __post_init__(self) -> None:
        if self.name not in PROTOCOLS:
            raise ValueError(f"protocol.name={self.name!r} is unknown; known: {', '.join(sorted(PROTOCOLS))}")
        folds = len(PROTOCOLS[self.name].parts)
        if not 1 <= self.fold <= folds:
            raise ValueError(f"protocol.fold={self.fold} does not exist; {self.name} has folds 1 to {folds}")
        if not 0 < self.validation_share < 1:
            raise ValueError(f"protocol.validation_share={self.validation_share} must lie between 0 and 1")


@dataclass(frozen=True)
class Fold:
    """Three disjoint groups of people."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        groups = {"train": self.train, "validation": self.validation, "test": self.test}
        for name, people in groups.items():
            if not people:
                raise ConfigError(f"no people left for {name}; the set is too small for this fold")
            if len(set(people)) != len(people):
                raise ConfigError(f"{name} names a person twice: {_repeated(people)}")
        for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
            shared = sorted(set(groups[one]) & set(groups[other]))
            if shared:
                raise ConfigError(f"{one} and {other} share {shared}; a score needs people never seen")


def make_fold(config: ProtocolConfig, found: Sequence[str], seed: int) -> tuple[Fold, str]:
    """The fold of the people that are in the set, and a line that says how many of each part there are.

    Args:
        config: protocol and fold.
        found: people of the set; a subset of the protocol's, as in generated or partial sets.
        seed: which of the training people validate.

    Raises:
        ConfigError: the set has people the protocol does not know, or a part has none in the set.
    """
    protocol = PROTOCOLS[config.name]
    known = {person for part in protocol.parts for person in part}
    unknown = sorted(set(found) - known)
    if unknown:
        raise ConfigError(
            f"{len(unknown)} people of the set are not in protocol {protocol.name!r}: {unknown[:5]}; "
            f"wanted names like {protocol.parts[0][0]}; is this the right set, packed in the right layout?"
        )
    parts = [[person for person in part if person in set(found)] for part in protocol.parts]
    counts = ", ".join(f"part{i + 1} {len(part)}/{len(protocol.parts[i])}" for i, part in enumerate(parts))
    empty = [f"part{i + 1}" for i, part in enumerate(parts) if not part]
    if empty:
        raise ConfigError(f"no people of {', '.join(empty)} in the set ({counts}); pack people of every part")
    test = parts[config.fold - 1]
    training = [person for i, part in enumerate(parts) if i != config.fold - 1 for person in part]
    shuffled = np.random.default_rng([seed, config.fold]).permutation(training).tolist()
    num_validation = min(max(1, round(config.validation_share * len(training))), len(training) - 1)
    fold = Fold(
        train=tuple(sorted(shuffled[num_validation:])),
        validation=tuple(sorted(shuffled[:num_validation])),
        test=tuple(sorted(test)),
    )
    line = (
        f"{protocol.name} fold {config.fold}: people found: {counts}; train {len(fold.train)}, "
        f"validation {len(fold.validation)}, test {len(fold.test)}"
    )
    return fold, line


def _repeated(people: Sequence[str]) -> list[str]:
    return sorted({person for person in people if list(people).count(person) > 1})
