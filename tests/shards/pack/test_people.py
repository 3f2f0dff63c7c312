from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from shards.layouts.layout import Source
from shards.pack.people import bystanders, person_of
from shards.pack.spool import Piece


def piece(track: int, first: int, frames: int, eye_pixels: float, number: int = 0) -> Piece:
    landmarks = [[0.0, 0.0, eye_pixels, 0.0, *[0.0] * 6]] * frames
    numbers = list(range(first, first + frames))
    columns = ([0.04 * number for number in numbers], numbers, [], [], [], landmarks)
    return Piece(f"k{track}-{number}", track, number, None, *columns, None, None, {})


def test_the_larger_face_is_the_named_one_as_long_as_it_is_there() -> None:
    large, small, later = piece(0, 0, 50, 40), piece(1, 20, 90, 9), piece(2, 60, 40, 38)
    assert bystanders([large, small, later]) == {1}
    assert bystanders([small, later]) == {1}
    assert bystanders([small]) == set()
    assert bystanders([large, piece(2, 50, 40, 5)]) == set()  # one after the other may be one person
    assert bystanders([large, piece(2, 49, 40, 5)]) == {2}


def test_a_track_is_as_large_as_all_its_pieces() -> None:
    brief = piece(0, 0, 20, 40)
    long = [piece(1, 64 * number, 64, 20, number) for number in range(3)]
    assert bystanders([brief, *long]) == {0}


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20), st.integers(1, 50)), max_size=12))
def test_named_tracks_are_never_seen_together(tracks: list[tuple[int, int, int]]) -> None:
    pieces = [piece(number, *track) for number, track in enumerate(tracks)]
    others = bystanders(pieces)
    frames = [number for one in pieces if one.track not in others for number in one.frame_number]
    assert len(frames) == len(set(frames))
    for one in pieces:
        if one.track in others:  # it was seen beside the named person
            assert set(one.frame_number) & set(frames)


def test_names() -> None:
    named, unnamed = (Source("a/1.mp4", Path("a/1.mp4"), identity) for identity in ("ann", None))
    assert person_of(named, 3, is_bystander=False) == "ann"
    assert person_of(named, 3, is_bystander=True) == "a/1.mp4#3"
    assert person_of(unnamed, 3, is_bystander=False) == "a/1.mp4#3"
    assert person_of(unnamed, 3, is_bystander=True) == "a/1.mp4#3"
