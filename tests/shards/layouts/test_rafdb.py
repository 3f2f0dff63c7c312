from pathlib import Path

import pytest

from shards.errors import ShardError
from shards.layouts.rafdb import EXPRESSIONS, RafdbLayout


def write_set(root: Path, names: list[str], lines: list[str], folder: str = "Image/aligned") -> None:
    (root / folder).mkdir(parents=True)
    for name in names:
        (root / folder / name).touch()
    (root / "EmoLabel").mkdir(exist_ok=True)
    (root / "EmoLabel/list_patition_label.txt").write_text("".join(f"{line}\n" for line in lines))


def test_classes_are_the_published_seven() -> None:
    assert list(EXPRESSIONS) == list(range(1, 8))
    assert (EXPRESSIONS[4], EXPRESSIONS[7]) == ("happiness", "neutral")


@pytest.mark.parametrize("basic", ["basic", "."])
@pytest.mark.parametrize(("folder", "ending"), [("Image/aligned", "_aligned"), ("Image/original", "")])
def test_each_picture_is_a_person_with_an_expression(
    tmp_path: Path, basic: str, folder: str, ending: str
) -> None:
    names = [f"train_00001{ending}.jpg", f"test_0001{ending}.jpg"]
    write_set(tmp_path / basic, names, ["train_00001.jpg 5", "test_0001.jpg 1"], folder)
    listing = RafdbLayout().list_sources(tmp_path)
    assert listing.failures == []
    found = [(source.identity, source.expression, source.shortest_track) for source in listing.sources]
    assert found == [("test_0001", "surprise", 1), ("train_00001", "sadness", 1)]
    assert all(source.path.is_file() and not source.failures for source in listing.sources)


def test_a_wrong_line_costs_that_line_only(tmp_path: Path) -> None:
    names = [f"train_{number:05d}_aligned.jpg" for number in range(1, 4)]
    lines = ["train_00001.jpg 4", "train_00001.jpg 4", "train_00002.jpg 8", "nonsense", "train_00009.jpg 1"]
    write_set(tmp_path, [*names, "notes.txt"], lines)
    listing = RafdbLayout().list_sources(tmp_path)
    assert [source.expression for source in listing.sources] == ["happiness", None, None]
    assert [len(source.failures) for source in listing.sources] == [0, 1, 1]
    assert [(failure.reason, failure.detail) for failure in listing.failures] == [
        ("unknown_file", "no video name ('.txt')"),
        ("bad_labels", "line 2: train_00001 comes twice"),
        ("bad_labels", "line 3: class 8 of train_00002 is not one of 1-7"),
        ("bad_labels", "line 4: wanted `train_00001.jpg 5`, found 'nonsense'"),
        ("no_picture", "train_00009 is listed, and not in Image/aligned"),
    ]


def test_not_rafdb(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"looked for basic/EmoLabel/list_patition_label.txt.*found neither"):
        RafdbLayout().list_sources(tmp_path)
    write_set(tmp_path, [], [])
    with pytest.raises(ShardError, match=r"looked for train_00001_aligned\.jpg"):
        RafdbLayout().list_sources(tmp_path)
