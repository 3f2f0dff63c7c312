from collections import Counter
from pathlib import Path

import numpy as np

from shards.layouts.affectnet import EXPRESSIONS
from shards.layouts.registry import get_layout, list_sources
from shards.synthetic.generate import GenerateConfig, generate, performance_of, plan_videos
from shards.synthetic.writers.affectnet import NONE, UNCERTAIN, rows_of

REASON = {NONE: "other_expression", UNCERTAIN: "uncertain_expression"}


def config_of(out: Path, pictures: int) -> GenerateConfig:
    return GenerateConfig(out, "affectnet", pictures, 1.0, 2, size=96, workers=1)


def test_lists_and_classes(tmp_path: Path) -> None:
    rows = rows_of(config_of(tmp_path, 2000))
    assert Counter(row.list_name for row in rows) == {
        "training.csv": 1400,
        "validation.csv": 200,
        "automatically_annotated.csv": 400,
    }
    assert {row.number for row in rows[:10]} == {*range(8), NONE, UNCERTAIN}
    assert len({row.path for row in rows}) == 2000
    assert {row.path.split("/")[0] for row in rows} == {"1", "2", "3", "4"}
    wrong = {
        folder: np.mean([row.shows != EXPRESSIONS.get(row.number, str(row.number)) for row in part])
        for folder in {row.folder for row in rows}
        for part in [[row for row in rows if row.folder == folder]]
    }
    assert wrong["Manually_Annotated_Images"] == 0
    assert 0.2 < wrong["Automatically_Annotated_Images"] < 0.4


def test_what_is_none_of_the_eight(tmp_path: Path) -> None:
    jobs = {job.shows: job for job in plan_videos(config_of(tmp_path, 10))}
    none, uncertain = (performance_of(jobs[str(number)]).intensity_TA for number in (NONE, UNCERTAIN))
    assert none.dtype == np.float32
    assert none.sum() > uncertain.sum()


def test_expressions_are_read_as_they_were_drawn(tmp_path: Path) -> None:
    config = config_of(tmp_path, 25)
    generate(config)
    listing = list_sources(get_layout("affectnet"), tmp_path)
    assert listing.failures == []
    found = {source.path: source for source in listing.sources}
    rows = {config.out / row.folder / row.path: row for row in rows_of(config)}
    assert set(found) == set(rows)
    for path, row in rows.items():
        reasons = [failure.reason for failure in found[path].failures]
        if row.number not in EXPRESSIONS:
            assert (found[path].expression, reasons) == (None, [REASON[row.number]])
        elif row.folder.startswith("Automatic"):
            assert (found[path].expression, reasons) == (None, ["automatic_label"])
        else:
            assert (found[path].expression, reasons) == (row.shows, [])
