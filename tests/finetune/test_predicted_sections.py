"""Sections on tested frames from real jobs, as a browser draws them."""

import re

import pytest

from finetune.data import DataConfig
from finetune.fit import FitConfig
from finetune.report import main
from finetune.tasks.aunce import AunceConfig
from finetune.tasks.intensity import IntensityConfig
from finetune.tasks.probe import LinearConfig
from finetune.train import FinetuneConfig, run
from pretrain.augment import PLAIN
from tests.browser import look

PEOPLE = 2
"""That are tested in the toy set's fold 3."""


@pytest.fixture(scope="module")
def jobs(toy_set, tiny_encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    for task in ("aunce", "intensity"):
        config = FinetuneConfig(
            task=task,
            out=folder / task,
            data=DataConfig(toy_set, generated=True),
            encoder=tiny_encoder,
            augment=PLAIN,
            aunce=AunceConfig(fit=FitConfig(steps=4, batch=6), linear=LinearConfig(epochs=4), width=8),
            intensity=IntensityConfig(
                fit=FitConfig(steps=4, batch=4),
                labelled_fraction=0.2,
                window=8,
                left_context=5,
                hidden=8,
                width=8,
            ),
        )
        run(config, lambda metrics, step: None)
    return [str(folder / "aunce"), str(folder / "intensity")]


def test_both_kinds_have_their_sections_with_pictures(jobs, toy_set, tmp_path):
    page = tmp_path / "report.html"
    main([*jobs, "--labelled", toy_set, "--out", str(page)])
    sections = re.findall("<section id='(.*?)'>", page.read_text())
    of_frames = [
        name for name in sections if name not in ("flow", "claims", "readout", "neighbours", "time", "jobs")
    ]
    assert of_frames == [
        *("detection", "confusion-detection", "frames-detection"),
        *("intensity", "densities", "frames-intensity", "timelines"),
    ]
    frames = re.search("<section id='frames-intensity'>.*?</section>", page.read_text(), re.S)[0]
    assert frames.count("<img") == frames.count("<svg") == 2 * PEOPLE
    densities = re.search("<section id='densities'>.*?</section>", page.read_text(), re.S)[0]
    assert densities.count("<svg") == 12
    look(page, tmp_path)


def test_without_predictions_scores_and_confusion_are_left(jobs, tmp_path):
    for job in jobs:
        folder = tmp_path / job.rsplit("/", 1)[1]
        folder.mkdir()
        with open(f"{job}/result.json") as file:
            (folder / "result.json").write_text(file.read())
    main([str(tmp_path / "aunce"), str(tmp_path / "intensity"), "--out", str(tmp_path / "report.html")])
    sections = re.findall("<section id='(.*?)'>", (tmp_path / "report.html").read_text())
    assert sections == ["flow", "claims", "detection", "confusion-detection", "intensity", "time", "jobs"]
