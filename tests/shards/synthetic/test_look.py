import numpy as np

from shards.synthetic.look import draw_look


def test_look_is_a_function_of_its_generator() -> None:
    assert draw_look(np.random.default_rng(1), 0.5) == draw_look(np.random.default_rng(1), 0.5)


def test_colours_are_colours_and_only_men_have_beards() -> None:
    women = [draw_look(np.random.default_rng(seed), 1.0) for seed in range(100)]
    men = [draw_look(np.random.default_rng(seed), 0.0) for seed in range(100)]
    for look in women + men:
        assert min(look.skin + look.hair + look.iris + look.cloth) >= 0
        assert max(look.skin + look.hair + look.iris + look.cloth) <= 255
    assert not any(look.beard for look in women)
    assert 20 < sum(look.beard > 0 for look in men) < 90


def test_skin_covers_light_and_dark() -> None:
    light = [draw_look(np.random.default_rng(seed), 0.5).skin[1] for seed in range(100)]
    assert min(light) < 90
    assert max(light) > 180
