"""Three disjoint groups of people: who trains, who validates, who is tested.

Epoch and threshold are chosen on validation people, who are drawn from the training people and train nothing;
the tested people choose nothing.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from finetune.protocols.protocol import PLURALS, Protocol
from finetune.protocols.registry import ProtocolConfig
from pretrain.config import ConfigError

VideosOf = Mapping[str, Collection[str]]
"""Ids of the videos of each person of a set."""


@dataclass(frozen=True)
class Fold:
    """Three disjoint groups of people."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    two_sets: bool = False
    """The tested people are of another set than the others, where equal names are different people."""

    def __post_init__(self) -> None:
        groups = {"train": self.train, "validation": self.validation, "test": self.test}
        for name, people in groups.items():
            if not people:
                raise ConfigError(f"no people left for {name}; the set is too small for this fold")
            if len(set(people)) != len(people):
                raise ConfigError(f"{name} names a person twice: {_repeated(people)}")
        pairs = [("train", "validation"), ("train", "test"), ("validation", "test")]
        for one, other in pairs[:1] if self.two_sets else pairs:
            shared = sorted(set(groups[one]) & set(groups[other]))
            if shared:
                raise ConfigError(f"{one} and {other} share {shared[:5]}; a score needs people never seen")


def make_fold(
    config: ProtocolConfig, found: VideosOf, seed: int, tested: VideosOf | None = None
) -> tuple[Fold, str]:
    """The fold of the people that are in the set, and a line that says how many of each part there are.

    Args:
        config: protocol and fold.
        found: the labelled people of the set; a subset of the protocol's, as in generated or partial sets.
        seed: which of the training people validate.
        tested: those of the tested people's own set, where the protocol has one.

    Raises:
        ConfigError: the set has people the protocol does not know, a part has none in the set, or people who
            belong together would be on both sides.
    """
    protocol, parts_of = config.protocol, config.protocol.folds[config.fold - 1]
    if tested is None:
        members = _parts(protocol, tuple(protocol.parts), found)
    else:
        members = _parts(protocol, parts_of.train, found) | _parts(protocol, parts_of.test, tested)
    counts = ", ".join(f"{name} {len(people)}{protocol.counted(name)}" for name, people in members.items())
    training = [person for name in parts_of.train for person in members[name]]
    test = [person for name in parts_of.test for person in members[name]]
    if config.test_people:
        training, test = _as_given(config, [*training, *test])
    elif empty := [name for name, people in members.items() if not people]:
        raise ConfigError(
            f"no {protocol.people} of {', '.join(empty)} in the set ({counts}); "
            f"pack {protocol.people} of every part"
        )
    split = [] if tested is not None else sorted(_groups(protocol, training) & _groups(protocol, test))
    plural = PLURALS.get(protocol.group_is, protocol.people)
    if split and not config.test_people:
        raise ConfigError(
            f"{plural} {split[:5]} would be trained on and tested; a score needs {plural} never seen"
        )
    fold = _with_validation(config, training, test, seed, two_sets=tested is not None)
    line = (
        f"{protocol.name} fold {config.fold}: {protocol.people} found: {counts}; train {len(fold.train)}, "
        f"validation {len(fold.validation)}, test {len(fold.test)}"
    )
    return fold, f"{line}; {plural} on both sides: {len(split)}" if config.test_people else line


def _parts(protocol: Protocol, names: Sequence[str], found: VideosOf) -> dict[str, list[str]]:
    """The found people of each part, in the part's own order or sorted."""
    members: dict[str, list[str]] = {name: [] for name in names}
    unknown = []
    for person in sorted(found):
        of = [name for name in names if protocol.parts[name].holds(person, found[person])]
        if len(of) > 1:
            raise ConfigError(
                f"{person!r} is of the parts {', '.join(of)} of protocol {protocol.name!r}; wanted one of "
                "them, or a score is not of people never seen; pack the set anew from its own folders"
            )
        if of:
            members[of[0]].append(person)
        else:
            unknown.append(person)
    if unknown:
        raise ConfigError(
            f"{len(unknown)} {protocol.people} of the set are not in protocol {protocol.name!r}: "
            f"{unknown[:5]}; wanted {_examples(protocol, names)}; is this the right set, packed in the right "
            "layout?"
        )
    for name, people in members.items():
        place = {person: number for number, person in enumerate(protocol.parts[name].people)}
        people.sort(key=lambda person: place.get(person, 0))
    return members


def _examples(protocol: Protocol, names: Sequence[str]) -> str:
    part = protocol.parts[names[0]]
    if part.people:
        return f"names like {part.people}"
    what, pattern = ("videos", part.video_pattern) if part.video_pattern else ("names", part.person_pattern)
    return f"{what} like {pattern}"


def _as_given(config: ProtocolConfig, people: Sequence[str]) -> tuple[list[str], list[str]]:
    """Who trains and who is tested, where the user says who is tested; of these all must be there."""
    lacking = [person for person in config.test_people if person not in people]
    if lacking:
        raise ConfigError(
            f"protocol.test_people names {lacking[:5]}, who are not labelled in the set; "
            "give names of people in the set, or pack the whole set"
        )
    given = set(config.test_people)
    return [person for person in people if person not in given], list(config.test_people)


def _groups(protocol: Protocol, people: Sequence[str]) -> set[str]:
    return {protocol.group_of(person) for person in people}


def _with_validation(
    config: ProtocolConfig, training: Sequence[str], test: Sequence[str], seed: int, two_sets: bool
) -> Fold:
    """Draw the validation people, whole groups of them."""
    protocol = config.protocol
    groups = list(dict.fromkeys(protocol.group_of(person) for person in training))
    shuffled = np.random.default_rng([seed, config.fold]).permutation(groups).tolist()
    chosen = set(shuffled[: min(max(1, round(config.validation_share * len(groups))), len(groups) - 1)])
    validates = [protocol.group_of(person) in chosen for person in training]
    return Fold(
        train=tuple(sorted(person for person, held in zip(training, validates, strict=True) if not held)),
        validation=tuple(sorted(person for person, held in zip(training, validates, strict=True) if held)),
        test=tuple(sorted(test)),
        two_sets=two_sets,
    )


def _repeated(people: Sequence[str]) -> list[str]:
    return sorted(person for person, count in Counter(people).items() if count > 1)
