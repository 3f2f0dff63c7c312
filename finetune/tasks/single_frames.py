"""Training on single labelled frames, in an order that the seed decides.

Axes: B clips of one frame, A label columns.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from finetune.data import draw_seed
from finetune.tasks.job import Job
from shards.batch import ClipBatch, ClipSpec
from shards.plan import Plan
from shards.stream import stream_clips

ORDER = 1
"""Purpose of a job's seed."""


def labelled_frames(job: Job, batch: int) -> Iterator[tuple[ClipBatch, Tensor]]:
    """Batches of the training people's frames and their labels `(B, A)`, -1 where there is none; no end."""
    data = job.data
    seed = draw_seed(job.seed, ORDER)
    plan = Plan(data.tracks, ClipSpec(num_frames=1), batch, seed=seed, rows=data.train_rows)
    for _, clips in stream_clips(data.tracks, plan, data.stream):
        label_BA = torch.from_numpy(data.target.of_batch(clips)[:, 0])
        yield clips, label_BA.masked_fill(~torch.from_numpy(clips.frame_valid_BT[:, :1]), -1)
