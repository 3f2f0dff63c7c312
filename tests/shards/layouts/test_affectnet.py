from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards.errors import ShardError
from shards.layouts.affectnet import (
    COLUMNS,
    EXPRESSIONS,
    WITHOUT_EXPRESSION,
    AffectnetLayout,
    read_class,
    read_list,
)

MANUAL, AUTOMATIC = "Manually_Annotated_Images", "Automatically_Annotated_Images"
LISTS = {"training.csv": MANUAL, "validation.csv": MANUAL, "automatically_annotated.csv": AUTOMATIC}


def line(key: str, number: object) -> str:
    return f"{key},0,0,10,10,1.5;2.5,{number},0.1,-0.2"


def write_list(path: Path, lines: list[str], header: str = ",".join(COLUMNS)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in [*([header] if header else []), *lines]))
    return path


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_classes_are_the_published_eleven() -> None:
    assert sorted([*EXPRESSIONS, *WITHOUT_EXPRESSION]) == list(range(11))
    assert (EXPRESSIONS[0], EXPRESSIONS[1], EXPRESSIONS[7]) == ("neutral", "happiness", "contempt")


@pytest.mark.parametrize("content", ["3", b"3", 3, 3.0, np.int64(3), np.array(["3"])])
def test_a_class_as_text_or_number(tmp_path: Path, content: Any) -> None:
    np.save(tmp_path / "0_exp.npy", content)
    assert read_class(tmp_path / "0_exp.npy") == "surprise"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("x", r"0_exp\.npy: wanted one class, found none: could not convert"),
        ([1, 2], r"0_exp\.npy: wanted one class, found none: can only convert an array of size 1"),
        (2.5, r"0_exp\.npy: wanted one class, found 2\.5"),
        (np.nan, r"0_exp\.npy: wanted one class, found nan"),
        (11, "class 11 is not one of 0-10"),
        (-1, "class -1 is not one of 0-10"),
        (None, r"0_exp\.npy: wanted one class, found none: Object arrays cannot be loaded"),
    ],
)
def test_files_that_hold_no_class(tmp_path: Path, content: Any, says: str) -> None:
    np.save(tmp_path / "0_exp.npy", np.array(content), allow_pickle=True)
    with pytest.raises(ShardError, match=says):
        read_class(tmp_path / "0_exp.npy")


def test_sets_with_a_file_per_picture(tmp_path: Path) -> None:
    for group, numbers in (("train_set", "0158"), ("val_set", "7")):
        for place, number in enumerate(numbers):
            touch(tmp_path, f"{group}/images/{place}.jpg")
            (tmp_path / group / "annotations").mkdir(exist_ok=True)
            np.save(tmp_path / group / f"annotations/{place}_exp.npy", number)
            np.save(tmp_path / group / f"annotations/{place}_val.npy", 0.5)
    (tmp_path / "train_set/annotations/2_exp.npy").write_bytes(b"half")
    touch(tmp_path, "train_set/images/9.jpg")
    np.save(tmp_path / "val_set/annotations/6_exp.npy", "1")
    listing = AffectnetLayout().list_sources(tmp_path)
    assert {source.video_id: source.expression for source in listing.sources} == {
        "train_set/images/0.jpg": "neutral",
        "train_set/images/1.jpg": "happiness",
        "train_set/images/2.jpg": None,
        "train_set/images/3.jpg": None,
        "train_set/images/9.jpg": None,
        "val_set/images/0.jpg": "contempt",
    }
    reasons = [failure.reason for source in listing.sources for failure in source.failures]
    assert reasons == ["missing_label", "other_expression", "missing_label"]
    assert [(failure.source, failure.reason) for failure in listing.failures] == [
        ("train_set/annotations/2_exp.npy", "bad_labels"),
        ("val_set/annotations", "no_picture"),
    ]


@pytest.mark.parametrize("lists", ["Manually_Annotated_file_lists", "."])
@pytest.mark.parametrize("pictures", ["Manually_Annotated", "."])
def test_lists_and_pictures_lie_where_they_lie(tmp_path: Path, lists: str, pictures: str) -> None:
    write_list(tmp_path / lists / "training.csv", [line("1/a.jpg", 1), line("1/b.JPG", 6)])
    write_list(tmp_path / lists / "validation.csv", [line("2/a.jpg", 4)])
    touch(tmp_path / pictures / MANUAL, "1/a.jpg", "1/b.JPG", "2/a.jpg")
    listing = AffectnetLayout().list_sources(tmp_path)
    assert listing.failures == []
    assert [source.expression for source in listing.sources] == ["happiness", "anger", "fear"]
    assert [source.identity for source in listing.sources] == [
        *("training/1/a.jpg", "training/1/b.JPG", "validation/2/a.jpg")
    ]


