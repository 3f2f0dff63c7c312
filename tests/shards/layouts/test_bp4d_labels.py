from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.errors import ShardError
from shards.layouts.bp4d_labels import (
    AUS,
    INTENSITY_AUS,
    LabelFiles,
    LoadLabels,
    find_label_files,
    missing_files,
    read_occurrence,
)

NAMED = (*(1, 2, 4, 5, 6, 7), *range(9, 21), *(22, 23, 24), *range(27, 40))
Rows = dict[int, list[int]]


def write_legacy(path: Path, rows: Rows, covered: Sequence[int] = ()) -> Path:
    """100 columns; the values of `rows` are those of `AUS`."""
    lines = [",".join(map(str, range(100)))]
    for frame, values in rows.items():
        cells = dict(zip(AUS, values, strict=True))
        tail = [cells.get(au, 9) for au in range(1, 99)]
        lines.append(",".join(map(str, [frame, *tail, int(frame in covered)])))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_named(path: Path, rows: Rows, first_name: str = "1") -> Path:
    """35 columns whose first is called like the second."""
    lines = [",".join([first_name, *map(str, NAMED)])]
    for frame, values in rows.items():
        cells = dict(zip(AUS, values, strict=True))
        lines.append(",".join(map(str, [frame, *(cells.get(au, 9) for au in NAMED)])))
    path.write_text("\n".join(lines) + "\n")
    return path


coded_rows = st.dictionaries(
    st.integers(0, 3000),
    st.lists(st.sampled_from([0, 1, 9, -1, -999, 5]), min_size=len(AUS), max_size=len(AUS)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40)
@given(rows=coded_rows, first_name=st.sampled_from(["1", "0", "frame", ""]))
def test_legacy_and_named_columns_parse_equal(
    rows: Rows, first_name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    legacy = read_occurrence(write_legacy(folder / "legacy.csv", rows))
    named = read_occurrence(write_named(folder / "named.csv", rows, first_name))
    assert legacy == named
    assert {au: list(frames) for au, frames in legacy.items()} == {au: list(rows) for au in AUS}
    for frame, values in rows.items():
        found = [legacy[au][frame] for au in AUS]
        assert found == [value if value in (0, 1) else -1 for value in values]


def test_the_twelve_stand_at_the_published_columns() -> None:
    assert len(NAMED) == 34
    assert [1 + NAMED.index(au) for au in AUS] == [1, 2, 3, 5, 6, 8, 10, 12, 13, 15, 20, 21]


def test_a_covered_face_has_no_labels(tmp_path: Path) -> None:
    found = read_occurrence(write_legacy(tmp_path / "x.csv", {1: [1] * 12, 2: [1] * 12}, covered=[2]))
    assert all(frames == {1: 1, 2: -1} for frames in found.values())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "wanted a header and a line per frame, the file is empty"),
        (",".join(["1"] * 100) + "\n", r"line 1: wanted the header 0,1,2,\.\.\.,99, found 1,1,1"),
        ("frame,smile\n1,0\n", "line 1: wanted a header that names AUs, found 'frame,smile'"),
        ("0,AU1,AU2\n7,1\n", "line 2: wanted at least 3 columns, found 2"),
        ("0,AU1\n7,1\n7,1\n", "line 3: frame 7 comes twice"),
        ("0,AU1\n7,present\n", "line 2, column 2: wanted a number, found 'present'"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ShardError, match=says):
        read_occurrence(tmp_path / "x.csv")


def test_missing_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("0,AU1,AU24\n5,1,0\n")
    labels = LoadLabels(LabelFiles(("occ/x.csv", tmp_path / "x.csv")), same_frames=False)()
    assert labels is not None
    (failure,) = labels.failures
    assert (failure.source, failure.reason) == ("occ/x.csv", "missing_column")
    assert labels.occurrence_FA is not None
    assert labels.occurrence_FA.tolist() == [[1, *[-1] * 10, 0]]


@pytest.mark.parametrize("same_frames", [False, True])
def test_frames_must_agree_where_that_is_promised(tmp_path: Path, same_frames: bool) -> None:
    occurrence = write_named(tmp_path / "o.csv", {1: [1] * 12, 2: [0] * 12})
    for au, frames in ((6, (1, 2)), (10, (2, 3))):
        (tmp_path / f"{au}.csv").write_text("".join(f"{frame},3\n" for frame in frames))
    files = LabelFiles(("o", occurrence), {au: (f"i{au}", tmp_path / f"{au}.csv") for au in (6, 10)})
    labels = LoadLabels(files, same_frames)()
    assert labels is not None
    assert labels.intensity_FA is not None
    ten = labels.intensity_FA[:, INTENSITY_AUS.index(10)].tolist()
    if same_frames:
        (failure,) = labels.failures
        assert (failure.source, failure.reason) == ("i10", "frames_disagree")
        assert "2 frames are not in both" in failure.detail
        assert ten == [-1, -1]
    else:
        assert labels.failures == []
        assert ten == [-1, 3, 3]


def test_no_usable_file_is_no_labels(tmp_path: Path) -> None:
    assert LoadLabels(LabelFiles(), same_frames=False)() is None
    labels = LoadLabels(LabelFiles(("gone", tmp_path / "gone")), same_frames=False)()
    assert labels is not None
    assert [failure.reason for failure in labels.failures] == ["bad_labels"]


def test_files_are_found_by_sequence(tmp_path: Path) -> None:
    for name in ("occ/F001_T1.csv", "int/AU06/F001_T1_AU06.csv", "int/AU06/F001_T10.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_label_files(tmp_path, ["occ", "none"], ["none", "int"])
    assert found["F001_T1"].intensity[6][0] == "int/AU06/F001_T1_AU06.csv"
    assert len(found["F001_T1"].paths) == 2
    lacking = missing_files("F001_T10", found["F001_T10"], "x", with_intensity=True)
    assert [failure.detail.split()[0] for failure in lacking] == [
        "AU_OCC/F001_T10.csv",
        *(f"AU{au}/F001_T10_AU{au}.csv" for au in (10, 12, 14, 17)),
    ]
