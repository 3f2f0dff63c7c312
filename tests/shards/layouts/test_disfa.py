import pickle
from pathlib import Path

import numpy as np
import pytest

from shards.errors import ShardError
from shards.layouts.disfa import AUS, PARTS, SUBJECTS, DisfaLayout, read_intensities

FRAMES = 6


def intensity(au: int, frame: int) -> int:
    return (au + frame) % 6


def write_disfa(root: Path, subject: str = "SN001", folder: str = "Videos_LeftCamera") -> None:
    video = root / folder / f"LeftVideo{subject}_comp.avi"
    video.parent.mkdir(parents=True, exist_ok=True)
    video.write_bytes(b"video")
    labels = root / "ActionUnit_Labels" / subject
    labels.mkdir(parents=True)
    for au in reversed(AUS):
        lines = [f"{frame},{intensity(au, frame)}\n" for frame in range(1, FRAMES + 1)]
        (labels / f"{subject}_au{au}.txt").write_text("".join(lines))


def test_subjects_are_the_published_27() -> None:
    assert len(SUBJECTS) == 27
    assert not SUBJECTS & {"SN014", "SN015", "SN019", "SN020", "SN022"}


def test_the_parts_are_disjoint_and_everyone() -> None:
    assert [len(part) for part in PARTS] == [9, 9, 9]
    assert sorted(subject for part in PARTS for subject in part) == sorted(SUBJECTS)


def test_the_order_of_the_label_files_changes_nothing(tmp_path: Path) -> None:
    found = []
    for name, aus in (("one", AUS), ("other", sorted(AUS, key=str))):
        write_disfa(tmp_path / name)
        folder = tmp_path / name / "ActionUnit_Labels/SN001"
        for au in aus:
            path = folder / f"SN001_au{au}.txt"
            text = path.read_text()
            path.unlink()
            path.write_text(text)
        labels = DisfaLayout().list_sources(tmp_path / name).sources[0].load_labels()
        assert labels is not None
        assert labels.intensity_FA is not None
        found.append(labels.intensity_FA.tolist())
    assert found == [[[intensity(au, frame) for au in AUS] for frame in range(1, FRAMES + 1)]] * 2


@pytest.mark.parametrize("folder", ["Videos_LeftCamera", "Video_LeftCamera"])
def test_labels_join_by_frame_number_from_one(tmp_path: Path, folder: str) -> None:
    write_disfa(tmp_path, folder=folder)
    listing = DisfaLayout().list_sources(tmp_path)
    (source,) = listing.sources
    assert (source.identity, source.first_frame, listing.failures, source.failures) == ("SN001", 1, [], [])
    labels = pickle.loads(pickle.dumps(source)).load_labels()
    assert labels is not None
    found_TA = labels.rows(labels.intensity_FA, [0, 1, FRAMES, FRAMES + 1])
    assert found_TA is not None
    assert (found_TA[[0, 3]] == -1).all()
    assert found_TA[1].tolist() == [intensity(au, 1) for au in AUS]
    assert found_TA[2].tolist() == [intensity(au, FRAMES) for au in AUS]


def test_present_from_intensity_two(tmp_path: Path) -> None:
    write_disfa(tmp_path)
    labels = DisfaLayout().list_sources(tmp_path).sources[0].load_labels()
    assert labels is not None
    assert labels.intensity_FA is not None
    np.testing.assert_array_equal(labels.occurrence_FA, (labels.intensity_FA >= 2).astype(np.int8))


def test_a_missing_label_file_is_named_and_its_unit_missing(tmp_path: Path) -> None:
    write_disfa(tmp_path)
    (tmp_path / "ActionUnit_Labels/SN001/SN001_au9.txt").unlink()
    source = DisfaLayout().list_sources(tmp_path).sources[0]
    (failure,) = source.failures
    assert failure.source == "ActionUnit_Labels/SN001/SN001_au9.txt"
    assert (failure.stage, failure.reason) == ("label", "missing_label_file")
    labels = source.load_labels()
    assert labels is not None
    assert labels.intensity_FA is not None
    assert labels.occurrence_FA is not None
    for labels_FA in (labels.intensity_FA, labels.occurrence_FA):
        assert (labels_FA[:, AUS.index(9)] == -1).all()
        assert (np.delete(labels_FA, AUS.index(9), axis=1) != -1).all()


def test_without_any_label_file_there_are_no_labels(tmp_path: Path) -> None:
    write_disfa(tmp_path)
    for path in (tmp_path / "ActionUnit_Labels/SN001").iterdir():
        path.unlink()
    source = DisfaLayout().list_sources(tmp_path).sources[0]
    assert len(source.failures) == len(AUS)
    assert source.load_labels() is None


def test_what_has_no_use_is_named(tmp_path: Path) -> None:
    write_disfa(tmp_path)
    for name in ("LeftVideoSN014_comp.avi", "notes.txt"):
        (tmp_path / "Videos_LeftCamera" / name).touch()
    (tmp_path / "ActionUnit_Labels/SN002").mkdir()
    failures = DisfaLayout().list_sources(tmp_path).failures
    assert {(failure.source, failure.reason) for failure in failures} == {
        ("Videos_LeftCamera/LeftVideoSN014_comp.avi", "unknown_subject"),
        ("Videos_LeftCamera/notes.txt", "unknown_file"),
        ("ActionUnit_Labels/SN002", "no_video"),
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,6\n", "line 1: intensity 6 is outside 0-5"),
        ("1,0\n2,-1\n", "line 2: intensity -1 is outside 0-5"),
        ("1;0\n", "line 1: wanted `frame,intensity`, found '1;0'"),
        ("1,1\n1,1\n", "line 2: frame 1 is below 1 or comes twice"),
        ("0,1\n", "line 1: frame 0 is below 1"),
    ],
)
def test_bad_label_lines(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "au.txt"
    path.write_text(text)
    with pytest.raises(ShardError, match=says):
        read_intensities(path)


def test_not_disfa(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"looked for Videos_LeftCamera or Video_LeftCamera"):
        DisfaLayout().list_sources(tmp_path)
