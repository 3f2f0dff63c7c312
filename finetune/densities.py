"""Predicted against true intensity: how the predictions of frames of each true level spread.

Axes: F frames, A AUs, L = 6 levels of the truth, B bins of the prediction.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from finetune.predictions import Predictions
from pretrain.metrics.intensity import MAX_INTENSITY

BINS_PER_UNIT = 4
NUM_BINS = MAX_INTENSITY * BINS_PER_UNIT
LEVELS = MAX_INTENSITY + 1
Counts = NDArray[np.int64]


def intensity_counts(jobs: Sequence[Predictions]) -> Counts:
    """Coded frames by AU, true level and bin of the prediction `(A, L, B)`, over all jobs.

    A bin holds its lower edge; the last one its upper edge, too. Predictions are clipped to 0..5.
    """
    counts_ALB = np.zeros((len(jobs[0].labels), LEVELS, NUM_BINS), np.int64)
    for job in jobs:
        bin_FA = np.floor(job.value_FA.clip(0, MAX_INTENSITY) * BINS_PER_UNIT).astype(np.int64)
        bin_FA = np.minimum(bin_FA, NUM_BINS - 1)
        for au in range(counts_ALB.shape[0]):
            coded_F = job.label_FA[:, au] >= 0
            np.add.at(counts_ALB[au], (job.label_FA[coded_F, au], bin_FA[coded_F, au]), 1)
    return counts_ALB
