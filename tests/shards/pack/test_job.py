import dataclasses
from pathlib import Path

import pytest

from shards.errors import ManifestMismatchError
from shards.layouts.layout import Listing, Source
from shards.layouts.registry import get_layout
from shards.pack.faces.detect import YuNet
from shards.pack.job import PackConfig, claim, describe, recipe_of
from shards.pack.origin import LocalOrigin
from shards.schema import Failure


def listing(folder: Path, names: list[str]) -> Listing:
    sources = []
    for name in names:
        (folder / name).write_bytes(name.encode() * 10)
        sources.append(Source(name, folder / name, "someone"))
    return Listing(sources, [Failure("note.txt", "open", "unknown_file")])


@pytest.mark.parametrize(("name", "value"), [("size", 8), ("videos_per_unit", 0), ("frames_per_sample", 7)])
def test_bad_settings(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{name} needs at least \d+, found {value}"):
        PackConfig("", "x", "folder", **{name: value})


def test_every_difference_is_named(tmp_path: Path) -> None:
    config = PackConfig(str(tmp_path), str(tmp_path / "set"), "folder")
    layout = get_layout("folder")

    def wanted(config: PackConfig, names: list[str]) -> dict[str, object]:
        return describe(
            config, layout, listing(tmp_path, names), LocalOrigin(tmp_path), recipe_of(config, YuNet())
        )

    first = wanted(config, ["a.mp4", "b.mp4"])
    claim(config.url, first, finished=False)
    claim(config.url, first, finished=False)
    other = wanted(dataclasses.replace(config, size=96, detect_every=2, workers=7), ["b.mp4", "c.mp4"])
    other["sources"] = {**other["sources"], "b.mp4": "changed"}
    with pytest.raises(ManifestMismatchError) as caught:
        claim(config.url, other, finished=False)
    for text in (
        "size is 224 there and 96 here",
        "detect_every is 5 there and 2 here",
        "video or labels of b.mp4 changed",
        "video c.mp4 is new",
        "video a.mp4 is gone",
        "Pack to another url",
    ):
        assert text in str(caught.value)
    assert "workers" not in str(caught.value)


def test_other_versions_may_look_at_a_finished_set_only(tmp_path: Path) -> None:
    config = PackConfig(str(tmp_path), str(tmp_path / "set"), "folder")
    layout = get_layout("folder")
    mine = describe(
        config, layout, listing(tmp_path, ["a.mp4"]), LocalOrigin(tmp_path), recipe_of(config, YuNet())
    )
    claim(config.url, mine, finished=False)
    newer = {**mine, "versions": {**mine["versions"], "av": "99"}}
    claim(config.url, newer, finished=True)
    with pytest.raises(ManifestMismatchError, match=r"av is .* there and 99 here"):
        claim(config.url, newer, finished=False)
