"""The networks by the name that a saved model gives."""

from collections.abc import Callable

from finetune.models.au_detector import AuDetector
from finetune.models.intensity_regressor import IntensityRegressor
from finetune.models.linear_detector import LinearDetector
from finetune.models.network import Network
from finetune.models.text_classifier import TextClassifier

NETWORKS: dict[str, Callable[..., Network]] = {
    network.__name__: network for network in (AuDetector, IntensityRegressor, LinearDetector, TextClassifier)
}
"""Each takes an encoder and the `heads` that it was made with."""
