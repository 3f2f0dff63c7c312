import io
import json
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from shards import stats, storage
from shards.errors import ShardError
from shards.index import open_set, to_rows
from shards.pack.pack import PackConfig, pack
from shards.stats import measure
from shards.stats_views import as_text, plot
from tests.clips import face_frames, flat_frames, write_video
from tests.drawn_set import AUS, write_set


@pytest.fixture
def url(any_url: str, tmp_path: Path) -> str:
    write_set(any_url, tmp_path / "tars", labelled=True)
    return any_url


def labels_in_tars(folder: Path, member: str) -> list[np.ndarray]:
    """All arrays of a label member, read by the standard library."""
    found = []
    for path in sorted(folder.rglob("*.tar")):
        with tarfile.open(path) as tar:
            for info in tar.getmembers():
                if info.name.endswith(member):
                    content = tar.extractfile(info)
                    assert content is not None
                    found.append(np.load(io.BytesIO(content.read())))
    return found


def test_label_rates_are_those_of_the_arrays(url: str, tmp_path: Path) -> None:
    found = measure(url)
    intensity_FA = np.concatenate(labels_in_tars(tmp_path / "tars", "intensity.npy"))
    occurrence_FA = np.concatenate(labels_in_tars(tmp_path / "tars", "occurrence.npy"))
    assert list(found.aus) == AUS
    for column, au in enumerate(AUS):
        coded = intensity_FA[:, column][intensity_FA[:, column] >= 0]
        counts = Counter(coded.tolist())
        assert found.aus[au].frames == len(coded)
        assert found.aus[au].levels == pytest.approx([counts[level] / len(coded) for level in range(6)])
        shown = occurrence_FA[:, column]
        assert found.aus[au].present == pytest.approx((shown == 1).sum() / (shown >= 0).sum())


def test_spreads(url: str) -> None:
    found = measure(url)
    spreads = {name: spread for name, spread in found.spreads.items() if spread is not None}
    assert spreads == found.spreads
    assert vars(spreads["videos per person"]) == dict.fromkeys(
        ("least", "quarter", "median", "three_quarters", "most"), 2.0
    )
    assert spreads["seconds per track"].median == pytest.approx(31 / 25)
    assert spreads["frames per second"].median == pytest.approx(25)
    assert spreads["eye distance, pixels"].least == pytest.approx(20)
    assert spreads["eye distance, pixels"].most == pytest.approx(25)
    assert spreads["detector score"].median == pytest.approx(0.9)
    assert found.bytes > 0
    json.dumps(found.json())


def test_of_a_large_set_some_samples_are_read_and_the_text_says_so(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stats, "MOST_SAMPLES", 4)
    seen: list[tuple[int, int]] = []
    found = measure(url, lambda done, total: seen.append((done, total)))
    assert found.samples_read == 4
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert found.totals.samples == 12
    assert "of 4 evenly spread samples" in as_text(found)


def test_a_damaged_member_is_named(url: str) -> None:
    manifest, table = open_set(url)
    row = to_rows(table)[0]
    target = storage.join(url, row.shard)
    content = bytearray(storage.read_bytes(target))
    content[row.member("json").offset] ^= 1
    storage.write_bytes(target, bytes(content))
    with pytest.raises(ShardError, match=f"{row.key}.json does not match its CRC"):
        measure(url)
    assert manifest.totals.samples == 12


def test_a_set_without_labels_has_text_but_nothing_to_plot(tmp_path: Path) -> None:
    url = str(tmp_path / "set")
    write_set(url, tmp_path / "tars")
    found = measure(url)
    text = as_text(found)
    assert "AU1" not in text
    assert "gave nothing (see failures/): none" in text
    with pytest.raises(ValueError, match="there is nothing to plot"):
        plot(found, tmp_path / "x.png")


def test_a_packed_set_shows_its_quality_and_what_it_lost(tmp_path: Path) -> None:
    source, url = tmp_path / "in", str(tmp_path / "set")
    write_video(source / "whole.mp4", face_frames(40))
    write_video(source / "brief.mp4", [*face_frames(7), *flat_frames(6)])
    pack(PackConfig(str(source), url, "folder", size=48, workers=1, frames_per_sample=16))
    found = measure(url)
    assert found.totals.failures == {"too_short": 1}
    assert found.frames_lost == {"too_short": 7}
    assert "gave nothing (see failures/): 1 too_short (7 frames)" in as_text(found)
    medians = {name: spread for name, spread in found.spreads.items() if name.startswith("median ")}
    assert set(medians) == {"median eye_pixels", "median sharpness", "median yaw_degrees", "median score"}
    eyes, score = medians["median eye_pixels"], medians["median score"]
    assert eyes is not None
    assert score is not None
    assert 18 < eyes.least <= eyes.most < 26
    assert 0.8 < score.least <= score.most < 1
