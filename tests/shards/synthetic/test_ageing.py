import numpy as np
import pytest

from shards.synthetic.ageing import CREASES, ONSET_YEARS, crease_map, crease_strength, sag
from shards.synthetic.appearance import load_atlas
from shards.synthetic.head import load_head


def test_creases_deepen_with_age() -> None:
    young, old = crease_strength(20, 1.0), crease_strength(75, 1.0)
    assert set(young) == set(CREASES) == set(ONSET_YEARS)
    assert max(young.values()) == 0
    assert min(old.values()) > 0.6


@pytest.mark.parametrize("name", CREASES)
def test_crease_is_a_thin_line_on_both_sides(name: str) -> None:
    atlas = load_atlas()
    shown = crease_map(atlas.position_SSD, atlas.part_SS == load_head().part_names.index("head"), name)
    strong = shown > 0.5
    assert 10 < strong.sum() < 0.03 * strong.size
    assert (atlas.position_SSD[strong][:, 0] > 0).any()
    assert (atlas.position_SSD[strong][:, 0] < 0).any()


def test_only_old_skin_sags_and_eyes_stay() -> None:
    head = load_head()
    for age, least in ((25, 0.0), (80, 0.02)):
        moved = head.vertices_VD.copy()
        sag(moved, age)
        offset = np.abs(moved - head.vertices_VD)
        assert offset.max() >= least
        assert offset.max() < 0.1
        assert not offset[head.vertices_of("eye_left", "eye_right")].any()
    young = head.vertices_VD.copy()
    sag(young, 25)
    np.testing.assert_array_equal(young, head.vertices_VD)
