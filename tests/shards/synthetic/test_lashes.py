import numpy as np

from shards.synthetic.head import load_head
from shards.synthetic.lashes import lash_strips


def test_roots_and_tips_alternate_along_each_lid() -> None:
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    eye = np.stack([np.cos(turn), 0.4 * np.sin(turn), np.zeros(12)], axis=1)
    vertices = np.concatenate([eye, eye]).astype(np.float32)
    roots, offsets, triangles = lash_strips(vertices, np.arange(12), np.arange(12, 24))
    assert len(roots) == len(offsets)
    assert (roots[::2] == roots[1::2]).all()
    assert (offsets[1::2, 2] > offsets[::2, 2]).all()
    assert triangles.max() < len(roots)


def test_lashes_close_with_the_lid() -> None:
    head = load_head()
    lashes = head.vertices_of("lashes")
    weights = np.zeros(len(head.expressions.names), np.float32)
    weights[head.expressions.names.index("eyeBlinkLeft")] = 1.0
    moved = head.vertices_VD.copy()
    head.expressions.add(moved, weights)
    down = (moved - head.vertices_VD)[lashes, 1]
    left = head.vertices_VD[lashes, 0] > 0
    assert down[left].min() < -0.05
    assert not down[~left].any()
