from dataclasses import replace

import numpy as np

from shards.synthetic.hair import PAINTED_STYLES, SHELL_STYLES
from shards.synthetic.headwear import HEADWEAR
from shards.synthetic.look import draw_look
from shards.synthetic.pieces import STRIP_HEIGHT, SWATCHES
from shards.synthetic.wardrobe import Wardrobe, draw_wardrobe, paint_strip, wardrobe_pieces


def drawn(female: float, count: int = 150) -> list[Wardrobe]:
    wardrobes = []
    for seed in range(count):
        random = np.random.default_rng(seed)
        wardrobes.append(draw_wardrobe(random, draw_look(random, female), female))
    return wardrobes


def test_people_wear_many_things() -> None:
    everyone = drawn(0.0) + drawn(1.0)
    assert {wardrobe.hair for wardrobe in everyone} == {*PAINTED_STYLES, *SHELL_STYLES}
    assert {wardrobe.headwear for wardrobe in everyone} == {"", *HEADWEAR}
    assert 0.2 < np.mean([wardrobe.glasses is not None for wardrobe in everyone]) < 0.36
    assert not any(wardrobe.headwear == "scarf" for wardrobe in drawn(0.0))


def test_nothing_sticks_out_under_headwear() -> None:
    assert not any(wardrobe.headwear and wardrobe.hair in ("curls", "bun") for wardrobe in drawn(1.0))


def test_strip_has_paint_on_every_swatch() -> None:
    random = np.random.default_rng(1)
    look = draw_look(random, 1.0)
    wardrobe = replace(draw_wardrobe(random, look, 1.0), headwear="cap", headwear_colour=(200.0, 40.0, 40.0))
    strip = paint_strip(wardrobe, look, np.random.default_rng(2), 512)
    assert strip.shape == (STRIP_HEIGHT, 512, 3)
    for x, y, width, height in SWATCHES.values():
        assert strip[y : y + height, x : x + width].any(axis=-1).mean() > 0.99
    assert len(wardrobe_pieces(wardrobe, random)) >= 2
