import pickle
from pathlib import Path

import pytest

from shards.errors import ShardError
from shards.layouts.bp4d import (
    ACTIVITIES,
    PARTS,
    SUBJECTS,
    TASK_OF_RECORDING,
    Bp4dLayout,
)
from shards.layouts.bp4d_labels import AUS, INTENSITY_AUS
from shards.layouts.layout import Labels, Source
from shards.pack.frames.source import numbered_images


def write_sequence(
    root: Path, folder: str = "Sequences(2D+3D)", task: str = "T1", name: str = "0001"
) -> None:
    path = root / folder / "F001" / task / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def write_labels(
    root: Path,
    rows: dict[int, int],
    *,
    occurrence: str = "AUCoding/AU_OCC",
    intensity: str = "AUCoding/AU_INT",
    sequence: str = "F001_T1",
) -> None:
    """Occurrence `value > 0` and intensity `value` of every AU, by frame."""
    path = root / occurrence / f"{sequence}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    header = ",".join(map(str, range(100)))
    lines = [",".join(map(str, [frame, *[int(value > 0)] * 98, 0])) for frame, value in rows.items()]
    path.write_text("\n".join([header, *lines]) + "\n")
    for au in INTENSITY_AUS:
        path = root / intensity / f"AU{au:02d}" / f"{sequence}_AU{au:02d}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{frame},{value}\n" for frame, value in rows.items()))


def only_source(root: Path) -> Source:
    (source,) = Bp4dLayout().list_sources(root).sources
    return source


def loaded(root: Path) -> Labels:
    labels = pickle.loads(pickle.dumps(only_source(root))).load_labels()
    assert labels is not None
    return labels


def test_people_and_tasks_are_the_published_ones() -> None:
    assert len(SUBJECTS) == 41
    assert list(ACTIVITIES) == [f"T{number}" for number in range(1, 9)]
    assert TASK_OF_RECORDING["13"] == "T8"
    assert ACTIVITIES["T8"].text.endswith("The target emotion is disgust.")


def test_the_parts_are_disjoint_and_everyone() -> None:
    assert [len(part) for part in PARTS] == [14, 14, 13]
    assert sorted(subject for part in PARTS for subject in part) == sorted(SUBJECTS)


@pytest.mark.parametrize("folder", ["Sequences(2D+3D)", "Sequences_2D+3D"])
@pytest.mark.parametrize("occurrence", ["AUCoding/AU_OCC", "AUCoding"])
@pytest.mark.parametrize("intensity", ["AUCoding/AU_INT", "AU-Intensity-Codes3.0", "AU Intensity Codes3.0"])
def test_every_spelling_of_the_folders(tmp_path: Path, folder: str, occurrence: str, intensity: str) -> None:
    write_sequence(tmp_path, folder)
    write_labels(tmp_path, {3: 2, 4: 0}, occurrence=occurrence, intensity=intensity)
    listing = Bp4dLayout().list_sources(tmp_path)
    source = only_source(tmp_path)
    assert (source.identity, source.activity, source.frame_rate) == ("F001", "T1", 25)
    assert [listing.failures, source.failures] == [[], []]
    labels = loaded(tmp_path)
    assert labels.rows(labels.occurrence_FA, [2, 3, 4, 5]) is not None
    assert labels.occurrence_FA is not None
    assert labels.occurrence_FA.tolist() == [[1] * len(AUS), [0] * len(AUS)]
    assert labels.intensity_FA is not None
    assert labels.intensity_FA.tolist() == [[2] * 5, [0] * 5]
    assert labels.first_frame == 3


def test_occurrence_and_intensity_join_on_the_frame_number(tmp_path: Path) -> None:
    write_sequence(tmp_path)
    write_labels(tmp_path, {10: 1, 11: 0, 12: 1})
    # Another order, one row fewer, one row more.
    (tmp_path / "AUCoding/AU_INT/AU12/F001_T1_AU12.csv").write_text("13,4\n12,3\n10,1\n")
    labels = loaded(tmp_path)
    twelve = INTENSITY_AUS.index(12)
    assert labels.intensity_FA is not None
    assert labels.intensity_FA[:, twelve].tolist() == [1, -1, 3, 4]
    assert labels.occurrence_FA is not None
    assert labels.occurrence_FA[:, 0].tolist() == [1, 0, 1, -1]


