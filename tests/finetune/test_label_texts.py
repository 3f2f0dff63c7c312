from pathlib import Path

import pytest
import torch

from finetune.label_texts import DESCRIPTIONS, embed_labels, read_label_texts
from finetune.protocols.registry import PROTOCOLS
from pretrain.config import ConfigError
from pretrain.models.text import embed

LABELS = ("AU12", "AU4", "AU26")


def test_every_label_of_every_protocol_has_a_text_of_its_own():
    texts = {}
    for protocol in PROTOCOLS.values():
        labels = (*(f"AU{au}" for au in protocol.aus("detection")), *protocol.expression)
        texts |= dict(zip(labels, read_label_texts(labels), strict=True))
    assert len({text.name for text in texts.values()}) == len(texts) > 20
    sentences = [sentence for text in texts.values() for sentence in text.descriptions]
    assert len(set(sentences)) == len(sentences)


def test_an_au_is_read_with_and_without_and_described_in_every_template():
    texts = read_label_texts(LABELS)
    found = embed_labels(texts, "names_and_descriptions", sides=2)
    assert found.names_LSE.shape[:2] == (3, 2)
    wanted = embed(["A photo of a person without brow lowerer.", "A photo of a person with brow lowerer."])
    torch.testing.assert_close(found.names_LSE[1], wanted)
    assert found.descriptions_LKE.shape[1] == 3 * len(DESCRIPTIONS)
    described = embed([f"A person with {texts[2].descriptions[1]}."])[0]
    assert (found.descriptions_LKE[2] @ described).max() > 0.999
    assert (found.descriptions_LKE[:2] @ described).max() < 0.99


def test_shuffled_texts_are_those_of_another_label_and_none_say_nothing():
    texts = read_label_texts(LABELS)
    true, shuffled = (embed_labels(texts, kind, 1, seed=3) for kind in ("names", "shuffled"))
    nearest = (shuffled.names_LSE[:, 0] @ true.names_LSE[:, 0].T).argmax(dim=1).tolist()
    assert sorted(nearest) == [0, 1, 2]
    assert all(place != own for own, place in enumerate(nearest))
    own_of = (shuffled.descriptions_LKE[0] @ true.descriptions_LKE[nearest[0]].T).diagonal()
    torch.testing.assert_close(own_of, torch.ones_like(own_of))
    nothing = embed_labels(texts, "none", 2).names_LSE
    assert torch.equal(nothing[:, 1], torch.eye(3))
    assert torch.equal(nothing[:, 0], -torch.eye(3))


def test_texts_of_ones_own_are_read_and_wrong_ones_refused(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("grin: {name: a grin, descriptions: [bare teeth]}\n")
    assert read_label_texts(["grin"], file)[0].name == "a grin"
    with pytest.raises(ConfigError, match=r"no text for the labels AU12 in mine.yaml; add them to a file"):
        read_label_texts(["grin", "AU12"], file)
    with pytest.raises(ConfigError, match=r"clef.texts=nowhere.yaml is not there"):
        read_label_texts(["grin"], Path("nowhere.yaml"))
    for content in ("- a list\n", "grin: {name: a grin}\n", "grin: [\n"):
        file.write_text(content)
        with pytest.raises(ConfigError, match=r"must hold lines such as `AU12: {name: lip corner puller"):
            read_label_texts(["grin"], file)
    for content in ("grin: {name: 3, descriptions: [x]}\n", "grin: {name: a grin, descriptions: []}\n"):
        file.write_text(content)
        with pytest.raises(ConfigError, match=r"at least one description must be text, not so of \['grin'\]"):
            read_label_texts(["grin"], file)
