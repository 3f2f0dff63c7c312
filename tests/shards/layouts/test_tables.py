from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.errors import ShardError
from shards.layouts import aff_wild2, bp4d_labels, gft
from shards.layouts.tables import (
    ByFrame,
    Line,
    as_matrix,
    first_and_last,
    frame_number,
    label,
    put_once,
    read_frame_values,
    read_lines,
    try_to_read,
    unit_number,
)
from shards.schema import Failure


def line(*cells: str) -> Line:
    return Line(3, "x.csv, line 3", list(cells))


def test_lines_without_mark_quotes_spaces_and_blanks(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbf\"1\", '2'\r\n\r\n3,\xff\n")
    found = [(line.number, line.cells) for line in read_lines(path)]
    assert found == [(1, ["1", "2"]), (3, ["3", "�"])]


@given(st.integers(-2000, 2000), st.sampled_from([1, 5]))
def test_a_label_is_in_range_or_missing(number: int, highest: int) -> None:
    wanted = number if 0 <= number <= highest else -1
    assert label(line("1", str(number)), 1, highest) == wanted
    assert label(line("1", f"{number}.0"), 1, highest) == wanted


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "9", "-999", "-1", "6"])
def test_missing_labels(cell: str) -> None:
    assert label(line("1", cell), 1, 5) == -1


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (["1"], "line 3: wanted at least 2 columns, found 1"),
        (["1", "yes"], "line 3, column 2: wanted a number, found 'yes'"),
        (["1", "0.5"], "line 3, column 2: wanted a number, found '0.5'"),
    ],
)
def test_cells_that_are_no_labels(cells: list[str], says: str) -> None:
    with pytest.raises(ShardError, match=says):
        label(line(*cells), 1, 5)


@pytest.mark.parametrize("cell", ["", "-1", "x", "1000001", "99999999999999"])
def test_cells_that_are_no_frame_numbers(cell: str) -> None:
    with pytest.raises(ShardError, match="line 3: wanted a frame number from 0 to 1000000 first, found"):
        frame_number(line(cell))


def test_names_of_units() -> None:
    assert [unit_number(name) for name in ("1", "AU1", "AU06", "au 24", "AU_12")] == [1, 1, 6, 24, 12]
    assert [unit_number(name) for name in ("frame", "AU", "AU10L", "")] == [None] * 4


def test_a_frame_comes_once() -> None:
    frames = {4: 1}
    with pytest.raises(ShardError, match="line 3: frame 4 comes twice"):
        put_once(frames, 4, 0, line("4"))


@given(
    values=st.dictionaries(st.integers(0, 500), st.integers(-1, 9), max_size=30),
    random=st.randoms(use_true_random=False),
)
def test_frame_values_in_any_order(
    values: dict[int, int], random: Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "values.csv"
    lines = [f"{frame},{value}\n" for frame, value in values.items()]
    random.shuffle(lines)
    path.write_text("".join(lines))
    found = read_frame_values(path, 5)
    assert found == {frame: value if 0 <= value <= 5 else -1 for frame, value in values.items()}
    span = first_and_last([found])
    if span is None:
        assert not values
        return
    labels_FA = as_matrix({12: found}, [6, 12], span)
    assert (labels_FA[:, 0] == -1).all()
    assert {span[0] + row: int(value) for row, value in enumerate(labels_FA[:, 1]) if value != -1} == {
        frame: value for frame, value in found.items() if value != -1
    }


@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_any_text_is_read_or_refused_by_name(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(text, encoding="utf-8")
    failures: list[Failure] = []
    found = try_to_read(lambda path: read_frame_values(path, 5), path, "any.csv", failures)
    assert (found is None) == bool(failures)
    assert all("any.csv, line" in failure.detail for failure in failures)


@pytest.mark.parametrize("read", [bp4d_labels.read_occurrence, gft.read_labels, aff_wild2.read_labels])
@given(
    lines=st.lists(
        st.lists(st.sampled_from(["0", "1", "9", "-999", "AU1", "AU12", "", "x", "7.0"]), max_size=16),
        max_size=5,
    )
)
def test_any_table_is_read_or_refused_by_name(
    read: Callable[[Path], dict[int, ByFrame]],
    lines: list[list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.getbasetemp() / "table.csv"
    path.write_text("".join(f"{','.join(cells)}\n" for cells in lines))
    failures: list[Failure] = []
    found = try_to_read(read, path, "table.csv", failures)
    assert (found is None) == bool(failures)
    assert all("table.csv" in failure.detail for failure in failures)
    values = {value for frames in (found or {}).values() for value in frames.values()}
    assert values <= {-1, 0, 1}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    failures: list[Failure] = []
    assert try_to_read(lambda path: read_frame_values(path, 5), tmp_path / "x", "a/x", failures) is None
    (failure,) = failures
    assert (failure.source, failure.reason, failure.detail) == (
        "a/x",
        "bad_labels",
        "No such file or directory",
    )
