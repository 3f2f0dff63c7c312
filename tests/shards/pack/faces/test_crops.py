from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray

from shards.errors import ShardError
from shards.pack.faces.align import Aligner, FivePointAligner, crop
from shards.pack.faces.crops import FaceCropper
from shards.pack.faces.detect import Detector, Face, YuNet
from shards.pack.faces.recipes import WIDE, face5_wide
from shards.pack.frames.decode import DecodedFrame, read_frames
from shards.pack.frames.parts import Part
from shards.pack.stopwatch import Stopwatch
from tests.clips import face_clip

SIZE = 64


def nothing_to_tell(stage: str, reason: str, detail: str) -> None:
    raise AssertionError((stage, reason, detail))


def test_crops_of_a_real_face_and_their_time() -> None:
    watch = Stopwatch()
    cropper = FaceCropper(YuNet(), face5_wide(), SIZE, watch)
    frames = list(read_frames(face_clip(), cropper.long_side, nothing_to_tell))[:11]
    found = list(cropper.crops(frames, detect_every=5))
    assert [frame.index for frame, _ in found] == list(range(11))
    for frame, (face,) in found:
        assert face.track == 0
        assert (face.score is not None) == (frame.index % 5 == 0)
        wanted_HWC = crop(Part(frame.rgb_HWC), face5_wide().matrix(face.landmarks_52, SIZE), SIZE)
        np.testing.assert_array_equal(face.pixels_HWC, wanted_HWC)
        coded_HWC = simplejpeg.decode_jpeg(face.jpeg)
        assert np.abs(coded_HWC.astype(int) - face.pixels_HWC).mean() < 3
    assert set(watch.seconds) == {"detect", "track", "colour", "align", "encode"}


def test_landmarks_are_in_pixels_of_the_whole_frame() -> None:
    """A frame twice as large as the picture that is searched."""
    (frame, *_) = read_frames(face_clip(), 320, nothing_to_tell)
    twice_HWC = np.repeat(np.repeat(frame.rgb_HWC, 2, axis=0), 2, axis=1)
    large = DecodedFrame(0, 0.0, frame.small_HW, 0.5, lambda: twice_HWC)
    cropper = FaceCropper(YuNet(), face5_wide(), SIZE, Stopwatch())
    (_, (small_face,)), (_, (large_face,)) = (next(cropper.crops([one], 1)) for one in (frame, large))
    # The centre of pixel x is the border between 2 x and 2 x + 1.
    np.testing.assert_allclose(large_face.landmarks_52, 2 * small_face.landmarks_52 + 0.5)
    assert np.abs(large_face.pixels_HWC.astype(int) - small_face.pixels_HWC).mean() < 4


def test_what_ends_the_frames_comes_after_the_faces_before() -> None:
    def frames() -> Iterator[DecodedFrame]:
        for frame, _ in zip(read_frames(face_clip(), 320, nothing_to_tell), range(6), strict=False):
            yield frame
        raise ShardError("the disk is gone")

    cropper = FaceCropper(YuNet(), face5_wide(), SIZE, Stopwatch())
    seen = []
    found = cropper.crops(frames(), 5)
    for _ in range(6):
        seen.append(next(found)[0].index)
    assert seen == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ShardError, match="the disk is gone"):
        next(found)


class ManyLandmarks(YuNet):
    def detect(self, small_HW: NDArray[np.uint8]) -> list[Face]:
        return [replace(face, landmarks_52=np.zeros((68, 2))) for face in super().detect(small_HW)]


class Homography(FivePointAligner):
    def matrix(self, landmarks_52: NDArray[np.float64], size: int) -> NDArray[np.float64]:
        return np.eye(3)


@pytest.mark.parametrize(
    ("detector", "aligner", "message"),
    [
        (ManyLandmarks(), face5_wide(), r"a detector's landmarks have shape \(68, 2\), wanted \(5, 2\)"),
        (YuNet(), Homography(1, WIDE), r"an aligner's matrix has shape \(3, 3\), wanted \(2, 3\)"),
    ],
)
def test_what_plug_ins_give_is_checked(detector: Detector, aligner: Aligner, message: str) -> None:
    cropper = FaceCropper(detector, aligner, SIZE, Stopwatch())
    with pytest.raises(ShardError, match=message):
        next(cropper.crops(read_frames(face_clip(), 320, nothing_to_tell), 5))
