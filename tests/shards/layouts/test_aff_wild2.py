from pathlib import Path

import pytest

from shards.errors import ShardError
from shards.layouts.aff_wild2 import AUS, AffWild2Layout, read_labels
from shards.layouts.layout import Labels

HEADER = "AU1,AU2,AU4,AU6,AU7,AU10,AU12,AU15,AU23,AU24,AU25,AU26"
SIXTH = "6th_ABAW_Annotations/AU_Detection_Challenge"


def write_video(root: Path, name: str) -> None:
    (root / "cropped_aligned" / name).mkdir(parents=True)
    (root / "cropped_aligned" / name / "00002.jpg").touch()


def write_labels(root: Path, name: str, rows: list[int], folder: str = f"{SIXTH}/Train_Set") -> None:
    path = root / folder / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADER, *(",".join([str(row)] * 12) for row in rows)]) + "\n")


def rows_of(labels: Labels | None, numbers: list[int]) -> list[int]:
    assert labels is not None
    found_TA = labels.rows(labels.occurrence_FA, numbers)
    assert found_TA is not None
    return [int(value) for value in found_TA[:, 0]]


@pytest.mark.parametrize("folder", [f"{SIXTH}/Train_Set", "annotations/AU_Set/Train_Set"])
def test_line_i_is_picture_i(tmp_path: Path, folder: str) -> None:
    write_video(tmp_path, "one")
    write_labels(tmp_path, "one", [0, 1, -1, 1], folder)
    (source,) = AffWild2Layout().list_sources(tmp_path).sources
    assert (source.video_id, source.identity, source.frame_rate) == ("Train_Set/one", "one", 30)
    # Pictures 1 and 3 may be missing: the others keep their lines.
    assert rows_of(source.load_labels(), [2, 4]) == [1, 1]
    assert rows_of(source.load_labels(), [1, 2, 3, 4, 5]) == [0, 1, -1, 1, -1]


def test_a_blank_line_shifts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text(f"{HEADER}\n" + ",".join("1" * 12) + "\n\n" + ",".join("0" * 12) + "\n")
    assert read_labels(path)[26] == {1: 1, 3: 0}


def test_columns_go_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text(",".join(reversed(HEADER.split(","))) + "\n" + ",".join("1" + "0" * 11) + "\n")
    assert [read_labels(path)[au][1] for au in AUS] == [0] * 11 + [1]


@pytest.mark.parametrize("text", ["", "1,0\n", "frame,x\n", f"\n{HEADER}\n"])
def test_a_file_without_its_first_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(ShardError, match=f"x.txt: wanted the first line {HEADER}"):
        read_labels(tmp_path / "x.txt")


def test_two_people_in_one_video_are_two(tmp_path: Path) -> None:
    for name in ("both_left", "both_right"):
        write_video(tmp_path, name)
        write_labels(tmp_path, name, [1])
    sources = AffWild2Layout().list_sources(tmp_path).sources
    assert [source.identity for source in sources] == ["both_left", "both_right"]
    assert all(source.load_labels() is not None for source in sources)


def test_sets_and_what_is_wrong_are_named(tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        write_video(tmp_path, name)
    write_labels(tmp_path, "train", [1])
    write_labels(tmp_path, "valid", [1], f"{SIXTH}/Validation_Set")
    write_labels(tmp_path, "train", [1], f"{SIXTH}/Validation_Set")
    write_labels(tmp_path, "gone", [1])
    write_labels(tmp_path, "train", [0], "2nd_ABAW_Annotations/AU_Detection_Challenge/Train_Set")
    (tmp_path / "cropped_aligned/notes.txt").touch()
    listing = AffWild2Layout().list_sources(tmp_path)
    assert {source.video_id: source.failures for source in listing.sources} == {
        "Train_Set/train": [],
        "Validation_Set/valid": [],
        "cropped_aligned/test": [],
    }
    assert {(failure.source, failure.reason) for failure in listing.failures} == {
        ("cropped_aligned/notes.txt", "unknown_file"),
        (f"{SIXTH}/Validation_Set/train.txt", "in_both_sets"),
        (f"{SIXTH}/Train_Set/gone.txt", "no_video"),
        ("2nd_ABAW_Annotations/AU_Detection_Challenge", "older_edition"),
    }


def test_without_annotations_all_is_unlabelled(tmp_path: Path) -> None:
    write_video(tmp_path, "one")
    listing = AffWild2Layout().list_sources(tmp_path)
    assert [failure.reason for failure in listing.failures] == ["missing_label_folder"]
    assert listing.sources[0].load_labels() is None


def test_not_aff_wild2(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"looked for cropped_aligned/<video>/00001\.jpg"):
        AffWild2Layout().list_sources(tmp_path)
