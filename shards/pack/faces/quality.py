"""How good the frames of a piece are, and the gates that keep out those that are not good enough.

A piece (a sample to be) is judged by medians over its frames: one blurred frame does not cut a track.

Axes: H W C pixels of a crop; T frames, 5 landmarks of x, y.
"""

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from shards.pack.faces.pose import fit_pose


@dataclass(frozen=True)
class Quality:
    """Medians over the frames of a piece."""

    eye_pixels: float
    """Between the eyes in the source's frames, were the face turned towards the camera."""
    sharpness: float
    """See `sharpness`."""
    yaw_degrees: float
    """Away from the camera, to either side."""
    score: float | None
    """The detector's, over the frames that it searched; None where it searched none."""


@dataclass(frozen=True)
class Refusal:
    """What a piece fails by."""

    reason: str
    """For the ledger."""
    detail: str


@dataclass(frozen=True)
class Gates:
    """What a piece needs to be kept; by default only faces that show next to nothing are left out."""

    least_eye_pixels: float = 6.0
    """Faces of FER+, in pictures of 48 pixels, have 18."""
    least_sharpness: float = 0.0
    """Depends on the crop's size: a face that fills fewer pixels than its crop counts as blurred."""
    most_yaw_degrees: float = 180.0
    """From one person to the next, 5 landmarks tell yaw to about 7 degrees (95 %: 18)."""
    least_score: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"gate {name} needs a number from 0 on, found {value}")

    @classmethod
    def from_words(cls, words: Iterable[str]) -> Self:
        """Gates as given on the command line, `NAME=VALUE` each.

        Raises:
            ValueError: there is no such gate (names the nearest), it is given twice, or has no number.
        """
        names = [field.name for field in fields(cls)]
        given: dict[str, float] = {}
        for word in words:
            name, _, value = word.partition("=")
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
                hint = f"; did you mean {near[0]!r}?" if near else ";"
                raise ValueError(f"there is no gate {name!r}{hint} There are: {', '.join(names)}")
            if name in given:
                raise ValueError(f"gate {name} is given twice; give it once")
            try:
                given[name] = float(value)
            except ValueError:
                raise ValueError(f"gate {word!r} has no number; give {name}=VALUE") from None
        return cls(**given)

    def refusals(self, quality: Quality) -> list[Refusal]:
        """All that a piece fails by, the gravest first; empty if it is good enough."""
        checks = (
            (
                "too_small",
                quality.eye_pixels >= self.least_eye_pixels,
                f"eyes {quality.eye_pixels} pixels apart, wanted {self.least_eye_pixels:g}",
            ),
            (
                "low_score",
                quality.score is None or quality.score >= self.least_score,
                f"score {quality.score}, wanted {self.least_score:g}",
            ),
            (
                "too_turned",
                quality.yaw_degrees <= self.most_yaw_degrees,
                f"turned by {quality.yaw_degrees} degrees, wanted at most {self.most_yaw_degrees:g}",
            ),
            (
                "too_blurred",
                quality.sharpness >= self.least_sharpness,
                f"sharpness {quality.sharpness}, wanted {self.least_sharpness:g}",
            ),
        )
        return [Refusal(reason, detail) for reason, passed, detail in checks if not passed]


def measure(
    landmarks_T52: NDArray[np.float64], sharpness_T: Sequence[float], score_T: Sequence[float | None]
) -> Quality:
    """The quality of a piece; landmarks are in pixels of the source's frames."""
    pose = fit_pose(landmarks_T52)
    searched = [score for score in score_T if score is not None]
    # Rounded before they are compared: what the ledger shows is what decided.
    return Quality(
        eye_pixels=round(float(np.median(pose.eye_pixels_T)), 2),
        sharpness=round(float(np.median(sharpness_T)), 4),
        yaw_degrees=round(float(np.median(np.abs(pose.yaw_degrees_T))), 1),
        score=round(float(np.median(searched)), 4) if searched else None,
    )


def inner_face(template: list[list[float]], size: int) -> tuple[slice, slice]:
    """Rows and columns of a crop in which sharpness is measured: eyes to mouth, half an eye distance around.

    Hair, background and the black beyond the frame are left out.
    """
    template_52 = np.asarray(template)
    margin = 0.5 * float(np.linalg.norm(template_52[1] - template_52[0]))
    low_2 = np.clip((template_52.min(axis=0) - margin) * size, 0, size - 2).round().astype(int)
    high_2 = np.clip((template_52.max(axis=0) + margin) * size, low_2 + 2, size).round().astype(int)
    return slice(low_2[1], high_2[1]), slice(low_2[0], high_2[0])


def sharpness(rgb_HWC: NDArray[np.uint8]) -> float:
    """Root mean square of the luma's Laplacian, divided by the luma's standard deviation; of one colour 0.

    The Laplacian's variance (its mean is next to 0) is a common measure of focus (LAPV in Pertuz et al. 2013,
    https://doi.org/10.1016/j.patcog.2012.11.011). It grows with contrast, so dark skin and dim light would
    count as blur; the ratio does not change with either.
    """
    luma_HW = cv2.cvtColor(rgb_HWC, cv2.COLOR_RGB2GRAY)
    _, spread = cv2.meanStdDev(luma_HW)
    detail = cv2.norm(cv2.Laplacian(luma_HW, cv2.CV_16S)) / math.sqrt(luma_HW.size)
    return float(detail / spread[0, 0]) if spread[0, 0] else 0.0
