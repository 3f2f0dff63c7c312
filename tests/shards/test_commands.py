from pathlib import Path

import pytest

from shards.__main__ import main
from shards.commands import COMMANDS
from shards.layouts.registry import LAYOUTS
from shards.synthetic.writers.registry import WRITERS
from tests.clips import face_frames, write_video
from tests.drawn_set import write_set


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_has_an_example(command: object, capsys: pytest.CaptureFixture[str]) -> None:
    name = command.name  # type: ignore[attr-defined]
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"example: python -m shards {name}" in text


@pytest.mark.parametrize(("command", "names"), [("generate", WRITERS), ("pack", LAYOUTS)])
def test_help_names_every_layout(
    command: str, names: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    said = capsys.readouterr().out
    assert [name for name in names if name not in said] == []


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


def test_problems_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = write_set(str(tmp_path / "set"), tmp_path)
    (tmp_path / "set" / manifest.shards[0].name).unlink()
    assert main(["verify", str(tmp_path / "set")]) == 1
    assert f"problem: {manifest.shards[0].name}: missing" in capsys.readouterr().out
