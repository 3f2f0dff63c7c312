"""What a data set's community agreed on, as read from a data file.

Its keys:

source         where the lists come from; required, as are layouts, person, parts and folds
layouts        of the shard sets that it is for: [bp4d, bp4d_lists]
test_layouts   of the tested people's own set, where they have one: [bp4d_plus]
person         what the set's identities are: person, video or picture
detection      AUs that are there or not: [1, 2, 4]; at least one of these three
intensity      AUs from 0 to 5: [6, 10]
expression     what a frame may show, one each: [neutral, happiness]
present_from   the intensity from which an AU is present; else the set's own occurrence labels count
group          a pattern; identities with an equal first group stay together: '(.+?)(?:_left|_right)?'
group_is       its name in messages: video
test_people_may_be_given   by `protocol.test_people`: true
parts          by name: identities (`F001 F002`), or a pattern of them ({people: 'train_.+'}), or one of their
               videos' ids ({videos: 'Train_Set/.+'})
folds          of each, the parts that train and those that are tested: {train: [part1, part2], test: [part3]}
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import yaml

from pretrain.config import ConfigError

Kind = Literal["detection", "intensity", "expression"]
"""What a label says: whether an AU is there, how strong it is, or which expression a face shows."""
Person = Literal["person", "video", "picture"]
PLURALS = {"person": "people", "video": "videos", "picture": "pictures", "conversation": "conversations"}


@dataclass(frozen=True)
class Part:
    """Some of a data set's people: by name, or by a pattern of their or their videos' names."""

    people: tuple[str, ...] = ()
    person_pattern: str = ""
    video_pattern: str = ""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.people, self.person_pattern, self.video_pattern))) != 1:
            raise ConfigError(f"a part is a list of people, `people: pattern` or `videos: pattern`: {self}")

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.people)

    def holds(self, person: str, videos: Iterable[str]) -> bool:
        """Whether the part has this person, whose videos these are."""
        if self.video_pattern:
            return any(re.fullmatch(self.video_pattern, video) for video in videos)
        if self.person_pattern:
            return re.fullmatch(self.person_pattern, person) is not None
        return person in self._names


@dataclass(frozen=True)
class FoldParts:
    """Names of the parts that train and of those that are tested."""

    train: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Protocol:
    """A data set's protocol; see the head of this file."""

    name: str
    source: str
    layouts: tuple[str, ...]
    person: Person
    parts: dict[str, Part]
    folds: tuple[FoldParts, ...]
    test_layouts: tuple[str, ...] = ()
    detection: tuple[int, ...] = ()
    intensity: tuple[int, ...] = ()
    expression: tuple[str, ...] = ()
    present_from: int | None = None
    """Intensity from which an AU counts as present; None takes the set's own occurrence labels."""
    group: str = ""
    group_is: str = ""
    test_people_may_be_given: bool = False

    def __post_init__(self) -> None:
        used = {name for fold in self.folds for name in (*fold.train, *fold.test)}
        if used != set(self.parts):
            raise ConfigError(
                f"protocol {self.name}: parts {sorted(self.parts)}, folds use {sorted(used)}; wanted the same"
            )
        named = [person for part in self.parts.values() for person in part.people]
        if not self.test_layouts and len(set(named)) != len(named):
            twice = sorted({person for person in named if named.count(person) > 1})
            raise ConfigError(f"protocol {self.name}: {twice} are in two parts; wanted each person in one")
        for fold in self.folds:
            if set(fold.train) & set(fold.test) or not fold.train or not fold.test:
                raise ConfigError(
                    f"protocol {self.name}: a fold needs other parts to test than to train: {fold}"
                )
        if self.person not in get_args(Person):
            raise ConfigError(f"protocol {self.name}: person is {self.person!r}, wanted {get_args(Person)}")
        if not (self.detection or self.intensity or self.expression):
            raise ConfigError(f"protocol {self.name}: wanted detection, intensity or expression")

    def aus(self, kind: Kind) -> tuple[int, ...]:
        """AUs that are scored by such labels; none where the protocol has no such labels."""
        return {"detection": self.detection, "intensity": self.intensity, "expression": ()}[kind]

    def has(self, kind: Kind) -> bool:
        """Whether there are such labels."""
        return bool(self.expression if kind == "expression" else self.aus(kind))

    def group_of(self, person: str) -> str:
        """Who of one group trains, and who of it is tested, must not be told apart."""
        match = re.fullmatch(self.group, person) if self.group else None
        return person if match is None else str(match[1])

    @property
    def people(self) -> str:
        """What its identities are, for messages: people, videos or pictures."""
        return PLURALS[self.person]

    def counted(self, part: str) -> str:
        """How many the part has, as `/14`; nothing where only a pattern is known."""
        people = self.parts[part].people
        return f"/{len(people)}" if people else ""


LISTS = ("layouts", "test_layouts", "detection", "intensity", "expression")
REQUIRED = ("source", "layouts", "person", "parts", "folds")
OPTIONAL = (
    *("test_layouts", "detection", "intensity", "expression", "present_from", "group", "group_is"),
    "test_people_may_be_given",
)


def parse_protocol(name: str, text: str) -> Protocol:
    """A protocol of a data file's text.

    Raises:
        ConfigError: a key is unknown or missing, or parts and folds do not fit.
    """
    content = yaml.safe_load(text)
    if not isinstance(content, dict):
        raise ConfigError(f"protocol {name}: wanted keys and values, found {type(content).__name__}")
    unknown = sorted(set(content) - {*REQUIRED, *OPTIONAL})
    missing = [key for key in REQUIRED if key not in content]
    if unknown or missing:
        raise ConfigError(f"protocol {name}: unknown keys {unknown}, missing keys {missing}")
    values: dict[str, Any] = {key: content[key] for key in content if key not in ("parts", "folds", *LISTS)}
    values |= {key: tuple(content[key]) for key in LISTS if key in content}
    return Protocol(
        name=name,
        parts={part: _part(name, part, given) for part, given in content["parts"].items()},
        folds=tuple(_fold(name, given) for given in content["folds"]),
        **values,
    )


def _part(name: str, part: str, given: Any) -> Part:
    if isinstance(given, str):
        return Part(people=tuple(given.split()))
    if isinstance(given, dict) and len(given) == 1 and set(given) <= {"people", "videos"}:
        return Part(person_pattern=given.get("people", ""), video_pattern=given.get("videos", ""))
    raise ConfigError(
        f"protocol {name}: part {part} is {given!r}; wanted names, `people: pattern` or `videos: pattern`"
    )


def _fold(name: str, given: Any) -> FoldParts:
    if not isinstance(given, dict) or set(given) != {"train", "test"}:
        raise ConfigError(f"protocol {name}: a fold is {given!r}; wanted `train` and `test`")
    return FoldParts(tuple(given["train"]), tuple(given["test"]))
