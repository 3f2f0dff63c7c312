from pathlib import Path

import pytest

from shards.__main__ import main
from tests.clips import face_frames, write_video


def test_generate_says_what_it_wants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["generate", str(tmp_path / "x"), "--layout", "bp4d", "--seconds", "1", "--seed", "1"]
    assert main([*words, "--identities", "42"]) == 2
    said = capsys.readouterr().err
    assert "identities: found 42, wanted at most 41, the subjects of BP4D; pass fewer" in said
    assert not (tmp_path / "x").exists()


def test_pack_and_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_video(tmp_path / "in" / "ann" / "1.mp4", face_frames(20))
    url = str(tmp_path / "set")
    arguments = ["pack", str(tmp_path / "in"), url, "--layout", "folder", "--size", "48", "--workers", "1"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "1 samples, 20 frames" in said
    assert "gave nothing (see failures/): none" in said
    assert main(["verify", url, "--deep"]) == 0
    assert "0 problems" in capsys.readouterr().out
