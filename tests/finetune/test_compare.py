"""The command on job folders."""

import json
import re

import pytest

from finetune.compare import main
from pretrain.config import ConfigError
from tests.browser import look


@pytest.fixture
def jobs(tmp_path, make_result):
    folders = []
    for start, skill, delta in (("random", 0.3, 0.2), ("pretrained", 3.0, 0.2), ("pretrained", 2.0, 0.0)):
        for seed in (0, 1):
            result = make_result(start, seed, skill=skill)
            result["config"]["aunce"]["delta"] = delta
            folders.append(tmp_path / f"{start}-{delta}-{seed}")
            folders[-1].mkdir()
            (folders[-1] / "result.json").write_text(json.dumps(result))
    return list(map(str, folders))


def test_text_page_and_json_say_the_same(jobs, tmp_path, capsys):
    main([*jobs, "--out", str(tmp_path / "c" / "compare.html"), "--json", str(tmp_path / "j" / "c.json")])
    text = capsys.readouterr().out
    page = (tmp_path / "c" / "compare.html").read_text()
    (table,) = json.loads((tmp_path / "j" / "c.json").read_text())["tables"]
    arms = [
        "init=random aunce.delta=0.2",
        "init=pretrained aunce.delta=0.2",
        "init=pretrained aunce.delta=0.0",
    ]
    assert list(table["arms"]) == arms
    for arm in arms:
        mean = table["scores"]["f1"]["arms"][arm]["mean"]
        said = f"{mean['value']:.3f} [{mean['low']:.3f}, {mean['high']:.3f}]"
        assert said in text
        assert said.replace(" [", " <small>[") in page
        assert f"{table['scores']['f1']['arms'][arm]['best_on_test']['mean']:.3f}*" in page
    change = table["scores"]["auc"]["differences"][arms[1]]
    assert f"{change['value']:.3f} [{change['low']:.3f}, {change['high']:.3f}]" in text
    assert table["reference"] == arms[0]
    assert re.findall("<section id='(.*?)'>", page) == ["detection", "jobs"]
    assert look(tmp_path / "c" / "compare.html", tmp_path) == {"svg": 2, "img": 0}


def test_another_reference(jobs, capsys):
    main([*jobs, "--against", "init=pretrained aunce.delta=0.0"])
    assert "Differences are to init=pretrained aunce.delta=0.0, paired by person." in capsys.readouterr().out
    with pytest.raises(
        ConfigError, match=r"--against 'clp': there is no such arm; the arms are \['init=random"
    ):
        main([*jobs, "--against", "clp"])