@pytest.mark.parametrize("name", ["643", "0643", "00643"])
def test_labels_join_with_pictures_of_any_width(tmp_path: Path, name: str) -> None:
    write_sequence(tmp_path, name=name)
    write_labels(tmp_path, {642: 0, 643: 3, 644: 0})
    told: list[str] = []
    images = numbered_images(only_source(tmp_path).path, lambda *words: told.extend(words))
    numbers, labels = [number for number, _ in images], loaded(tmp_path)
    found_TA = labels.rows(labels.intensity_FA, numbers)
    assert found_TA is not None
    assert (numbers, found_TA.tolist(), told) == ([643], [[3] * len(INTENSITY_AUS)], [])


def test_a_wrong_file_costs_that_file_only(tmp_path: Path) -> None:
    write_sequence(tmp_path)
    write_labels(tmp_path, {1: 2})
    (tmp_path / "AUCoding/AU_INT/AU06/F001_T1_AU06.csv").write_text("1;2\n")
    labels = loaded(tmp_path)
    (failure,) = labels.failures
    assert (failure.source, failure.reason) == ("AUCoding/AU_INT/AU06/F001_T1_AU06.csv", "bad_labels")
    assert "line 1: wanted `frame,intensity`, found '1;2'" in failure.detail
    assert str(tmp_path) not in failure.detail
    assert labels.intensity_FA is not None
    assert labels.intensity_FA.tolist() == [[-1, 2, 2, 2, 2]]
    assert labels.occurrence_FA is not None
    assert (labels.occurrence_FA == 1).all()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    write_sequence(tmp_path)
    write_labels(tmp_path, {1: 2})
    (tmp_path / "AUCoding/AU_OCC/F001_T1.csv").unlink()
    (tmp_path / "AUCoding/AU_INT/AU10/F001_T1_AU10.csv").unlink()
    source = only_source(tmp_path)
    assert [(failure.reason, failure.detail) for failure in source.failures] == [
        ("missing_label_file", "AU_OCC/F001_T1.csv is not there"),
        ("missing_label_file", "AU10/F001_T1_AU10.csv is not there"),
    ]
    assert loaded(tmp_path).occurrence_FA is None


def test_without_intensity_that_is_said_once(tmp_path: Path) -> None:
    for task in ("T1", "T2"):
        write_sequence(tmp_path, task=task)
    listing = Bp4dLayout().list_sources(tmp_path)
    assert [failure.reason for failure in listing.failures] == ["missing_label_folder"]
    assert [len(source.failures) for source in listing.sources] == [1, 1]


def test_videos_stand_in_for_pictures(tmp_path: Path) -> None:
    write_sequence(tmp_path)
    for name in ("2F01_T1.avi", "2F01_03.avi", "2M18_T8.avi", "2F24_T1.avi", "other.avi"):
        (tmp_path / "2D").mkdir(exist_ok=True)
        (tmp_path / "2D" / name).touch()
    listing = Bp4dLayout().list_sources(tmp_path)
    assert {(source.video_id, source.identity, source.activity) for source in listing.sources} == {
        ("Sequences(2D+3D)/F001/T1", "F001", "T1"),
        ("2D/2F01_03.avi", "F001", "T2"),
        ("2D/2M18_T8.avi", "M018", "T8"),
    }
    assert {source.first_frame for source in listing.sources} == {1}
    assert {(failure.source, failure.reason) for failure in listing.failures} >= {
        ("2D/2F01_T1.avi", "second_form"),
        ("2D/2F24_T1.avi", "unknown_file"),
        ("2D/other.avi", "unknown_file"),
    }


def test_what_has_no_use_is_named(tmp_path: Path) -> None:
    write_sequence(tmp_path)
    for folder in ("F024/T1", "F001/T9"):
        (tmp_path / "Sequences(2D+3D)" / folder).mkdir(parents=True)
    (tmp_path / "Sequences(2D+3D)/notes.txt").touch()
    write_labels(tmp_path, {1: 0})
    write_labels(tmp_path, {1: 0}, sequence="M001_T2")
    failures = Bp4dLayout().list_sources(tmp_path).failures
    assert {(failure.source, failure.reason) for failure in failures} == {
        ("Sequences(2D+3D)/F024", "unknown_subject"),
        ("Sequences(2D+3D)/F001/T9", "unknown_task"),
        ("Sequences(2D+3D)/notes.txt", "unknown_file"),
        ("AUCoding/AU_OCC/M001_T2.csv", "no_video"),
    }


def test_not_bp4d(tmp_path: Path) -> None:
    (tmp_path / "something").mkdir()
    with pytest.raises(ShardError, match=r"looked for Sequences\(2D\+3D\).*found \['something'\]"):
        Bp4dLayout().list_sources(tmp_path)
