import re

import pytest

from finetune.protocols.protocol import Part, parse_protocol
from finetune.protocols.registry import PROTOCOLS
from pretrain.config import ConfigError

MADE = """
source: nowhere
layouts: [bp4d]
person: person
detection: [1, 2]
parts:
  one: a b
  two: {people: 'c\\d'}
folds:
  - {train: [one], test: [two]}
"""


def altered(old, new):
    assert old in MADE
    return MADE.replace(old, new)


def test_a_file_becomes_a_protocol():
    protocol = parse_protocol("made", MADE)
    assert protocol.parts == {"one": Part(("a", "b")), "two": Part(person_pattern=r"c\d")}
    assert protocol.aus("detection") == (1, 2)
    assert protocol.has("detection")
    assert not protocol.has("intensity")
    assert not protocol.has("expression")
    assert (protocol.people, protocol.counted("one"), protocol.counted("two")) == ("people", "/2", "")


def test_parts_hold_names_or_patterns_of_the_whole_name():
    assert Part(("a",)).holds("a", [])
    assert not Part(("a",)).holds("ab", [])
    assert Part(person_pattern="a.").holds("ab", [])
    assert not Part(person_pattern="a.").holds("abc", [])
    assert Part(video_pattern="Train/.+").holds("x", ["other", "Train/x"])
    assert not Part(video_pattern="Train/.+").holds("Train/x", ["x"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            altered("source: nowhere", "sorce: nowhere"),
            r"unknown keys \['sorce'\], missing keys \['source'\]",
        ),
        (altered("test: [two]", "test: [three]"), r"parts \['one', 'two'\], folds use \['one', 'three'\]"),
        (altered("test: [two]", "test: [one, two]"), "needs other parts to test than to train"),
        (altered("two: {people: 'c\\d'}", "two: b c"), r"\['b'\] are in two parts"),
        (
            altered("{people: 'c\\d'}", "{pictures: 'c\\d'}"),
            "part two is .*; wanted names, `people: pattern`",
        ),
        (altered("one: a b", "one: ''"), "a part is a list of people"),
        (altered("{train: [one], test: [two]}", "[one, two]"), "wanted `train` and `test`"),
        (altered("person: person", "person: dog"), "person is 'dog', wanted"),
        (altered("detection: [1, 2]", "present_from: 2"), "wanted detection, intensity or expression"),
        ("- a", "wanted keys and values, found list"),
    ],
)
def test_messages(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_protocol("made", text)


def test_every_pattern_is_one_and_every_group_has_a_name():
    for protocol in PROTOCOLS.values():
        for part in protocol.parts.values():
            re.compile(part.person_pattern or part.video_pattern)
        assert re.compile(protocol.group).groups == bool(protocol.group)
        assert bool(protocol.group) == bool(protocol.group_is)
