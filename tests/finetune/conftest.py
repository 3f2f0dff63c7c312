"""A small labelled shard set in DISFA's form: flat colours for people, bright squares for AUs."""

import hashlib
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from finetune.artifact import save_model
from finetune.models import AuDetector, IntensityRegressor
from finetune.protocols import DISFA
from finetune.results import dump_sums, summary
from pretrain.metrics.detection import detection_sums, everything_present
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from shards.index import UnitSummary, to_parquet
from shards.layouts.disfa import AUS
from shards.pack.faces.detect import YuNet
from shards.pack.faces.encode import encode
from shards.pack.job import PackConfig, recipe_of
from shards.reach import write_reach
from shards.runs import reach_of
from shards.schema import CropRecipe, FileEntry, Manifest, index_name
from shards.synthetic.generate import GenerateConfig, generate
from shards.totals import count_totals
from shards.write import Sample, ShardWriter

torch.set_num_threads(1)
PEOPLE = ("SN001", "SN002", "SN006", "SN011", "SN003", "SN004")
EVERYONE = tuple(person for part in DISFA.parts for person in part)
SIZE = 32
PIECE = 12
RECIPE = CropRecipe("toy", 1, SIZE, "none", "1", "0", "cpu", 320, [[0.5, 0.5]] * 5, 5, 95, "420")


