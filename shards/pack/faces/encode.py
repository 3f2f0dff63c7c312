"""Crops as JPEG files."""

import numpy as np
import simplejpeg
from numpy.typing import NDArray

JPEG_QUALITY = 95
JPEG_SUBSAMPLING = "420"


def encode(rgb_HWC: NDArray[np.uint8]) -> bytes:
    """One JPEG file; equal pixels give equal bytes for one version of simplejpeg."""
    pixels = np.ascontiguousarray(rgb_HWC)
    data: bytes = simplejpeg.encode_jpeg(pixels, JPEG_QUALITY, colorsubsampling=JPEG_SUBSAMPLING)
    return data
