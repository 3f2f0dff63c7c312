from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.errors import ShardError
from shards.layouts.ferplus import CHOICES, EXPRESSIONS, FerplusLayout, majority, read_votes
from shards.layouts.stills import Unclear

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
JOY = "0,9,1,0,0,0,0,0,0,0"


def write_set(root: Path, lines: list[str], pictures: list[str], below: str = ".") -> None:
    (root / "fer2013new.csv").write_text("".join(f"{line}\n" for line in [HEADER, *lines]))
    for name in pictures:
        (root / below / name).parent.mkdir(parents=True, exist_ok=True)
        (root / below / name).touch()


@pytest.mark.parametrize(
    ("votes", "shown"),
    [
        ((10, 0, 0, 0, 0, 0, 0, 0, 0, 0), "neutral"),
        ((0, 6, 4, 0, 0, 0, 0, 0, 0, 0), "happiness"),
        ((0, 0, 0, 0, 0, 0, 0, 8, 2, 0), "contempt"),
        # Five of ten are no majority, but the single votes do not count: five of seven are.
        ((5, 0, 2, 1, 1, 1, 0, 0, 0, 0), "neutral"),
        ((5, 5, 0, 0, 0, 0, 0, 0, 0, 0), "no_majority"),
        ((4, 0, 0, 4, 1, 0, 0, 0, 1, 0), "no_majority"),
        ((4, 3, 2, 0, 0, 0, 1, 0, 0, 0), "no_majority"),
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), "no_majority"),
        ((0, 0, 0, 0, 0, 0, 0, 0, 0, 0), "no_majority"),
        ((2, 1, 0, 0, 0, 0, 0, 0, 7, 0), "uncertain_expression"),
        ((1, 2, 0, 0, 0, 0, 0, 0, 0, 7), "not_a_face"),
    ],
)
def test_the_majority_rule(votes: Sequence[int], shown: str) -> None:
    found = majority(votes)
    assert (found.reason if isinstance(found, Unclear) else found) == shown


@given(st.lists(st.integers(0, 10), min_size=10, max_size=10))
def test_an_expression_has_more_than_half_of_the_votes_that_count(votes: list[int]) -> None:
    counted = [number for number in votes if number != 1]
    found = majority(votes)
    winners = [choice for choice, number in zip(CHOICES, votes, strict=True) if 2 * number > sum(counted)]
    winners = [choice for choice in winners if votes[CHOICES.index(choice)] > 1]
    if isinstance(found, str):
        assert winners == [found]
        assert found in EXPRESSIONS
    else:
        reasons = {"unknown": "uncertain_expression", "NF": "not_a_face"}
        assert [reasons.get(choice) for choice in winners] == ([found.reason] if winners else [])
        assert found.no_face == (found.reason == "not_a_face")


@pytest.mark.parametrize("below", [".", "data"])
def test_parts_are_folders(tmp_path: Path, below: str) -> None:
    parts = {"Training": "Train", "PublicTest": "Valid", "PrivateTest": "Test"}
    names = [f"FER2013{part}/fer000000{place}.png" for place, part in enumerate(parts.values())]
    lines = [f"{part},fer000000{place}.png,{JOY}" for place, part in enumerate(parts)]
    write_set(tmp_path, lines, names, below)
    listing = FerplusLayout().list_sources(tmp_path)
    assert listing.failures == []
    assert {source.identity for source in listing.sources} == set(names)
    assert {source.expression for source in listing.sources} == {"happiness"}


def test_what_has_no_expression_is_named(tmp_path: Path) -> None:
    names = [f"FER2013Train/fer000000{place}.png" for place in range(6)]
    lines = [
        f"Training,fer0000000.png,{JOY}",
        "Training,fer0000001.png,0,0,0,0,0,0,0,0,10,0",
        "Training,fer0000002.png,5,5,0,0,0,0,0,0,0,0",
        "Training,fer0000003.png,1,0,0,0,0,0,0,0,0,9",
        f"Training,fer0000004.png,{JOY[:-2]}",
        "Training,,0,0,0,0,0,0,0,0,0,10",
        f"Training,fer0000000.png,{JOY}",
        f"Test,fer0000005.png,{JOY}",
        "Training,fer0000005.png,0,many,0,0,0,0,0,0,0,0",
        f"Training,fer0000009.png,{JOY}",
    ]
    write_set(tmp_path, lines, [*names, "FER2013Train/label.csv", "FER2013Train/x.txt"])
    listing = FerplusLayout().list_sources(tmp_path)
    found = {source.path.stem: (source.expression, source.failures) for source in listing.sources}
    assert sorted(found) == [f"fer000000{place}" for place in (0, 1, 2, 4, 5)]
    assert found["fer0000000"] == ("happiness", [])
    assert [failure.detail for failure in found["fer0000001"][1]] == ["votes: 10 unknown"]
    assert {stem: failures[0].reason for stem, (_, failures) in found.items() if failures} == {
        "fer0000001": "uncertain_expression",
        "fer0000002": "no_majority",
        "fer0000004": "missing_label",
        "fer0000005": "missing_label",
    }
    assert [(failure.reason, failure.detail) for failure in listing.failures] == [
        ("unknown_file", "no video name ('.txt')"),
        ("bad_labels", "line 6: wanted 12 columns, found 11"),
        ("bad_labels", "line 7: it has no picture's name; 10 of 10 votes say NF"),
        ("bad_labels", "line 8: FER2013Train/fer0000000.png comes twice"),
        ("bad_labels", "line 9: wanted Training or PublicTest or PrivateTest, found 'Test'"),
        ("bad_labels", "line 10: wanted 10 numbers of votes, found '0,many,0,0,0,0,0,0,0,0'"),
        (
            "no_picture",
            "FER2013Train/fer0000009.png is listed, and not in FER2013Train or FER2013Valid or FER2013Test",
        ),
        ("not_a_face", "votes: 1 neutral, 9 NF"),
    ]


def test_columns_go_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(",".join(reversed(HEADER.split(","))) + "\n0,1,0,0,0,0,0,0,9,0,fer1.png,Training\n")
    assert read_votes(path).shown == {"FER2013Train/fer1.png": "happiness"}


@pytest.mark.parametrize("text", ["", "emotion,pixels,Usage\n", HEADER.replace("contempt", "boredom")])
def test_other_columns_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(
        ShardError, match=r"x\.csv: wanted the columns Usage, Image name, neutral, .* found '"
    ):
        read_votes(tmp_path / "x.csv")


def test_not_ferplus(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"looked for fer2013new\.csv and .* FER2013Train.*found neither$"):
        FerplusLayout().list_sources(tmp_path)
    write_set(tmp_path, [], [])
    (tmp_path / "fer2013.csv").touch()
    with pytest.raises(ShardError, match=r"python -m shards\.layouts\.fer2013 .* makes the pictures"):
        FerplusLayout().list_sources(tmp_path)
