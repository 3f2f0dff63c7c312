from pathlib import Path

from shards.errors import ShardError
from shards.layouts.stills import Shown, StillList, Unclear, find_pictures, join, read_stills
from shards.layouts.tables import Line, read_lines

NOBODY = Unclear("not_a_face", "said so", no_face=True)
NOTHING = Unclear("uncertain_expression", "said so")


def parse(line: Line) -> tuple[str, Shown]:
    key, shown = line.cells
    if shown not in ("joy", "calm"):
        raise ShardError(f"wanted joy or calm, found {shown}")
    return key, shown


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_a_wrong_line_costs_that_line_only(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("a,joy\n\nb,rage\na,calm\nc,calm\n")
    found = read_stills("lists/list.csv", read_lines(tmp_path / "list.csv"), parse)
    assert found.shown == {"a": "joy", "c": "calm"}
    assert [(failure.source, failure.reason, failure.detail) for failure in found.failures] == [
        ("lists/list.csv", "bad_labels", "line 3: wanted joy or calm, found rage"),
        ("lists/list.csv", "bad_labels", "line 4: a comes twice"),
    ]


def test_pictures_are_found_at_any_depth_once(tmp_path: Path) -> None:
    write(tmp_path, "in/a.jpg", "in/1/b.PNG", "in/1/a.jpeg", "in/other.jpg", "in/notes.txt")
    pictures, failures = find_pictures(
        tmp_path, tmp_path / "in", lambda path: path.stem if len(path.stem) == 1 else None
    )
    assert {key: path.name for key, path in pictures.items()} == {"a": "a.jpeg", "b": "b.PNG"}
    assert {(failure.source, failure.reason) for failure in failures} == {
        ("in/a.jpg", "second_form"),
        ("in/other.jpg", "unknown_file"),
        ("in/notes.txt", "unknown_file"),
    }


def test_everything_without_a_partner_is_named(tmp_path: Path) -> None:
    pictures = {key: tmp_path / f"{key}.jpg" for key in "abcde"}
    first = StillList("1.csv", {"a": "joy", "b": NOTHING, "c": NOBODY, "x": "joy"})
    second = StillList("2.csv", {"a": "calm", "d": "calm"})
    listing = join(tmp_path, pictures, [first, second], "pictures")
    assert [(source.identity, source.expression, source.shortest_track) for source in listing.sources] == [
        ("a", "joy", 1),
        ("b", None, 1),
        ("d", "calm", 1),
        ("e", None, 1),
    ]
    assert [[failure.reason for failure in source.failures] for source in listing.sources] == [
        [],
        ["uncertain_expression"],
        [],
        ["missing_label"],
    ]
    assert listing.sources[3].failures[0].detail == "no usable line in 1.csv or 2.csv"
    assert [(failure.source, failure.reason, failure.detail) for failure in listing.failures] == [
        ("1.csv", "no_picture", "x is listed, and not in pictures"),
        ("2.csv", "in_both_sets", "a is in a list before this one too, and that one counts"),
        ("c.jpg", "not_a_face", "said so"),
    ]
