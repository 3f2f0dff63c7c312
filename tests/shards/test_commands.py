from pathlib import Path

import pytest

from shards.__main__ import main
from shards.commands import COMMANDS
from tests.clips import face_frames, write_video
from tests.drawn_set import write_set


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_has_an_example(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    name = command.name  # type: ignore[attr-defined]
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"example: python -m shards {name}" in text


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


def test_problems_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = write_set(str(tmp_path / "set"), tmp_path)
    (tmp_path / "set" / manifest.shards[0].name).unlink()
    assert main(["verify", str(tmp_path / "set")]) == 1
    assert f"problem: {manifest.shards[0].name}: missing" in capsys.readouterr().out
