from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest

from shards.__main__ import main
from shards.index import read_manifest
from shards.pack.faces.plugins import DETECTORS
from shards.pack.faces.quality import Gates
from shards.pack.faces.recipes import ALIGNERS
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


def test_gates_leave_samples_out_and_stats_count_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = face_frames(120)
    frames[48:72] = [np.asarray(cv2.GaussianBlur(frame, (0, 0), 2.5), np.uint8) for frame in frames[48:72]]
    write_video(tmp_path / "in" / "ann" / "1.mp4", frames)
    url = str(tmp_path / "set")
    arguments = ["pack", str(tmp_path / "in"), url, "--layout", "folder", "--size", "64", "--workers", "1"]
    gates = ["--gate", "least_sharpness=0.45", "--gate", "least_score=0.1"]
    assert main([*arguments, "--frames-per-sample", "24", *gates]) == 0
    said = capsys.readouterr().out
    assert "4 samples, 96 frames" in said
    assert "gave nothing (see failures/): 1 too_blurred" in said
    assert main(["verify", url, "--deep"]) == 0
    assert main(["stats", url]) == 0
    said = capsys.readouterr().out
    assert "gave nothing (see failures/): 1 too_blurred (24 frames)" in said
    for name in ("eye_pixels", "sharpness", "yaw_degrees", "score"):
        assert f"median {name}" in said
    assert main([*arguments, "--frames-per-sample", "24"]) == 2
    assert "least_sharpness is 0.45 there and 0.0 here" in capsys.readouterr().err


def test_another_crop_is_another_recipe(tmp_path: Path) -> None:
    write_video(tmp_path / "in" / "1.mp4", face_frames(10))
    recipes = {}
    for crop in ("face5_wide", "face5_tight"):
        url = str(tmp_path / crop)
        words = ["--layout", "folder", "--size", "48", "--workers", "1", "--crop", crop]
        assert main(["pack", str(tmp_path / "in"), url, *words]) == 0
        recipes[crop] = read_manifest(url).recipe
        assert recipes[crop].name == crop
    assert recipes["face5_wide"].digest != recipes["face5_tight"].digest


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--gate", "least_sharp=3"], "there is no gate 'least_sharp'; did you mean 'least_sharpness'?"),
        (["--crop", "face5_tigth"], "there is no crop 'face5_tigth'; did you mean 'face5_tight'?"),
        (["--detector", "mine:Faces"], "module 'mine' cannot be imported"),
    ],
)
def test_wrong_names_are_refused(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(tmp_path / "in" / "1.mp4", face_frames(2))
    url = str(tmp_path / "set")
    assert main(["pack", str(tmp_path / "in"), url, "--layout", "folder", *words]) == 2
    assert message in capsys.readouterr().err
    assert not Path(url).exists()


def test_help_names_every_gate_crop_and_detector(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["pack", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for name in (*(field.name for field in fields(Gates)), *ALIGNERS, *DETECTORS):
        assert name in said
    assert f"least_eye_pixels (default {Gates().least_eye_pixels:g})" in said
