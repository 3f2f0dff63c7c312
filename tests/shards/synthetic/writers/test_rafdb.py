from collections import Counter
from pathlib import Path

from shards.layouts.rafdb import EXPRESSIONS
from shards.layouts.registry import get_layout, list_sources
from shards.synthetic.generate import GenerateConfig, generate, plan_videos
from shards.synthetic.writers.rafdb import SHARES, names_and_classes


def config_of(out: Path, pictures: int) -> GenerateConfig:
    return GenerateConfig(out, "rafdb", pictures, 1.0, 2, size=96, workers=1)


def test_classes_are_unequal_and_all_there(tmp_path: Path) -> None:
    pairs = names_and_classes(config_of(tmp_path, 4000))
    counts = Counter(number for _, number in pairs)
    for number, share in SHARES.items():
        assert abs(counts[number] / 4000 - share) < 0.02
    assert {number for _, number in pairs[:7]} == set(EXPRESSIONS)
    assert Counter(name.split("_")[0] for name, _ in pairs) == {"train": 3200, "test": 800}
    assert names_and_classes(config_of(tmp_path, 10))[:8] == pairs[:8]


def test_expressions_are_read_as_they_were_drawn(tmp_path: Path) -> None:
    config = config_of(tmp_path, 9)
    generate(config)
    listing = list_sources(get_layout("rafdb"), tmp_path)
    shown = {job.video: job.shows for job in plan_videos(config)}
    assert listing.failures == []
    assert {source.path: source.expression for source in listing.sources} == shown
