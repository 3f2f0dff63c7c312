from pathlib import Path

import pytest

from shards.errors import ShardError
from shards.layouts.voxceleb import VoxcelebLayout


def test_people_and_strays(tmp_path: Path) -> None:
    for name in (
        "dev/mp4/id00012/abc/00001.mp4",
        "dev/mp4/id00012/abc/00002.mp4",
        "dev/mp4/list.txt",
        "x.mp4",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listing = VoxcelebLayout().list_sources(tmp_path)
    assert [(source.video_id, source.identity) for source in listing.sources] == [
        ("dev/mp4/id00012/abc/00001.mp4", "id00012"),
        ("dev/mp4/id00012/abc/00002.mp4", "id00012"),
    ]
    assert [failure.source for failure in listing.failures] == ["dev/mp4/list.txt", "x.mp4"]


def test_not_voxceleb(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"looked for dev/mp4/<idNNNNN>"):
        VoxcelebLayout().list_sources(tmp_path)
