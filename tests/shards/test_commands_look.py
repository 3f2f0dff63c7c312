from pathlib import Path

import pytest

from shards.__main__ import main, make_parser
from shards.near_duplicates import MOST_DIFFERENCE
from tests.drawn_set import write_set


def test_problems_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = write_set(str(tmp_path / "set"), tmp_path)
    (tmp_path / "set" / manifest.shards[0].name).unlink()
    assert main(["verify", str(tmp_path / "set")]) == 1
    assert f"problem: {manifest.shards[0].name}: missing" in capsys.readouterr().out


def test_the_default_difference_is_the_modules() -> None:
    assert make_parser().parse_args(["duplicates", "x"]).most_difference == MOST_DIFFERENCE


def test_stats_and_inspect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = str(tmp_path / "set")
    write_set(url, tmp_path / "tars", labelled=True)
    files = tmp_path / "stats.json", tmp_path / "stats.png", tmp_path / "sheet.png", tmp_path / "one.mp4"
    assert main(["stats", url, "--json", str(files[0]), "--plot", str(files[1])]) == 0
    assert "6 people, 12 videos, 12 tracks, 12 samples, 384 frames" in capsys.readouterr().out
    look = ["inspect", url, "--sheet", str(files[2]), "--tracks", "5"]
    assert main([*look, "--sample", f"{3:016x}-000-000", "--video", str(files[3])]) == 0
    said = capsys.readouterr().out
    assert "5 samples are on" in said
    assert "32 frames are in" in said
    assert [path for path in files if not path.is_file()] == []
    assert main(["inspect", url, "--sample", "x"]) == 2
    assert "give --sheet PNG, or --sample KEY with --video MP4" in capsys.readouterr().err
