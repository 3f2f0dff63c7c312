import subprocess
import sys
from pathlib import Path

from shards.pack.spool import Piece, VideoSpool, piece_line, spool_folder, video_hash

DIES = """
import os, sys
from pathlib import Path
from shards.pack.spool import spool_folder
with spool_folder(Path(sys.argv[1])) as folder:
    os._exit(9)
"""


def test_a_dead_packer_s_folder_is_removed_and_a_living_one_s_not(tmp_path: Path) -> None:
    with spool_folder(tmp_path) as mine:
        subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], check=False)
        assert len(list(tmp_path.iterdir())) == 2
        with spool_folder(tmp_path) as second:
            assert {path.name for path in tmp_path.iterdir()} == {mine.name, second.name}
    assert list(tmp_path.iterdir()) == []


def test_pieces_come_back(tmp_path: Path) -> None:
    spool = VideoSpool(tmp_path, "x")
    columns = (
        [0.0, 0.5],
        [0, 1],
        [0, 2],
        [2, 3],
        [None, 0.5],
        [[1.0]] * 2,
        None,
        [[1]] * 2,
        {"sharpness": 0.5},
    )
    pieces = [Piece(f"k{number}", 0, number, None, *columns) for number in range(3)]
    spool.pieces_path.write_text("".join(map(piece_line, pieces)))
    spool.frames_path.write_bytes(b"abcde")
    assert [spool.piece_at(line) for line, _ in spool.lines()] == pieces
    assert spool.frames(pieces[0]) == [b"ab", b"cde"]
    spool.clear()
    assert list(spool.lines()) == []
    spool.remove()
    spool.remove()


def test_a_video_s_hash_names_nobody() -> None:
    assert video_hash("set", "people/ann.mp4") != video_hash("other", "people/ann.mp4")
    assert len(video_hash("set", "people/ann.mp4")) == 16
