from pathlib import Path

from shards.synthetic.generate import GenerateConfig, plan_videos
from shards.synthetic.writers.aff_wild2 import set_of, video_name


def test_two_in_ten_share_a_video_and_a_set() -> None:
    names = [video_name(identity) for identity in range(20)]
    assert len(set(names)) == 20
    assert names[8:10] == ["video9_left", "video9_right"]
    assert names[10] == "video10"
    assert all(set_of(identity) == set_of(identity + 1) for identity in (8, 18, 28, 38))
    assert {set_of(identity) for identity in range(4)} == {"Train_Set", "Validation_Set"}


def test_some_pictures_are_lost() -> None:
    jobs = list(plan_videos(GenerateConfig(Path(), "aff_wild2", 40, 2.0, 1)))
    with_gaps = [job for job in jobs if job.without]
    assert 10 < len(with_gaps) < 30
    assert all(max(job.without) <= job.num_frames for job in with_gaps)
