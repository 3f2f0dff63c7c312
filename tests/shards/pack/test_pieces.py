import io
import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.layouts.layout import Source
from shards.pack.faces.crops import FaceCrop
from shards.pack.faces.pose import MEAN_FACE
from shards.pack.faces.quality import Gates
from shards.pack.frames.decode import DecodedFrame
from shards.pack.pieces import SHORTEST_PIECE, PieceCutter
from shards.pack.spool import Piece
from shards.schema import Failure
from tests.clips import face_clip

LENGTH = 10


def frame(index: int) -> DecodedFrame:
    picture = np.zeros((2, 2), np.uint8)
    return DecodedFrame(index, index / 25, picture, 1.0, lambda: picture)


def face(track: int, number: int) -> FaceCrop:
    jpeg = b"x" * (1 + number)
    return FaceCrop(track, 40 * MEAN_FACE[:, :2], 0.9, np.zeros((4, 4, 3), np.uint8), jpeg)


def cut(sharp_TF: list[list[float]], gates: Gates) -> tuple[list[Piece], list[Failure], PieceCutter]:
    """Tracks side by side, all from frame 0 on; a track has one sharpness per frame."""
    lines, failures = io.StringIO(), list[Failure]()
    cutter = PieceCutter(Source("v", face_clip(), "p"), None, "key", LENGTH, gates, lines, failures.append)
    for index in range(max(map(len, sharp_TF))):
        running = [track for track, sharp_F in enumerate(sharp_TF) if index < len(sharp_F)]
        cutter.end_tracks(keep=set(running))
        for track in running:
            cutter.add(frame(index), face(track, index), index, sharp_TF[track][index])
    cutter.end_tracks(keep=set())
    pieces = [Piece(**json.loads(line)) for line in lines.getvalue().splitlines()]
    return sorted(pieces, key=lambda piece: piece.key), failures, cutter


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(st.lists(st.sampled_from([0.1, 0.9]), min_size=1, max_size=60), min_size=1, max_size=3))
def test_every_frame_is_in_a_piece_or_in_the_ledger(sharp_TF: list[list[float]]) -> None:
    """And only pieces that follow one another are linked."""
    pieces, failures, cutter = cut(sharp_TF, Gates(least_sharpness=0.5))
    for track, sharp_F in enumerate(sharp_TF):
        mine = [piece for piece in pieces if piece.track == track]
        lost = sum(failure.frames or 0 for failure in failures if failure.track == track)
        assert sum(len(piece.frame_number) for piece in mine) + lost == len(sharp_F)
        numbers = [number for piece in mine for number in piece.frame_number]
        assert numbers == sorted(set(numbers))
        keys = {piece.piece: piece.key for piece in mine}
        for piece in mine:
            assert piece.quality["sharpness"] == np.median([sharp_F[n] for n in piece.frame_number])
            assert piece.quality["sharpness"] >= 0.5
            assert piece.next_key == keys.get(piece.piece + 1)
            assert piece.length == [1 + number for number in piece.frame_number]
    assert cutter.frames_kept == sum(len(piece.frame_number) for piece in pieces)
    for failure in failures:
        short = failure.track is not None and len(sharp_TF[failure.track]) < 8
        assert (failure.stage, failure.reason) == (
            ("track", "too_short") if short else ("quality", "too_blurred")
        )


def test_one_piece_is_all_that_waits() -> None:
    """A piece is written as soon as the next one is judged, however long the track."""
    lines = io.StringIO()
    source = Source("v", face_clip(), "p")
    cutter = PieceCutter(source, None, "key", LENGTH, Gates(), lines, list[Failure]().append)
    for index in range(5 * LENGTH):
        cutter.add(frame(index), face(0, index), index, 0.5)
        judged = max(0, (index + 1 - SHORTEST_PIECE) // LENGTH)
        assert len(lines.getvalue().splitlines()) == max(0, judged - 1)


def test_all_failed_gates_are_in_the_line() -> None:
    gates = Gates(least_eye_pixels=50, least_sharpness=0.5)
    pieces, (failure,), _ = cut([[0.25] * 12], gates)
    assert pieces == []
    assert failure.reason == "too_small"
    assert failure.detail == (
        "eyes 40.0 pixels apart, wanted 50; sharpness 0.25, wanted 0.5; 12 frames from 0 to 11"
    )
