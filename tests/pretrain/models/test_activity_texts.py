"""The sentences of activities: those that are shipped, a user's own, and the controls."""

from pathlib import Path

import pytest
import torch

from pretrain.config import ConfigError
from pretrain.models.activity_texts import embed_texts, read_activities
from pretrain.models.text import embed
from shards.layouts.activity import Activity

BP4D = read_activities("bp4d")


def test_both_sentences_are_read_or_one() -> None:
    wanted = {
        "both": "The person watches a sad documentary. The target emotion is sadness.",
        "task": "The person watches a sad documentary.",
        "emotion": "The target emotion is sadness.",
    }
    found = {}
    for kind in ("both", "task", "emotion"):
        rows, text_CE = embed_texts(BP4D, kind)
        assert sorted(rows.values()) == list(range(8))
        found[kind] = text_CE[rows["T2"]]
        torch.testing.assert_close(found[kind], embed([wanted[kind]])[0], atol=1e-5, rtol=0)
    assert not torch.allclose(found["both"], found["task"], atol=1e-2)


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_texts_are_all_there_and_none_is_its_own(seed: int) -> None:
    rows, text_CE = embed_texts(BP4D, "both")
    mixed, mixed_CE = embed_texts(BP4D, "shuffled", seed=seed)
    torch.testing.assert_close(mixed_CE, text_CE)
    assert sorted(mixed.values()) == sorted(rows.values())
    assert all(mixed[name] != rows[name] for name in BP4D)
    assert embed_texts(BP4D, "shuffled", seed=seed)[0] == mixed
    assert embed_texts(BP4D, "shuffled", seed=seed + 1)[0] != mixed


def test_a_number_says_nothing_of_its_activity() -> None:
    rows, text_CE = embed_texts(BP4D, "number")
    assert torch.equal(text_CE, torch.eye(8))
    assert sorted(rows) == sorted(BP4D)


def test_equal_texts_are_one() -> None:
    two_jokes = {"A": Activity("A joke.", "happiness"), "B": Activity("A film.", "happiness")}
    two_jokes["C"] = Activity("A film.", "fear")
    rows, text_CE = embed_texts(two_jokes, "emotion")
    assert rows["A"] == rows["B"] != rows["C"]
    assert len(text_CE) == 2


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("1: {task: The person waits., emotion: calm}\nrun: {task: She runs., emotion: joy}\n")
    found = read_activities(str(path))
    assert found == {"1": Activity("The person waits.", "calm"), "run": Activity("She runs.", "joy")}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- T1\n", "must hold lines such as `T1: {task: A sentence., emotion: a word}`"),
        ("T1: {task: x}\nT2: {task: y}\n", "must hold lines such as .*missing .*emotion"),
        ("T1: {task: x, emotion: 3}\nT2: {task: ' ', emotion: y}\n", "which they are not of T1, T2"),
        ("T1: {task: x, emotion: y}\n", "names 1 activities; a contrast needs at least 2"),
        ("T1: {task: x\n", "must hold lines such as"),
        ("", "must hold lines such as"),
    ],
)
def test_another_form_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_activities(str(path))


def test_a_file_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"no activity texts 'bp5d' here; .* one of bp4d, bp4d_plus"):
        read_activities("bp5d")
    with pytest.raises(ConfigError, match=r"no activity texts 'none\.yaml' here"):
        read_activities("none.yaml")
