from collections.abc import Sequence
from pathlib import Path

import pytest

from shards.errors import ShardError
from shards.layouts.gft import AUS, COLUMNS, PEOPLE, GftLayout, read_labels
from shards.layouts.layout import Labels


def write_person(root: Path, person: str = "001A", labels: str = "labels") -> Path:
    (root / "images" / person).mkdir(parents=True)
    (root / "images" / person / "1.jpg").touch()
    (root / labels).mkdir(exist_ok=True)
    return root / labels / f"{person}.csv"


def test_people_are_the_published_96() -> None:
    assert len(PEOPLE) == 96
    assert (PEOPLE[0], PEOPLE[-1]) == ("001A", "032C")


@pytest.mark.parametrize(
    ("columns", "header"),
    [(COLUMNS, True), (COLUMNS, False), (AUS, True), (AUS, False), (COLUMNS[::-1], True)],
)
def test_with_and_without_a_header(tmp_path: Path, columns: Sequence[int], header: bool) -> None:
    values = {5: {au: au % 2 for au in columns}, 7: dict.fromkeys(columns, -999)}
    lines = [",".join(map(str, [frame, *row.values()])) for frame, row in values.items()]
    names = [",".join(["Frame", *(f"AU{au}" for au in columns)])] if header else []
    path = tmp_path / "x.csv"
    path.write_text("\n".join([*names, *lines]) + "\n")
    assert read_labels(path) == {au: {5: au % 2, 7: -1} for au in AUS}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "wanted a line per frame, the file is empty"),
        ("1,0,1\n", r"line 1: without a header wanted a frame number and 15 or 10 AUs, found 3 columns; put"),
        ("Frame,Smile\n1,0\n", "line 1: wanted names of AUs, found 'Frame,Smile'"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ShardError, match=says):
        read_labels(tmp_path / "x.csv")


def loaded(root: Path) -> Labels:
    labels = GftLayout().list_sources(root).sources[0].load_labels()
    assert labels is not None
    return labels


@pytest.mark.parametrize("folder", ["labels", "AU", "."])
def test_labels_are_found_where_they_are(tmp_path: Path, folder: str) -> None:
    write_person(tmp_path, labels=folder).write_text("Frame,AU1\n3,1\n")
    labels = loaded(tmp_path)
    assert labels.occurrence_FA is not None
    assert (labels.first_frame, labels.occurrence_FA[0, 0]) == (3, 1)
    assert [failure.reason for failure in labels.failures] == ["missing_column"]


def test_bad_labels_are_named(tmp_path: Path) -> None:
    write_person(tmp_path).write_text("1,0,1\n")
    labels = loaded(tmp_path)
    (failure,) = labels.failures
    assert (failure.source, failure.reason) == ("labels/001A.csv", "bad_labels")


def test_what_has_no_use_is_named(tmp_path: Path) -> None:
    write_person(tmp_path)
    for name in ("labels/032C.csv", "labels/notes.csv", "images/x.txt"):
        (tmp_path / name).touch()
    (tmp_path / "images/someone").mkdir()
    listing = GftLayout().list_sources(tmp_path)
    assert listing.sources[0].failures[0].reason == "missing_label_file"
    assert {(failure.source, failure.reason) for failure in listing.failures} == {
        ("labels/032C.csv", "no_video"),
        ("labels/notes.csv", "unknown_file"),
        ("images/x.txt", "unknown_file"),
        ("images/someone", "unknown_subject"),
    }


def test_not_gft(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"looked for images/001A/1\.jpg"):
        GftLayout().list_sources(tmp_path)