def test_every_class_that_is_no_expression(tmp_path: Path) -> None:
    lines = [line(f"1/{number}.jpg", number) for number in range(12)]
    write_list(tmp_path / "training.csv", lines)
    write_list(tmp_path / "validation.csv", [line("1/1.jpg", 2), "1/x.jpg,1", line("1/x.jpg", "joy")])
    touch(tmp_path / MANUAL, *(f"1/{number}.jpg" for number in range(12)), "1/notes.txt")
    listing = AffectnetLayout().list_sources(tmp_path)
    found = {int(source.path.stem): source for source in listing.sources}
    assert sorted(found) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11]
    assert [found[number].expression for number in range(8)] == list(EXPRESSIONS.values())
    assert found[1].identity == "training/1/1.jpg"
    assert found[11].identity == f"{MANUAL}/1/11.jpg"
    assert {number: source.failures[0].reason for number, source in found.items() if source.failures} == {
        8: "other_expression",
        9: "uncertain_expression",
        11: "missing_label",
    }
    assert [(failure.source, failure.reason, failure.detail) for failure in listing.failures] == [
        (f"{MANUAL}/1/notes.txt", "unknown_file", "no video name ('.txt')"),
        ("training.csv", "bad_labels", "line 13: class 11 is not one of 0-10"),
        ("validation.csv", "bad_labels", "line 3: wanted 9 columns, found 2"),
        ("validation.csv", "bad_labels", "line 4: wanted a class, found 'joy'"),
        (
            "validation.csv",
            "in_both_sets",
            f"{MANUAL}/1/1.jpg is in a list before this one too, and that one counts",
        ),
        (f"{MANUAL}/1/10.jpg", "not_a_face", "class 10, No-Face"),
    ]


def test_automatic_classes_are_no_labels(tmp_path: Path) -> None:
    write_list(tmp_path / "training.csv", [line("1/a.jpg", 1)])
    write_list(tmp_path / "automatically_annotated.csv", [line("1/a.jpg", 2), line("1/b.jpg", 10)])
    touch(tmp_path / AUTOMATIC, "1/a.jpg", "1/b.jpg")
    listing = AffectnetLayout().list_sources(tmp_path)
    (source,) = listing.sources
    assert (source.video_id, source.expression) == (f"{AUTOMATIC}/1/a.jpg", None)
    assert source.identity == "automatically_annotated/1/a.jpg"
    assert [failure.reason for failure in source.failures] == ["automatic_label"]
    assert [(failure.source, failure.reason) for failure in listing.failures] == [
        ("training.csv", "no_picture"),
        (f"{AUTOMATIC}/1/b.jpg", "not_a_face"),
    ]


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    write_list(tmp_path / "training.csv", [line("1/a.jpg", 1)])
    touch(tmp_path / MANUAL, "1/a.jpg")
    (failure,) = AffectnetLayout().list_sources(tmp_path).failures
    assert (failure.source, failure.reason) == ("validation.csv", "missing_label_file")


@pytest.mark.parametrize("header", [",".join(COLUMNS), ",".join(COLUMNS).upper(), ""])
def test_with_and_without_a_header(tmp_path: Path, header: str) -> None:
    path = write_list(tmp_path / "x.csv", [line("1/a.jpg", 3)], header)
    assert read_list(path, "x.csv", MANUAL).shown == {f"{MANUAL}/1/a.jpg": "surprise"}


def test_columns_go_by_their_names(tmp_path: Path) -> None:
    path = write_list(tmp_path / "x.csv", ["3,1/a.jpg"], "expression,subDirectory_filePath")
    assert read_list(path, "x.csv", MANUAL).shown == {f"{MANUAL}/1/a.jpg": "surprise"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"x\.csv: wanted a line per picture, the file is empty"),
        ("1/a.jpg,3\n", r"x\.csv: wanted the 9 columns subDirectory_filePath, .*found '1/a.jpg,3' in 2"),
        ("subDirectory_filePath,valence\n", r"x\.csv: wanted the 9 columns .* in 2 columns"),
    ],
)
def test_lists_that_are_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ShardError, match=says):
        read_list(tmp_path / "x.csv", "x.csv", MANUAL)


def test_not_affectnet(tmp_path: Path) -> None:
    (tmp_path / "something").mkdir()
    with pytest.raises(ShardError, match=r"looked for pictures in train_set/images, .*found \['something'\]"):
        AffectnetLayout().list_sources(tmp_path)
