from pathlib import Path

import numpy as np
import pytest

from shards.synthetic.generate import GenerateConfig, performance_of, plan_videos
from shards.synthetic.writers.writer import LENGTH_SPREAD, stretch, write_lines


@pytest.mark.parametrize("layout", ["voxceleb", "bp4d", "bp4d_plus", "gft", "aff_wild2"])
def test_lengths_differ_around_the_mean(layout: str) -> None:
    config = GenerateConfig(Path(), layout, 30, 40.0, 1)
    seconds = [job.num_frames / (30 if layout in ("gft", "aff_wild2") else 25) for job in plan_videos(config)]
    assert np.mean(seconds) == pytest.approx(40, rel=0.1)
    assert np.std(seconds) > 3
    assert max(seconds) < 40 * (1 + LENGTH_SPREAD) * 1.12


def test_a_video_of_one_frame() -> None:
    (job, *_) = plan_videos(GenerateConfig(Path(), "gft", 1, 0.001, 1))
    assert performance_of(job).intensity_TA.shape[0] == 1


def test_stretches() -> None:
    random = np.random.default_rng(0)
    assert not stretch(random, 50, 0.0, 0.2).any()
    for _ in range(20):
        found_T = stretch(random, 50, 1.0, 0.2)
        (at,) = np.nonzero(found_T)
        assert len(at) == 10
        assert at[-1] - at[0] == 9


def test_lines_appear_at_once(tmp_path: Path) -> None:
    write_lines(tmp_path / "a/b.txt", ["1", "2"])
    assert (tmp_path / "a/b.txt").read_text() == "1\n2\n"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]
