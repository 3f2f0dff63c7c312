from pathlib import Path

import pytest

from shards.errors import ShardError
from shards.layouts.bp4d_plus import ACTIVITIES, CODED_TASKS, SUBJECTS, Bp4dPlusLayout


def write_set(root: Path, tasks: tuple[str, ...]) -> None:
    for task in tasks:
        (root / "2D+3D/F001" / task).mkdir(parents=True)
        (root / "2D+3D/F001" / task / "001.jpg").touch()
    for folder in ("AU_OCC", "AU_INT/AU06"):
        (root / "AUCoding" / folder).mkdir(parents=True)


def test_people_and_tasks_are_the_published_ones() -> None:
    assert len(SUBJECTS) == len(set(SUBJECTS)) == 140
    assert list(ACTIVITIES) == [f"T{number}" for number in range(1, 11)]


def test_only_coded_tasks_want_labels(tmp_path: Path) -> None:
    write_set(tmp_path, tuple(ACTIVITIES))
    listing = Bp4dPlusLayout().list_sources(tmp_path)
    assert {source.activity for source in listing.sources} == set(ACTIVITIES)
    assert {source.activity for source in listing.sources if source.failures} == set(CODED_TASKS)
    assert listing.failures == []


def test_archives_are_named_until_they_are_unpacked(tmp_path: Path) -> None:
    write_set(tmp_path, ("T2",))
    for name in ("F001.zip", "F002.zip"):
        (tmp_path / "2D+3D" / name).touch()
    (failure,) = Bp4dPlusLayout().list_sources(tmp_path).failures
    assert (failure.source, failure.reason) == ("2D+3D/F002.zip", "still_zipped")
    assert "unzip it into 2D+3D" in failure.detail


def test_not_bp4d_plus(tmp_path: Path) -> None:
    (tmp_path / "2D+3D").mkdir()
    (tmp_path / "2D+3D/F001.zip").touch()
    with pytest.raises(ShardError, match=r"looked for 2D\+3D/F001/T1.*found 1 zip files there; unzip each"):
        Bp4dPlusLayout().list_sources(tmp_path)
