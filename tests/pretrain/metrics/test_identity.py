import numpy as np
import pytest

from pretrain.metrics.identity import tell_people


def frames(people=4, videos=2, each=20, dims=6):
    person = [f"p{p}" for p in range(people) for _ in range(videos * each)]
    video = [f"p{p}v{v}" for p in range(people) for v in range(videos) for _ in range(each)]
    rng = np.random.default_rng(0)
    return person, video, rng.normal(size=(len(person), dims))


def test_a_feature_that_holds_the_person_is_told_right():
    person, video, vectors = frames()
    centre = {name: np.eye(6)[i] * 8 for i, name in enumerate(sorted(set(person)))}
    score = tell_people(vectors + np.stack([centre[name] for name in person]), person, video)
    assert score.people == 4
    assert score.chance == 0.25
    assert score.value > 0.95
    assert score.interval.low > 0.9


def test_a_feature_of_the_video_does_not_carry_over():
    person, video, vectors = frames()
    rng = np.random.default_rng(1)
    centre = {name: rng.normal(size=6) * 8 for name in sorted(set(video))}
    score = tell_people(vectors + np.stack([centre[name] for name in video]), person, video)
    assert score.value < 0.75


def test_people_with_one_video_neither_train_nor_count():
    person, video, vectors = frames()
    person, video = [*person, "z", "z"], [*video, "zv", "zv"]
    vectors = np.concatenate([vectors, np.full((2, 6), 50.0)])
    score = tell_people(vectors, person, video)
    assert score.people == 4
    assert score.accuracy_P.tolist() == pytest.approx(
        tell_people(*_without_last(vectors, person, video)).accuracy_P.tolist()
    )


def _without_last(vectors, person, video):
    return vectors[:-2], person[:-2], video[:-2]


def test_nothing_is_said_of_single_videos():
    person, video, vectors = frames(videos=1)
    assert tell_people(vectors, person, video) is None
