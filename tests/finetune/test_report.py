import json

import pytest

from finetune.report import GENERATED_CAPTION, load_results, load_throughput, make_report
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
    results = load_results(jobs)
    stages = [{"stage": "pack", "count": 4050, "unit": "frames", "seconds": 10.0}]
    text = make_report(results, stages, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    mean = f"{results[1]['test']['honest']['f1']['mean']:.3f}"
    for part in (mean, GENERATED_CAPTION, "everything present", "pack", "AU12", "405 frames/s"):
        assert part in text
        assert part in page
    assert "pretrained minus random: 0." in text
    assert page.count("<svg") == 2
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page


def test_one_arm_alone_is_a_report_too(jobs, tmp_path):
    text = make_report(load_results(jobs[:1]), [], tmp_path / "r.html")
    assert "minus" not in text


def test_names_from_files_cannot_break_the_page(jobs, tmp_path):
    stages = [{"stage": "<b>pack", "count": 1, "unit": "frames", "seconds": 1.0}]
    make_report(load_results(jobs), stages, tmp_path / "r.html")
    assert "<b>pack" not in (tmp_path / "r.html").read_text()


def test_real_people_are_not_called_generated(jobs):
    results = load_results(jobs)
    for result in results:
        result["data"]["generated"] = False
    assert GENERATED_CAPTION not in make_report(results, [], None)


def test_messages(tmp_path):
    with pytest.raises(ConfigError, match=r"no result.json at .*; give finished jobs' run folders"):
        load_results([tmp_path])
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(ConfigError, match="is not the result of a finetuning job"):
        load_results([tmp_path])
    (tmp_path / "stages.json").write_text('[{"stage": "pack"}]')
    with pytest.raises(ConfigError, match="a list of objects with"):
        load_throughput(tmp_path / "stages.json")
