"""Jobs of a packing worker, for tests that pack one video without a set."""

from typing import Any

from shards.layouts.layout import Source
from shards.pack.job import PackConfig
from shards.pack.origin import LocalOrigin
from shards.pack.video import VideoJob

NAMESPACE = "set"


def video_job(source: Source, size: int, frames_per_sample: int, **settings: Any) -> VideoJob:
    """A job of these and default settings."""
    config = PackConfig("", "", NAMESPACE, size=size, frames_per_sample=frames_per_sample, **settings)
    return VideoJob(source, config, LocalOrigin(source.path.parent))
