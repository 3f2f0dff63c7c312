"""An exported encoder as ONNX, for runtimes without torch: pixels in 0..1 to features, statistics inside.

The number of frames is free; everything else is fixed. Axes: N frames, C channels, H W pixels, S places,
D features.
"""

import importlib.util
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from pretrain.config import ConfigError
from pretrain.models.encoder import FrameEncoder
from pretrain.models.exported import load_encoder
from shards import storage

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
FRAMES, POOLED, TOKENS, COUNT = "frames_NCHW", "pooled_ND", "tokens_NSD", "N"
TRACED, CHECKED = 2, (1, 3)
"""Frames that are traced with, and that the file is then run on: other counts than the traced one."""
TOLERANCE = 1e-3
"""Largest difference from torch that is accepted, as a share of the largest feature: float32 either way."""


class _Named(nn.Module):
    """A copy in float32, whatever `encoder.precision` says: runtimes on CPUs know no autocast."""

    def __init__(self, encoder: FrameEncoder) -> None:
        super().__init__()
        self.encoder = deepcopy(encoder).float()
        self.encoder.config = replace(encoder.config, precision="float32")

    def forward(self, frames_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encoder(frames_NCHW)
        return features.pooled_ND, features.tokens_NSD


def export_url(url: str, out: Path) -> float:
    """Write the encoder that pretraining left at `url` as the ONNX file `out`.

    Args:
        url: folder, local or s3://, that `encoder.save_encoder` filled.
        out: the file.

    Returns:
        Largest difference of the file's features from torch's, as a share of the largest feature.

    Raises:
        ConfigError: no encoder is there, a package is missing, or the file gives other features.
    """
    with tempfile.TemporaryDirectory(prefix="facscale-onnx-") as folder:
        storage.download(url, [name for name in storage.list_names(url) if "/" not in name], Path(folder))
        try:
            encoder, _ = load_encoder(Path(folder))
        except FileNotFoundError as error:
            raise ConfigError(
                f"{url} holds no exported encoder; give the folder `encoder` of a finished run"
            ) from error
    return export_onnx(encoder, out)


def export_onnx(encoder: FrameEncoder, out: Path) -> float:
    """Write an encoder as ONNX and run the file: only one that gives torch's features is left behind.

    Args:
        encoder: stays as it is; the file computes in float32.
        out: the file.

    Returns:
        As `export_url`.

    Raises:
        ConfigError: a package is missing, or the file gives other features.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"export to ONNX needs {', '.join(missing)}: pip install {' '.join(missing)}")
    model, size = _Named(encoder).eval(), encoder.config.image_size
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f"{out.name}.partial")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            model,
            (torch.rand(TRACED, 3, size, size, generator=generator),),
            input_names=[FRAMES],
            output_names=[POOLED, TOKENS],
            dynamic_shapes=({0: torch.export.Dim(COUNT)},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    try:
        # One file: weights beside it would be lost in a copy. ONNX itself ends at 2 GiB.
        program.save(unfinished, external_data=False)
        worst = max(_difference(model, unfinished, count, generator) for count in CHECKED)
        if worst > TOLERANCE:
            raise ConfigError(
                f"ONNX's features of this {encoder.config.model_type} differ from torch's by {worst:.1e} of "
                f"the largest, more than {TOLERANCE:g}; no file was written. Use another backbone, or torch"
            )
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    return worst


def _difference(model: _Named, file: Path, count: int, generator: torch.Generator) -> float:
    # It tells its maker that it was loaded otherwise, and reads this once.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    size = model.encoder.config.image_size
    frames_NCHW = torch.rand(count, 3, size, size, generator=generator)
    with torch.no_grad():
        wanted = model(frames_NCHW)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    found = session.run([POOLED, TOKENS], {FRAMES: frames_NCHW.numpy()})
    differences = []
    for own, other in zip(wanted, map(torch.from_numpy, found), strict=True):
        if own.shape != other.shape:
            return float("inf")
        differences.append(float((own - other).abs().max() / own.abs().max()))
    return max(differences)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells of its own internals."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
