import pytest
import torch

from finetune.audits.identity import audit_identity
from pretrain.config import ConfigError
from pretrain.models.encoder import FrameEncoder
from shards.tracks import load_tracks


@pytest.fixture(scope="module")
def encoders(tiny_encoder):
    torch.manual_seed(0)
    known = FrameEncoder(tiny_encoder).eval()
    blind = FrameEncoder(tiny_encoder).eval()
    for parameter in blind.parameters():
        torch.nn.init.zeros_(parameter)
    return {"knows colours": known, "knows nothing": blind}


def test_people_of_different_colours_are_told_and_nothing_is_told_of_nothing(make_set, encoders, tmp_path):
    tracks = load_tracks(make_set(tmp_path / "set", videos=2))
    audit = audit_identity(tracks, encoders, frames=96)
    knows, nothing, chance = audit.numbers
    assert chance.value == pytest.approx(1 / 6)
    assert knows.interval.low > chance.value
    assert nothing.value == pytest.approx(chance.value)
    assert "knows colours tells people" in audit.verdict
    assert (
        "knows nothing tells people 1.0 times as well as chance (not shown to be above chance)"
        in audit.verdict
    )


def test_single_videos_are_refused(toy_set, encoders):
    with pytest.raises(ConfigError, match="fewer than two people have two videos"):
        audit_identity(load_tracks(toy_set), encoders, frames=24)
