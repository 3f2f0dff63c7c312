import hashlib
import re
from importlib import resources

import numpy as np

from shards.synthetic.correctives import MIDDLE, SIDED
from shards.synthetic.head import load_head

DATA = resources.files("shards.synthetic").joinpath("data")
LARGEST_BYTES = 1_000_000


def test_packed_head_is_the_one_its_readme_names() -> None:
    packed = DATA.joinpath("head.npz").read_bytes()
    named = re.search(r"head\.npz`: `([0-9a-f]{64})`", DATA.joinpath("README.md").read_text(encoding="ascii"))
    assert named is not None
    assert hashlib.sha256(packed).hexdigest() == named.group(1)
    assert len(packed) < LARGEST_BYTES


def test_licence_travels_with_the_data() -> None:
    licence = DATA.joinpath("LICENSE").read_text(encoding="utf-8")
    assert "CC0 1.0" in licence
    assert "MakeHuman" in licence


def test_head_is_consistent() -> None:
    head = load_head()
    assert len(head.expressions.names) == 52 + len(MIDDLE) + 2 * len(SIDED)
    assert head.triangles_T3.max() == len(head.vertices_VD) - 1
    assert head.texture_triangles_T3.max() == len(head.texture_U2) - 1
    assert head.texture_U2.min() >= 0
    assert head.texture_U2.max() <= 1
    eyes = head.vertices_of("eye_left", "eye_right")
    np.testing.assert_allclose(head.vertices_VD[eyes].mean(axis=0), 0, atol=1e-5)


def test_targets_add_up() -> None:
    head = load_head()
    weights = np.zeros(len(head.expressions.names), np.float32)
    jaw = head.expressions.names.index("jawOpen")
    weights[jaw] = 0.5
    moved = head.vertices_VD.copy()
    head.expressions.add(moved, weights)
    expected = head.vertices_VD.copy()
    entries = slice(head.expressions.offsets[jaw], head.expressions.offsets[jaw + 1])
    expected[head.expressions.rows_E[entries]] += 0.5 * head.expressions.delta_ED[entries]
    np.testing.assert_allclose(moved, expected, atol=1e-6)
    assert np.abs(moved - head.vertices_VD).max() > 0.15
