import json
import re

import pytest

from finetune.jobs import GENERATED_CAPTION, load_jobs
from finetune.look_alikes import LookAlikes
from finetune.report import load_throughput, main, make_report
from finetune.sections import Sources
from pretrain.config import ConfigError


@pytest.fixture
def jobs(tmp_path, make_result):
    for name, start, skill in (("a", "random", 0.3), ("b", "pretrained", 3.0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(
            json.dumps(make_result(start, skill=skill), sort_keys=True)
        )
    return [tmp_path / "a", tmp_path / "b" / "result.json"]


def test_text_and_page_hold_the_numbers_and_the_caption(jobs, tmp_path):
    loaded = load_jobs(jobs)
    stages = [{"stage": "pack", "count": 4050, "unit": "frames", "seconds": 10.0}]
    text = make_report(Sources(loaded, stages), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    mean = f"{loaded[1][1]['test']['honest']['f1']['mean']:.3f}"
    for part in (mean, GENERATED_CAPTION, "everything present", "pack", "AU12", "405 frames/s"):
        assert part in text
        assert part in page
    assert re.search(r"^init=pretrained .* 0\.\d+ \[0\.\d+, 0\.\d+\]$", text, re.M)
    assert "Differences are to init=random, paired by person." in text
    assert re.findall("<section id='(.*?)'>", page) == [
        "flow",
        "claims",
        "detection",
        "confusion-detection",
        "time",
        "jobs",
    ]
    assert page.count("<svg") == 3
    assert "http" not in page
    assert "<script" not in page


def test_bars_lie_inside_the_drawing(jobs, tmp_path):
    make_report(Sources(load_jobs(jobs)), tmp_path / "r.html")
    rectangles = re.findall(r"<rect x='(.*?)' y='.*?' width='(.*?)'", (tmp_path / "r.html").read_text())
    # Two arms and a tick for each of three AUs and the mean, in two charts.
    assert len(rectangles) == 2 * (2 + 1) * 4
    for x, width in rectangles:
        assert 0 <= float(x) <= float(x) + float(width) <= 340


def test_one_arm_alone_is_a_report_too(jobs, tmp_path):
    text = make_report(Sources(load_jobs(jobs[:1])), tmp_path / "r.html")
    assert "Differences" not in text


def test_names_from_files_cannot_break_the_page(jobs, tmp_path):
    stages = [{"stage": "<b>pack", "count": 1, "unit": "<i>", "seconds": 1.0}]
    make_report(Sources(load_jobs(jobs), stages), tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "<b>pack" not in page
    assert "<i>" not in page


def test_real_people_are_not_called_generated(jobs, tmp_path):
    loaded = load_jobs(jobs)
    for _, result in loaded:
        result["data"]["generated"] = False
    assert GENERATED_CAPTION not in make_report(Sources(loaded), tmp_path / "r.html")
    assert "generated" not in (tmp_path / "r.html").read_text()


def test_aus_that_look_alike_are_named_and_not_claimed(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr("finetune.sections.look_alikes", lambda aus: LookAlikes(((1, 12),)))
    main([*map(str, jobs), "--out", str(tmp_path / "r.html")])
    page = (tmp_path / "r.html").read_text()
    assert "these AUs look alike: AU1 and AU12." in page
    assert "AU2: init=pretrained raises the AUC over init=random" in page
    assert "AU1: init" not in page


def test_messages(tmp_path):
    with pytest.raises(ConfigError, match=r"no result.json at .*; give finished jobs' run folders"):
        load_jobs([tmp_path])
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(ConfigError, match="is not the result of a finetuning job"):
        load_jobs([tmp_path])
    (tmp_path / "stages.json").write_text('[{"stage": "pack"}]')
    with pytest.raises(ConfigError, match="a list of objects with"):
        load_throughput(tmp_path / "stages.json")
