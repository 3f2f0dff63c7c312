import csv
from collections import Counter
from pathlib import Path

import numpy as np

from shards.layouts.ferplus import CHOICES, EXPRESSIONS
from shards.layouts.registry import get_layout, list_sources
from shards.pack.frames.source import decode_image
from shards.synthetic.generate import GenerateConfig, generate, plan_videos
from shards.synthetic.writers.ferplus import rows_of

FOLDERS = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}


def config_of(out: Path, pictures: int) -> GenerateConfig:
    return GenerateConfig(out, "ferplus", pictures, 1.0, 2, size=96, workers=1)


def test_votes_are_ten_and_most_are_for_what_is_shown() -> None:
    rows = [row for row in rows_of(config_of(Path(), 2000)) if row.name]
    assert len(rows) == 2000
    assert {sum(row.votes) for row in rows} == {10}
    first = [CHOICES[int(np.argmax(row.votes))] == row.shows for row in rows]
    assert 0.9 < np.mean(first) < 0.98
    parts = Counter(row.part for row in rows)
    assert parts == {"Training": 1600, "PublicTest": 200, "PrivateTest": 200}
    assert {row.shows for row in rows[:8]} == set(EXPRESSIONS)


def test_some_lines_have_no_picture_and_names_follow_the_lines() -> None:
    rows = rows_of(config_of(Path(), 100))
    assert [place for place, row in enumerate(rows) if not row.name] == [24, 49, 74, 99]
    assert all(row.name == f"fer{place:07d}.png" for place, row in enumerate(rows) if row.name)


def test_expressions_are_read_as_they_were_voted(tmp_path: Path) -> None:
    config = config_of(tmp_path, 30)
    generate(config)
    listing = list_sources(get_layout("ferplus"), tmp_path)
    jobs = {job.video: job for job in plan_videos(config)}
    found = {source.path: source for source in listing.sources}
    assert set(found) == set(jobs)
    with (tmp_path / "fer2013new.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [failure.reason for failure in listing.failures] == ["bad_labels"]
    reasons = []
    for line in (line for line in lines if line["Image name"]):
        path = tmp_path / FOLDERS[line["Usage"]] / line["Image name"]
        counted = {choice: int(line[choice]) for choice in CHOICES if int(line[choice]) > 1}
        winners = [choice for choice, votes in counted.items() if votes > sum(counted.values()) / 2]
        wanted = winners[0] if winners and winners[0] in EXPRESSIONS else None
        assert found[path].expression == wanted
        assert wanted in (None, jobs[path].shows)
        reasons += [failure.reason for failure in found[path].failures]
        assert bool(found[path].failures) == (wanted is None)
    assert set(reasons) <= {"no_majority", "uncertain_expression"}
    assert 0 < len(reasons) < 15
    rgb_HWC = decode_image(next(iter(jobs)))
    assert rgb_HWC.shape == (48, 48, 3)
    assert (rgb_HWC == rgb_HWC[:, :, :1]).all()
    assert rgb_HWC.std() > 10
