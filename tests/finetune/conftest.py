"""Toy sets, models, results and videos that many tests of finetuning share."""

from dataclasses import asdict, replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from finetune.artifact import save_model
from finetune.data import DataConfig
from finetune.fit import FitConfig
from finetune.models.au_detector import AuDetector
from finetune.models.intensity_regressor import IntensityRegressor
from finetune.results import dump_sums, summary
from finetune.tasks.aunce import AunceConfig
from finetune.tasks.clef import ClefConfig
from finetune.tasks.intensity import IntensityConfig
from finetune.tasks.probe import LinearConfig
from finetune.tasks.supervised import SupervisedConfig
from finetune.train import FinetuneConfig, run
from pretrain.augment import PLAIN
from pretrain.metrics.detection import detection_sums, everything_present
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from shards.pack.faces.detect import YuNet
from shards.pack.job import PackConfig, recipe_of
from shards.synthetic.generate import GenerateConfig, generate
from tests.toy_set import EVERYONE, SIZE, independent_intensity, write_set

torch.set_num_threads(1)


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


@pytest.fixture(scope="session")
def short_job(toy_set, tiny_encoder):
    """A job of a few steps on the toy set; `task` and `out` are to be set."""
    return FinetuneConfig(
        task="aunce",
        out=Path("none"),
        data=DataConfig(toy_set, generated=True),
        encoder=tiny_encoder,
        augment=PLAIN,
        aunce=AunceConfig(fit=FitConfig(steps=6, batch=6), linear=LinearConfig(epochs=8), width=8),
        intensity=IntensityConfig(
            fit=FitConfig(steps=6, batch=4),
            labelled_fraction=0.2,
            window=8,
            left_context=5,
            hidden=8,
            width=8,
            evaluate_every=3,
        ),
        clef=ClefConfig(fit=FitConfig(steps=6, batch=6), width=8, evaluate_every=3),
        supervised=SupervisedConfig(fit=FitConfig(steps=6, batch=6), evaluate_every=3),
    )


@pytest.fixture(scope="session")
def short_jobs(short_job, tmp_path_factory):
    """Folder of a finished detection job and a finished intensity job, by task; not to be changed."""
    folder = tmp_path_factory.mktemp("jobs")
    for task in ("aunce", "intensity"):
        run(replace(short_job, task=task, out=folder / task), lambda metrics, step: None)
    return folder


RESULT_AUS = (1, 12, 2)


def toy_result(start, seed=0, fold=3, skill=1.0, people=6, aus=RESULT_AUS):
    rng = np.random.default_rng([seed, fold])
    label_FA = (rng.random((people * 30, len(aus))) < [0.1, 0.5, 0.3][: len(aus)]).astype(int)
    score_FA = 1 / (1 + np.exp(-(skill * label_FA + rng.normal(size=label_FA.shape))))
    person_F = [f"p{fold}-{i // 30}" for i in range(len(label_FA))]
    sums = detection_sums(score_FA, np.full(len(aus), 0.6), label_FA, person_F)
    return {
        "format_version": 2,
        "task": "aunce",
        "kind": "detection",
        "aus": list(aus),
        "init": {"init": start, "backbone": {"model_type": "resnet"}},
        "seed": seed,
        "protocol": {"name": "disfa", "fold": fold},
        "people": {"test": sums.people},
        "data": {"digest": "d" * 64, "generated": True},
        "config": {
            "task": "aunce",
            "init": start,
            "out": f"runs/{start}-{fold}-{seed}",
            "seed": seed,
            "protocol": {"name": "disfa", "fold": fold},
            "aunce": {"delta": 0.2},
            "intensity": {"window": 16},
        },
        "chosen": {"linear_epoch": 3, "by": "mean AUC on validation people"},
        "stages": {"contrast": {"images": 640.0, "seconds": 2.0, "images_per_second": 320.0}},
        "test": {
            "honest": summary(sums, aus),
            "best_on_test": summary(sums, aus),
            "everything_present": summary(everything_present(sums), aus),
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
    detection = {**shared, "task": "aunce", "kind": "detection", "heads": heads, "thresholds": [0.5, 0.4]}
    intensity = {**shared, "task": "intensity", "kind": "intensity", "thresholds": None}
    save_model(tmp_path / "aunce", detector, detection)
    save_model(tmp_path / "intensity", regressor, {**intensity, "heads": {**heads, "hidden": 8}})
    return {"aunce": tmp_path / "aunce", "intensity": tmp_path / "intensity"}
