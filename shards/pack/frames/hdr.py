"""High dynamic range (PQ, HLG) to the standard range that faces are learned in.

Signal to light by SMPTE ST 2084 (PQ) or ITU-R BT.2100 (HLG, shown at 1,000 cd/m2); BT.2020 primaries to
BT.709; light up to `KNEE` of reference white (203 cd/m2, ITU-R BT.2408) is kept, more is bent towards the
peak by a Moebius function, so that faces keep their contrast; then the curve of sRGB.

Axes: H W pixels, C = RGB; tables have one entry per 8-bit signal.
"""

from functools import cache

import cv2
import numpy as np
from av.video.reformatter import ColorTrc
from numpy.typing import NDArray

TRANSFERS = frozenset([int(ColorTrc.SMPTE2084), int(ColorTrc.ARIB_STD_B67)])
WHITE_NITS = 203.0
PEAK = 1000.0 / WHITE_NITS
KNEE = 0.3
TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
"""Linear BT.2020 to linear BT.709 (ITU-R BT.2087)."""
CODES = 2048
"""Entries of the table from light to sRGB, spaced by its square root: below half a grey level apart."""


@cache
def light(transfer: int) -> NDArray[np.float32]:
    """(256,) light of each signal, as a share of reference white, up to `PEAK`."""
    signal = np.arange(256) / 255
    nits = _pq_nits(signal) if transfer == ColorTrc.SMPTE2084 else _hlg_nits(signal)
    return np.minimum(nits / WHITE_NITS, PEAK).astype(np.float32)


def _pq_nits(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    root = signal ** (32 / 2523)
    linear = np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)
    return np.asarray(10_000 * linear ** (8192 / 1305))


def _hlg_nits(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    high = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    scene = np.where(signal <= 0.5, signal**2 / 3, high)
    return np.asarray(1000 * scene**1.2)


def shown(light_share: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Light as a share of reference white, bent into the standard range, as sRGB."""
    a = -(KNEE**2) * (PEAK - 1) / (KNEE**2 - 2 * KNEE + PEAK)
    b = (KNEE**2 - 2 * KNEE * PEAK + PEAK) / (PEAK - 1)
    bent = (b**2 + 2 * b * KNEE + KNEE**2) / (b - a) * (light_share + a) / (light_share + b)
    kept = np.where(light_share <= KNEE, light_share, bent)
    curve = np.where(kept <= 0.0031308, 12.92 * kept, 1.055 * np.maximum(kept, 0) ** (1 / 2.4) - 0.055)
    return np.round(255 * np.clip(curve, 0, 1)).astype(np.uint8)


@cache
def _shown_by_root() -> NDArray[np.uint8]:
    """(CODES,) sRGB by the square root of light, from 0 to that of `PEAK`."""
    return shown(np.linspace(0, 1, CODES) ** 2 * PEAK)


def tone_mapped(rgb_HWC: NDArray[np.uint8], transfer: int) -> NDArray[np.uint8]:
    """Pixels of PQ or HLG signals in BT.2020 as sRGB."""
    light_HWC = cv2.transform(cv2.LUT(rgb_HWC, light(transfer)), TO_BT709)
    root_HWC = np.sqrt(np.clip(light_HWC, 0, PEAK, out=light_HWC), out=light_HWC)
    root_HWC *= (CODES - 1) / np.sqrt(PEAK)
    return np.asarray(_shown_by_root()[root_HWC.astype(np.uint16)], np.uint8)


def tone_mapped_luma(luma_HW: NDArray[np.uint8], transfer: int, limited: bool) -> NDArray[np.uint8]:
    """Luma of PQ or HLG as full-range luma of the standard range; `limited` has black at 16, white at 235."""
    signal = np.arange(256)
    if limited:
        signal = np.clip(np.round((signal - 16) * (255 / 219)), 0, 255).astype(int)
    table = shown(light(transfer)[signal].astype(np.float64))
    return np.asarray(cv2.LUT(luma_HW, table), np.uint8)
