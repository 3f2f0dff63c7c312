"""Sections on tested frames from real jobs, as a browser draws them."""

import re

import pytest

from finetune.report import main
from tests.browser import look

PEOPLE = 2
"""That are tested in the toy set's fold 3."""


@pytest.fixture
def jobs(short_jobs):
    return [str(short_jobs / "aunce"), str(short_jobs / "intensity")]


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