def toy_frame(person, intensity_A):
    """A face whose AU k brightens square k of a 4 x 3 grid."""
    rng = np.random.default_rng(EVERYONE.index(person))
    frame = np.full((SIZE, SIZE, 3), rng.integers(40, 110, 3), np.uint8)
    for k, value in enumerate(intensity_A):
        top, left = 8 * (k // 4) + 4, 8 * (k % 4)
        frame[top : top + 7, left : left + 7] = np.clip(frame[top, left] + 28 * int(value), 0, 255)
    return frame


def toy_intensity(person, num_frames):
    rng = np.random.default_rng([7, EVERYONE.index(person)])
    intensity_TA = np.zeros((num_frames, len(AUS)), np.int8)
    for k in range(len(AUS)):
        phase = rng.integers(num_frames)
        intensity_TA[:, k] = np.clip(np.round(5 * np.sin(np.arange(num_frames) / 2 + phase)), 0, 5)
    return intensity_TA


def independent_intensity(person, num_frames):
    """No curves: every AU of every frame is drawn for itself, half of them absent."""
    rng = np.random.default_rng([8, EVERYONE.index(person)])
    shape = (num_frames, len(AUS))
    return np.where(rng.random(shape) < 0.5, 0, rng.integers(1, 6, shape)).astype(np.int8)


def write_set(folder: Path, people=PEOPLE, num_frames=24, labelled=True, intensity=toy_intensity) -> str:
    rows = []
    with ShardWriter(folder, "u0", 2**30, 10**6) as writer:
        for person in people:
            intensity_TA = intensity(person, num_frames)
            for piece in range(0, num_frames, PIECE):
                frames = list(range(piece, min(num_frames, piece + PIECE)))
                part_TA = intensity_TA[frames]
                number = piece // PIECE
                rows.append(
                    writer.add(
                        Sample(
                            key=f"toy-{person.lower()}-{number}",
                            identity=person,
                            video=f"{person}.avi",
                            track=0,
                            piece=number,
                            next_key=None,
                            activity=None,
                            time_seconds=[frame / 20 for frame in frames],
                            frame_number=[frame + 1 for frame in frames],
                            frames=[encode(toy_frame(person, intensity_TA[frame])) for frame in frames],
                            occurrence_TA=(part_TA >= 2).astype(np.int8) if labelled else None,
                            intensity_TA=part_TA if labelled else None,
                        )
                    )
                )
    failures = FileEntry("failures/u0.jsonl", 0, 0, hashlib.sha256(b"").hexdigest())
    index = to_parquet(rows, UnitSummary(writer.shards, failures, ""))
    (folder / "index").mkdir()
    (folder / index_name("u0")).write_bytes(index)
    manifest = Manifest(
        namespace="toy",
        layout="disfa",
        recipe=RECIPE,
        versions={},
        cpus=[],
        occurrence_aus=AUS if labelled else [],
        intensity_aus=AUS if labelled else [],
        totals=count_totals(rows, {}),
        shards=writer.shards,
        indexes=[FileEntry(index_name("u0"), len(rows), len(index), hashlib.sha256(index).hexdigest())],
        failures=[failures],
        reach=write_reach(str(folder), [reach_of(rows)]),
    )
    (folder / "manifest.json").write_text(manifest.to_json())
    return str(folder)


@pytest.fixture(scope="session")
def toy_set(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("toy") / "set")


@pytest.fixture(scope="session")
def large_toy_set(tmp_path_factory):
    """27 people whose AUs vary independently: enough to learn what carries over to other people."""
    folder = tmp_path_factory.mktemp("large") / "set"
    return write_set(folder, EVERYONE, intensity=independent_intensity)


@pytest.fixture(scope="session")
def make_set():
    return write_set


@pytest.fixture(scope="session")
def tiny_encoder():
    return EncoderConfig(
        "convnext", {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "patch_size": 4}, SIZE
    )


RESULT_AUS = (1, 12, 2)


def toy_result(start, seed=0, fold=3, skill=1.0, people=6):
    rng = np.random.default_rng([seed, fold])
    label_FA = (rng.random((people * 30, 3)) < [0.1, 0.5, 0.3]).astype(int)
    score_FA = 1 / (1 + np.exp(-(skill * label_FA + rng.normal(size=label_FA.shape))))
    person_F = [f"p{fold}-{i // 30}" for i in range(len(label_FA))]
    sums = detection_sums(score_FA, np.full(3, 0.6), label_FA, person_F)
    return {
        "format_version": 1,
        "task": "aunce",
        "aus": list(RESULT_AUS),
        "init": {"init": start, "backbone": {"model_type": "resnet"}},
        "seed": seed,
        "protocol": {"name": "disfa", "fold": fold},
        "people": {"test": sums.people},
        "data": {"digest": "d" * 64, "generated": True},
        "chosen": {"linear_epoch": 3, "by": "mean AUC on validation people"},
        "stages": {"contrast": {"images": 640.0, "seconds": 2.0, "images_per_second": 320.0}},
        "test": {
            "honest": summary(sums, RESULT_AUS),
            "best_on_test": summary(sums, RESULT_AUS),
            "everything_present": summary(everything_present(sums), RESULT_AUS),
        },
        "per_person": dump_sums(sums),
    }


@pytest.fixture(scope="session")
def make_result():
    return toy_result


@pytest.fixture(scope="session")
def face_video(tmp_path_factory):
    """30 frames of a generated face."""
    folder = tmp_path_factory.mktemp("faces")
    generate(GenerateConfig(folder, "disfa", 1, 1.5, 3, size=112, workers=1))
    return folder / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi"


@pytest.fixture(scope="session")
def blank_video(tmp_path_factory):
    """10 frames without a face."""
    path = tmp_path_factory.mktemp("blank") / "blank.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=20)
        stream.width = stream.height = 96
        stream.pix_fmt = "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.full((96, 96, 3), 90, np.uint8), format="rgb24")
        for _ in range(10):
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def real_recipe():
    """What this program's packing does, at a small size."""
    return recipe_of(PackConfig("", url="", layout="", size=SIZE), YuNet())


@pytest.fixture
def saved_models(tmp_path, tiny_encoder, real_recipe):
    """A detector and a regressor with random weights, as job folders hold them."""
    torch.manual_seed(0)
    detector = AuDetector(FrameEncoder(tiny_encoder), 2, 8)
    torch.nn.init.normal_(detector.classifier_AV)
    regressor = IntensityRegressor(FrameEncoder(tiny_encoder), 2, 8, 8)
    shared = {"aus": [4, 12], "recipe": asdict(real_recipe)}
    heads = {"num_aus": 2, "width": 8}
    save_model(
        tmp_path / "aunce", detector, {**shared, "task": "aunce", "heads": heads, "thresholds": [0.5, 0.4]}
    )
    save_model(
        tmp_path / "intensity",
        regressor,
        {**shared, "task": "intensity", "heads": {**heads, "hidden": 8}, "thresholds": None},
    )
    return {"aunce": tmp_path / "aunce", "intensity": tmp_path / "intensity"}
