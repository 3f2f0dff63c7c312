import numpy as np
import pytest

from shards.synthetic.headwear import HEADWEAR, headwear_pieces


@pytest.mark.parametrize("kind", HEADWEAR)
@pytest.mark.parametrize("low", [0.0, 1.0])
def test_headwear_covers_the_crown_and_leaves_brows_and_mouth_free(kind: str, low: float) -> None:
    x, y, z = np.concatenate([piece.vertices_VD for piece in headwear_pieces(kind, low)]).T
    assert y.max() > 1.2
    in_face = (np.abs(x) < 0.45) & (y < 0.3) & (y > -0.85) & (z > -0.1)
    assert not in_face.any()


def test_cap_has_a_visor() -> None:
    reach = {
        kind: max(piece.vertices_VD[:, 2].max() for piece in headwear_pieces(kind, 0.5)) for kind in HEADWEAR
    }
    assert reach["cap"] > reach["beanie"] + 0.3
