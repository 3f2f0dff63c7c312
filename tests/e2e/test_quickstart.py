"""The whole flow on a few small videos: what quickstart.sh runs, with small numbers."""

import json
import re

import pandas as pd
import pytest

from tests.browser import look
from tests.ports import listed, owner_of
from tests.processes import mentioning

SECTIONS = [
    *("flow", "claims", "pretraining", "detection", "confusion-detection", "frames-detection"),
    *("intensity", "densities", "frames-intensity", "timelines"),
    *("readout", "neighbours", "attention", "identity", "clip", "time", "jobs"),
]


@pytest.mark.timeout(900)
def test_from_videos_to_a_report_of_registered_models(finished_run):
    folder, output = finished_run
    assert re.search(r"\[4/8\] pretrain: 48 clips in", output)
    for name, column in (("au-detector", "AU12_probability"), ("au-intensity", "AU12_intensity_0_5")):
        for file, frames in ((f"{name}.csv", 52), (f"clip-{name}.csv", 120)):
            table = pd.read_csv(folder / file)
            assert len(table) == frames
            assert table[column].notna().all()
    results = {path.parent.name for path in folder.glob("results/*/result.json")}
    assert results == {"aunce-pretrained", "aunce-random", "intensity-pretrained", "intensity-random"}
    test_people = json.loads((folder / "results/aunce-random/result.json").read_text())["people"]["test"]
    assert len(test_people) == 9
    assert mentioning(str(folder)) == []


@pytest.mark.timeout(900)
def test_the_report_has_every_section_with_the_runs_numbers(finished_run):
    page = (finished_run[0] / "report.html").read_text()
    assert re.findall("<section id='(.*?)'>", page) == SECTIONS
    assert len(page) < 5e6
    for text in (
        "These faces are generated",
        "The models have only seen generated faces",
        "12 points over 12 steps, from MLflow",
        "chance: ln 7 = 1.95",
        "momentum encoder and projection head",
        "fitted on one video of each of 8 people",
        "au-detector@candidate",
        "carphone_pristine.mp4: 120 frames, 1 face",
        "Peak memory",
    ):
        assert text in page, text
    assert not re.search(r"(src|href)='(?!data:|#)", page)


@pytest.mark.timeout(900)
def test_only_listed_ports_listen(watched_run):
    entries, seen = listed("local"), watched_run[2]
    assert {(one.command, one.ip) for one in seen if owner_of(one, entries) is None} == set()
    met = [owner_of(one, entries) for one in seen]
    assert [entry for entry in entries if entry not in met] == []


@pytest.mark.timeout(900)
def test_a_browser_draws_the_report(finished_run, tmp_path):
    counts = look(finished_run[0] / "report.html", tmp_path)
    # Curves, four scores, timelines, the clip's AUs, the stages; pictures of all that is shown.
    assert counts["svg"] >= 8 + 4 + 3 + 8 + 1
    assert counts["img"] >= 21 + 6 + 32 + 20 + 8


@pytest.mark.timeout(900)
def test_another_start_does_again_what_another_clip_changes(finished_run, quickstart, small):
    folder, _ = finished_run
    again = quickstart(folder, *small, "clip=none")
    assert again.returncode == 0, again.stderr[-3000:]
    done = re.findall(r"\[\d/8\] (\w+): done before", again.stderr)
    assert done == ["generate", "pack", "verify", "pretrain", "rival", "finetune"]
    assert "<section id='clip'>" not in (folder / "report.html").read_text()
    refused = quickstart(folder, *small[:2])
    assert refused.returncode == 2
    assert "holds a run with other settings; give --fresh" in refused.stderr
    lost = quickstart(folder, *small, "clip=no-such.mp4")
    assert lost.returncode == 2
    assert "clip=no-such.mp4: no such file; give a video, or clip=none" in lost.stderr
