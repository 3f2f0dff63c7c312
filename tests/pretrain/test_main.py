"""`python -m pretrain`: what a user sees. The runs themselves are in test_train."""

import subprocess
import sys
from pathlib import Path

import pytest

from pretrain.config import Request, load
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.models.exported import save_encoder
from pretrain.recipe import PretrainConfig

ROOT = Path(__file__).parents[2]
CPU_CONFIG = "pretrain/configs/clp_cpu.yaml"


def pretrain(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pretrain", *words], cwd=ROOT, capture_output=True, text=True
    )


def test_what_print_shows_is_the_same_config_again(tmp_path):
    words = ("data.url=s3://bucket/set", "run.url=s3://bucket/run", "optim.learning_rate=1e-4")
    process = pretrain(CPU_CONFIG, *words, "--print")
    assert process.returncode == 0, process.stderr
    path = tmp_path / "printed.yaml"
    path.write_text(process.stdout)
    printed = load(PretrainConfig, Request((path,), (), False))
    assert printed == load(PretrainConfig, Request((ROOT / CPU_CONFIG,), words, False))
    assert (printed.run.steps, printed.optim.learning_rate) == (400, 1e-4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing.yaml",), "no config file 'nothing.yaml' here"),
        (("data.url=x", "run.url=y", "run.setps=3"), "Did you mean: 'steps'"),
        (("data.url=/nowhere", "run.url=y"), "has no manifest.json: not a shard set"),
    ],
)
def test_a_users_mistake_ends_with_2_and_a_message(words, said):
    process = pretrain(*words)
    assert process.returncode == 2
    assert said in process.stderr
    assert "Traceback" not in process.stderr
    assert process.stdout == ""


def test_a_finished_runs_encoder_becomes_an_onnx_file(tmp_path):
    settings = {"hidden_sizes": [8], "depths": [1], "num_stages": 1}
    save_encoder(FrameEncoder(EncoderConfig("convnext", settings, 16)).eval(), tmp_path / "encoder", {})
    process = pretrain("export-onnx", str(tmp_path / "encoder"), str(tmp_path / "encoder.onnx"))
    assert process.returncode == 0, process.stderr
    assert "encoder.onnx; differs from torch by at most" in process.stderr
    assert (tmp_path / "encoder.onnx").stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("only-one",), "found ['only-one'], wanted ENCODER_URL FILE.onnx"),
        (("/nowhere", "x.onnx"), "/nowhere holds no exported encoder"),
    ],
)
def test_a_mistaken_export_ends_with_2_and_a_message(words, said):
    process = pretrain("export-onnx", *words)
    assert (process.returncode, process.stdout) == (2, "")
    assert said in process.stderr
    assert "Traceback" not in process.stderr


def test_help_shows_an_example_at_once():
    process = pretrain("--help")
    assert process.returncode == 0
    assert "python -m pretrain pretrain/configs/clp_cpu.yaml data.url=s3://" in process.stdout
