import numpy as np
import pytest

from shards.synthetic.hair import PAINTED_STYLES, SHELL_STYLES, hair_pieces


@pytest.mark.parametrize("style", PAINTED_STYLES)
def test_painted_styles_have_no_pieces(style: str) -> None:
    assert hair_pieces(style, 0.5, 0.0, np.random.default_rng(0)) == []


@pytest.mark.parametrize("style", SHELL_STYLES)
@pytest.mark.parametrize("fringe", [0.0, 0.22])
def test_hair_leaves_the_face_free(style: str, fringe: float) -> None:
    pieces = hair_pieces(style, 0.5, fringe, np.random.default_rng(0))
    x, y, z = np.concatenate([piece.vertices_VD for piece in pieces]).T
    in_face = (np.abs(x) < 0.45) & (y < 0.35) & (y > -0.9) & (z > -0.1)
    assert not in_face.any()


def test_longer_hair_reaches_lower() -> None:
    lows = [
        hair_pieces(style, length, 0.0, np.random.default_rng(0))[0].vertices_VD[:, 1].min()
        for style, length in (("bob", 0.0), ("bob", 1.0), ("long", 0.0), ("long", 1.0))
    ]
    assert lows == sorted(lows, reverse=True)
