import dataclasses
from pathlib import Path

import pytest

from shards.errors import ManifestMismatchError
from shards.layouts.layout import Listing, Source
from shards.layouts.registry import get_layout
from shards.pack.detect import YuNet
from shards.pack.job import PackConfig, assign, claim, describe, fingerprint, recipe_of
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
        PackConfig(Path(), "x", "folder", **{name: value})  # type: ignore[arg-type]


def test_every_difference_is_named(tmp_path: Path) -> None:
    config = PackConfig(tmp_path, str(tmp_path / "set"), "folder")
    layout = get_layout("folder")

    def wanted(config: PackConfig, names: list[str]) -> dict[str, object]:
        return describe(config, layout, listing(tmp_path, names), recipe_of(config, YuNet()))

    first = wanted(config, ["a.mp4", "b.mp4"])
    claim(config.url, first, finished=False)
    claim(config.url, first, finished=False)
    other = wanted(dataclasses.replace(config, size=96, detect_every=2, workers=7), ["b.mp4", "c.mp4"])
    other["sources"] = {**other["sources"], "b.mp4": "changed"}  # type: ignore[dict-item]
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
    config = PackConfig(tmp_path, str(tmp_path / "set"), "folder")
    layout = get_layout("folder")
    mine = describe(config, layout, listing(tmp_path, ["a.mp4"]), recipe_of(config, YuNet()))
    claim(config.url, mine, finished=False)
    newer = {**mine, "versions": {**mine["versions"], "av": "99"}}
    claim(config.url, newer, finished=True)
    with pytest.raises(ManifestMismatchError, match=r"av is .* there and 99 here"):
        claim(config.url, newer, finished=False)


def test_fingerprints_see_video_labels_and_identity(tmp_path: Path) -> None:
    source = listing(tmp_path, ["a.mp4"]).sources[0]
    labels = tmp_path / "labels"
    labels.write_text("1")
    labelled = dataclasses.replace(source, label_files=[labels])
    found = {
        fingerprint(source),
        fingerprint(labelled),
        fingerprint(dataclasses.replace(source, identity="x")),
    }
    labels.write_text("2")
    found.add(fingerprint(labelled))
    (tmp_path / "a.mp4").write_bytes(b"other")
    found.add(fingerprint(source))
    assert len(found) == 5


def test_units_take_everything_once(tmp_path: Path) -> None:
    found = listing(tmp_path, [f"{number}.mp4" for number in range(40)])
    config = PackConfig(tmp_path, "x", "folder", videos_per_unit=10)
    units = assign(found, config)
    assert list(units) == sorted(units)
    assert len(units) <= 4
    ids = [source.video_id for sources, _ in units.values() for source in sources]
    assert sorted(ids) == sorted(source.video_id for source in found.sources)
    assert sum(len(failures) for _, failures in units.values()) == 1
