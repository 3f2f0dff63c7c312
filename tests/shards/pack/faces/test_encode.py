import numpy as np
import simplejpeg

from shards.pack.faces.encode import encode
from tests.clips import face_frames


def test_jpeg_close_and_repeatable() -> None:
    pixels_HWC = face_frames(1)[0]
    data = encode(pixels_HWC)
    assert data == encode(np.asfortranarray(pixels_HWC))
    assert simplejpeg.decode_jpeg_header(data)[:4] == (144, 176, "YCbCr", "420")
    found_HWC = simplejpeg.decode_jpeg(data).astype(float)
    assert 10 * np.log10(255**2 / np.mean((found_HWC - pixels_HWC) ** 2)) > 35
