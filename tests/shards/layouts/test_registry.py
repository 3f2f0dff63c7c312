from pathlib import Path

import pytest

from shards.errors import ShardError
from shards.layouts.registry import LAYOUTS, get_layout, list_sources


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(
        ShardError,
        match=r"no layout 'vox-celeb'; did you mean 'voxceleb'\?.*disfa_lists, face_tracks, ferplus, folder",
    ):
        get_layout("vox-celeb")


def test_a_wrong_folder(tmp_path: Path) -> None:
    for layout in LAYOUTS.values():
        with pytest.raises(ShardError, match="is not a folder"):
            list_sources(layout, tmp_path / "nothing")
        with pytest.raises(ShardError, match="looked"):
            list_sources(layout, tmp_path)
