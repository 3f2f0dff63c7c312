import json
import tarfile
from collections import Counter
from pathlib import Path

from shards.layouts.rafdb import EXPRESSIONS
from shards.layouts.registry import get_layout, list_sources
from shards.pack.pack import PackConfig, pack
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


def test_pictures_pack_with_their_expression(tmp_path: Path) -> None:
    config = config_of(tmp_path / "videos", 9)
    generate(config)
    listing = list_sources(get_layout("rafdb"), tmp_path / "videos")
    shown = {job.video: job.shows for job in plan_videos(config)}
    assert listing.failures == []
    assert {source.path: source.expression for source in listing.sources} == shown
    url = str(tmp_path / "set")
    manifest = pack(PackConfig(tmp_path / "videos", url, "rafdb", size=48, workers=1))
    assert (manifest.totals.samples, manifest.totals.identities) == (9, 9)
    found = {}
    for entry in manifest.shards:
        with tarfile.open(Path(url) / entry.name) as shard:
            for member in shard:
                content = shard.extractfile(member)
                if member.name.endswith(".json") and content is not None:
                    facts = json.loads(content.read())
                    found[tmp_path / "videos" / facts["video"]] = facts["expression"]
    assert found == shown
