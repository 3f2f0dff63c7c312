"""Features that need no training."""

import numpy as np
import torch
from torch import nn

from finetune.untrained import PixelComponents, random_encoder
from pretrain.augment import AugmentConfig
from pretrain.models.encoder import EncoderConfig
from pretrain.sampled import encode_with, read_sampled, spread_frames
from shards.tracks import load_tracks


def frames_of(toy_set):
    tracks = load_tracks(toy_set)
    return read_sampled(tracks, spread_frames(tracks, range(len(tracks)), 8))


def test_components_are_those_of_the_small_grey_frames(toy_set):
    frames = frames_of(toy_set)
    found_FK = PixelComponents(frames, size=32)(frames)
    grey_FD = frames.pixels_FHWC.mean(axis=3).reshape(len(frames), -1) / 255
    centred_FD = grey_FD - grey_FD.mean(axis=0)
    left_FF, value_F, _ = np.linalg.svd(centred_FD, full_matrices=False)
    strong = value_F > 0.1
    np.testing.assert_allclose(
        np.abs(found_FK[:, : len(value_F)][:, strong]), np.abs(left_FF * value_F)[:, strong], atol=1e-3
    )


def test_random_weights_see_these_faces_statistics(toy_set):
    frames = frames_of(toy_set)
    settings = {"embedding_size": 8, "hidden_sizes": [8], "depths": [1], "layer_type": "basic"}
    config = EncoderConfig("resnet", settings, image_size=32)
    torch.manual_seed(11)
    encoder = random_encoder(config, AugmentConfig(), frames, seed=4)
    assert not encoder.training
    outputs = {}
    for name, layer in encoder.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert int(layer.num_batches_tracked) == 20
            layer.register_forward_hook(lambda _, __, out, name=name: outputs.update({name: out}))
    encode_with(encoder, frames)
    for out_NCHW in outputs.values():
        assert 0.5 < float(out_NCHW.std()) < 2.0
    again = random_encoder(config, AugmentConfig(), frames, seed=4)
    np.testing.assert_array_equal(encode_with(encoder, frames), encode_with(again, frames))
