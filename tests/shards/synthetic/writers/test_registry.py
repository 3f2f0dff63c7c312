"""What is generated in a data set's form is read back, and packed, with the labels that were drawn."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from shards.index import read_index
from shards.layouts.layout import Source
from shards.layouts.registry import LAYOUTS, get_layout, list_sources
from shards.pack.pack import PackConfig, pack
from shards.pack.spool import VideoSpool, video_hash
from shards.pack.video import pack_video
from shards.synthetic.action_units import ACTION_UNITS
from shards.synthetic.generate import GenerateConfig, generate, performance_of, plan_videos
from shards.synthetic.writers.registry import WRITERS
from shards.synthetic.writers.writer import VideoJob
from shards.verify import verify
from tests.video_jobs import video_job

PRESENT_FROM = {
    **{"disfa": 2, "bp4d": 1, "bp4d_plus": 1, "gft": 1, "aff_wild2": 1},
    **{"bp4d_lists": 1, "disfa_lists": 2},
}
LABELLED = tuple(PRESENT_FROM)
CODED_AT_LEAST = {
    **{"disfa": 1.0, "bp4d": 0.4, "bp4d_plus": 0.15, "gft": 0.7, "aff_wild2": 0.7},
    **{"bp4d_lists": 0.4, "disfa_lists": 1.0},
}
"""Share of AUs and frames with a label, when all tasks count."""
STILLS = ("rafdb", "ferplus", "affectnet")
FIRST_NUMBER = dict.fromkeys(LABELLED, 1) | {"disfa_lists": 0}


def config_of(out: Path, layout: str) -> GenerateConfig:
    return GenerateConfig(out, layout, 2, 1.2, 5, size=96, workers=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    for layout in LABELLED:
        generate(config_of(root / layout, layout))
    return root


def truth(job: VideoJob, aus: list[int]) -> NDArray[np.int64]:
    """(T, A) rounded intensities of all frames of a video."""
    columns = [ACTION_UNITS.index(au) for au in aus]
    return np.rint(performance_of(job).intensity_TA[:, columns]).astype(np.int64)


def pairs(root: Path, layout: str) -> Iterator[tuple[VideoJob, Source]]:
    """Every video with its source, after checking that nothing was lost or added."""
    listing = list_sources(get_layout(layout), root)
    jobs = {job.video: job for job in plan_videos(config_of(root, layout))}
    assert listing.failures == []
    assert {source.path for source in listing.sources} == set(jobs)
    for source in listing.sources:
        assert source.failures == []
        yield jobs[source.path], source


def test_every_writer_has_its_layout() -> None:
    assert set(WRITERS) <= set(LAYOUTS)
    labelled = {name for name, layout in LAYOUTS.items() if layout.occurrence_aus or layout.intensity_aus}
    assert labelled | {*STILLS} <= set(WRITERS)


@pytest.mark.parametrize("layout", LABELLED)
def test_labels_are_read_as_they_were_drawn(made: Path, layout: str) -> None:
    known, all_frames, lengths = 0, 0, set()
    for job, source in pairs(made / layout, layout):
        lengths.add(job.num_frames)
        labels = source.load_labels()
        all_frames += job.num_frames * len(LAYOUTS[layout].occurrence_aus)
        if labels is None:
            assert job.shows in ("T2", "T3", "T4", "T5", "T9", "T10")
            continue
        assert labels.failures == []
        first = FIRST_NUMBER[layout]
        numbers = list(range(first, job.num_frames + first))
        for aus, labels_FA, threshold in (
            (LAYOUTS[layout].occurrence_aus, labels.occurrence_FA, PRESENT_FROM[layout]),
            (LAYOUTS[layout].intensity_aus, labels.intensity_FA, None),
        ):
            if not aus:
                continue
            found_TA, drawn_TA = labels.rows(labels_FA, numbers), truth(job, aus)
            assert found_TA is not None
            wanted_TA = drawn_TA if threshold is None else drawn_TA >= threshold
            coded_TA = found_TA != -1
            np.testing.assert_array_equal(found_TA[coded_TA], wanted_TA[coded_TA])
            known += int(coded_TA.sum()) if threshold is not None else 0
        assert labels.rows(labels.occurrence_FA, [first - 1, job.num_frames + first]) is None
    assert CODED_AT_LEAST[layout] <= known / all_frames
    assert known < all_frames or layout in ("disfa", "disfa_lists", "aff_wild2")
    assert len(lengths) > 1 or layout.startswith("disfa")


@pytest.mark.parametrize("layout", LABELLED)
def test_packed_labels_are_those_that_were_drawn(made: Path, layout: str, tmp_path: Path) -> None:
    found_frames = 0
    for job, source in list(pairs(made / layout, layout))[:3]:
        result = pack_video(video_job(source, 64, 64, namespace=layout), tmp_path)
        assert result.failures == []
        assert result.frames_read == job.num_frames - len(job.without)
        labels = source.load_labels()
        for _, piece in VideoSpool(tmp_path, video_hash(layout, source.video_id)).lines():
            assert not job.without & set(piece.frame_number)
            found_frames += len(piece.frame_number)
            rate = WRITERS[layout].fps
            gaps = np.diff(piece.time_seconds) - np.diff(piece.frame_number) / rate
            assert np.abs(gaps).max() < 1e-4
            wanted_TA = labels.rows(labels.occurrence_FA, piece.frame_number) if labels else None
            assert (piece.occurrence is None) == (wanted_TA is None)
            if wanted_TA is not None:
                np.testing.assert_array_equal(piece.occurrence, wanted_TA)
                drawn_TA = truth(job, LAYOUTS[layout].occurrence_aus)
                drawn_TA = drawn_TA[np.array(piece.frame_number) - FIRST_NUMBER[layout]]
                coded_TA = wanted_TA != -1
                present_TA = drawn_TA >= PRESENT_FROM[layout]
                np.testing.assert_array_equal(wanted_TA[coded_TA], present_TA[coded_TA])
    assert found_frames > 30


@pytest.mark.parametrize("layout", STILLS)
def test_stills_pack_with_their_expression(layout: str, tmp_path: Path) -> None:
    generate(GenerateConfig(tmp_path / "in", layout, 12, 1.0, 3, size=96, workers=1))
    sources = list_sources(get_layout(layout), tmp_path / "in").sources
    url = str(tmp_path / "set")
    manifest = pack(PackConfig(str(tmp_path / "in"), url, layout, size=48, workers=1))
    found = {}
    for entry in manifest.shards:
        with tarfile.open(Path(url) / entry.name) as shard:
            for member in (member for member in shard if member.name.endswith(".json")):
                content = shard.extractfile(member)
                assert content is not None
                facts = json.loads(content.read())
                found[facts["video"]] = facts.get("expression")
    wanted = {source.video_id: source.expression for source in sources}
    assert {video: wanted[video] for video in found} == found
    assert "no_face" not in manifest.totals.failures
    assert len(found) == len(wanted)
    assert manifest.totals.identities == manifest.totals.samples == len(found)


def test_a_whole_set_of_pictures_packs_to_equal_bytes_with_its_labels(made: Path, tmp_path: Path) -> None:
    sets = []
    for name, workers in (("one", 1), ("two", 2)):
        settings = {"size": 48, "workers": workers, "frames_per_sample": 16}
        config = PackConfig(str(made / "bp4d"), str(tmp_path / name), "bp4d", **settings)
        manifest = pack(config)
        sets.append({path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.*")})
    assert sets[0] == sets[1]
    assert manifest.totals.failures == {}
    assert manifest.totals.identities == 2
    assert verify(str(tmp_path / "one"), deep=True).problems == []
    jobs = {job.video: job for job in plan_videos(config_of(made / "bp4d", "bp4d"))}
    rows = read_index(str(tmp_path / "one"), manifest)
    assert {row.activity for row in rows} == {f"T{number}" for number in range(1, 9)}
    assert any(row.has_occurrence for row in rows)
    for row in (row for row in rows if row.has_intensity):
        with tarfile.open(tmp_path / "one" / row.shard) as shard:
            member = shard.extractfile(f"{row.key}.intensity.npy")
            assert member is not None
            intensity_TA = np.load(io.BytesIO(member.read()))
        drawn_TA = truth(jobs[made / "bp4d" / row.video], manifest.intensity_aus)
        coded_TA = intensity_TA != -1
        np.testing.assert_array_equal(
            intensity_TA[coded_TA], drawn_TA[np.array(row.frame_number) - 1][coded_TA]
        )
