"""The tested people's frames of a finished job, read back from `test_predictions.parquet`.

Axes: F frames, A AUs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from finetune.arms import labels_of
from finetune.protocols.protocol import Kind
from finetune.results import PREDICTIONS_NAME
from finetune.scored import Sums, sums_of
from pretrain.config import ConfigError

VALUE_OF = {"detection": "probability", "intensity": "intensity_0_5"}


@dataclass(frozen=True)
class Predictions:
    """One entry per frame that was scored, in the order of the file."""

    kind: Kind
    labels: list[str]
    person_F: list[str]
    key_F: list[str]
    frame_index_F: NDArray[np.int64]
    time_seconds_F: NDArray[np.float64]
    value_FA: NDArray[np.float32]
    """Probabilities or intensities."""
    label_FA: NDArray[np.int8]
    """-1 where nobody coded."""

    def sums(self, value_FA: NDArray[np.floating], threshold_A: NDArray[np.float64] | None) -> Sums:
        """What each person contributes if these were the values; detection needs thresholds."""
        return sums_of(self.kind, value_FA, self.label_FA, self.person_F, threshold_A)


def read_predictions(folder: Path, result: Mapping[str, Any]) -> Predictions:
    """Of a job's folder and result.

    Raises:
        ConfigError: the file is not there, or the job predicts something else than AUs.
    """
    kind: Kind = result["kind"]
    file = folder / PREDICTIONS_NAME
    if kind not in VALUE_OF:
        raise ConfigError(
            f"{folder}: predictions of AUs wanted, found {kind}; give a job of {list(VALUE_OF)}"
        )
    if not file.is_file():
        raise ConfigError(f"no {PREDICTIONS_NAME} in {folder}; give the job's whole run folder")
    table: pd.DataFrame = pd.read_parquet(file)
    labels = labels_of(result)
    return Predictions(
        kind=kind,
        labels=labels,
        person_F=table["person"].tolist(),
        key_F=table["key"].tolist(),
        frame_index_F=table["frame_index"].to_numpy(np.int64),
        time_seconds_F=table["time_seconds"].to_numpy(np.float64),
        value_FA=table[[f"{label}_{VALUE_OF[kind]}" for label in labels]].to_numpy(np.float32),
        label_FA=table[[f"{label}_label" for label in labels]].to_numpy(np.int8),
    )


def track_of(key: str) -> str:
    """A sample's key without the number of its piece, as packing writes it."""
    return key.rsplit("-", 1)[0]
