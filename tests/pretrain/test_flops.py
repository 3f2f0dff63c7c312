"""FLOPs as they are counted by hand, and by what passes through."""

import pytest
import torch

from pretrain.flops import FlopCount, dense_rate, forward_flops
from pretrain.models.encoder import EncoderConfig, FrameEncoder

WIDTH, LAYERS, PATCH, SIZE = 16, 2, 8, 32
VIT = EncoderConfig(
    "vit",
    {
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": 3 * WIDTH,
        "patch_size": PATCH,
    },
    image_size=SIZE,
)


def by_hand() -> int:
    """Two FLOPs of each weight and use; attention's two products; the pooler sees one token."""
    patches = (SIZE // PATCH) ** 2
    tokens = patches + 1
    weights = LAYERS * tokens * (4 + 2 * 3) * WIDTH**2 + patches * 3 * PATCH**2 * WIDTH + WIDTH**2
    return 2 * (weights + LAYERS * 2 * tokens**2 * WIDTH)


def test_a_frame_costs_what_its_layers_do():
    assert forward_flops(VIT) == by_hand()


def test_frames_with_gradients_count_three_times():
    trained, momentum = FrameEncoder(VIT), FrameEncoder(VIT)
    count = FlopCount([torch.nn.ModuleList([trained]), momentum], torch.device("cpu"), "float32")
    trained(torch.zeros(4, 3, SIZE, SIZE)).pooled_ND.sum().backward()
    with torch.no_grad():
        momentum(torch.zeros(5, 3, SIZE, SIZE))
    flops = (3 * 4 + 5) * by_hand()
    assert count.rates(0.5) == {"speed/tflops": pytest.approx(flops / 0.5 / 1e12)}
    assert count.rates(0.5) == {"speed/tflops": 0}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_convolutions_places_count(precision):
    small, large = (
        forward_flops(EncoderConfig("resnet", image_size=size, precision=precision)) for size in (32, 64)
    )
    assert large == pytest.approx(4 * small, rel=0.01)


def test_a_dense_rate_is_a_rate():
    assert 1e6 < dense_rate(torch.device("cpu"), torch.float32, size=64) < 1e15
