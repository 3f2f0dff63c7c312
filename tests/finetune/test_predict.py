import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from finetune.artifact import load_model
from finetune.predict import main, open_model, predict
from pretrain.config import ConfigError
from tests.clips import face_frames
from tests.odd_videos import Form, encode

REPOSITORY = Path(__file__).parents[2]


def test_writes_a_table_with_units(saved_models, face_video, tmp_path, capsys):
    out = tmp_path / "aus.csv"
    main([str(face_video), "--model", str(saved_models["aunce"]), "--out", str(out)])
    table = pd.read_csv(out)
    assert len(table) == 30
    assert table["AU12_present"].isin([0, 1]).all()
    assert "30 frames, faces: 1, 30 rows" in capsys.readouterr().out


def test_no_face_is_an_empty_table_and_a_line(saved_models, blank_video, tmp_path, capsys):
    out = tmp_path / "aus.csv"
    main([str(blank_video), "--model", str(saved_models["intensity"]), "--out", str(out)])
    assert list(pd.read_csv(out)) == [
        *("face", "frame_number", "time_seconds", "AU4_intensity_0_5", "AU12_intensity_0_5")
    ]
    assert "no face found in 10 frames" in capsys.readouterr().err


def test_what_was_corrected_is_said(saved_models, tmp_path, capsys):
    recording = encode(tmp_path / "x.ts", face_frames(12), Form()).read_bytes()
    (tmp_path / "twice.ts").write_bytes(recording + recording)
    predict(load_model(saved_models["aunce"]), tmp_path / "twice.ts", tmp_path / "aus.csv")
    assert "twice.ts: decode: wrong_times: 12 of 24 frames" in capsys.readouterr().err
    assert pd.read_csv(tmp_path / "aus.csv")["time_seconds"].is_monotonic_increasing


def test_messages(saved_models, tmp_path, face_video):
    with pytest.raises(ConfigError, match="'nowhere' is no folder; give a job's model folder"):
        open_model("nowhere", tmp_path)
    saved = load_model(saved_models["aunce"])
    with pytest.raises(ConfigError, match=r"no video 'missing\.mp4' here"):
        predict(saved, Path("missing.mp4"), tmp_path / "a.csv")
    facts = json.loads((saved_models["aunce"] / "model.json").read_text())
    saved.facts["recipe"] = {**facts["recipe"], "detect_every": 5, "name": "other"}
    with pytest.raises(ConfigError, match="cropped here: there is no crop 'other'"):
        predict(saved, face_video, tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()


def test_serving_imports_neither_training_nor_storage_extras():
    """What runs in production must not need ray, deepspeed or the training loop."""
    banned = (
        "ray",
        "deepspeed",
        "sklearn",
        "pretrain.train",
        "pretrain.recipe",
        "pretrain.objectives",
        "pretrain.engine",
    )
    code = (
        "import sys, finetune.predict, finetune.served\n"
        f"sys.exit(','.join(name for name in {banned} if name in sys.modules) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")
