"""Registration against a real MLflow store (SQLite, no server)."""

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from finetune.artifact import load_model, save_model
from finetune.faces import FramesSeen, face_pieces
from finetune.registry import register
from finetune.served import ServedModel
from infra.server import free_ports
from pretrain.config import ConfigError
from shards.pack.faces.encode import encode

REPOSITORY = Path(__file__).parents[2]
SERVING = REPOSITORY / ".venv-serving" / "bin"
BLOCK_TRAINING = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("ray", "deepspeed"):
            raise ImportError(name + " is not installed here")
sys.meta_path.insert(0, Block())
import mlflow, pandas
model = mlflow.pyfunc.load_model("models:/toy-detector@candidate")
print(model.predict(pandas.DataFrame({"video": [sys.argv[1]]})).to_json())
"""


@pytest.fixture
def job(tmp_path, saved_models, make_result):
    result = make_result("pretrained", aus=(4, 12))
    for row in result["test"].values():
        for score in row.values():
            score["per_au"] = {"AU4": 0.25, "AU12": None}
    result["data"] |= {"recipe_digest": "r" * 64, "layout": "disfa"}
    result["people_line"] = "disfa fold 3"
    result["init"]["source"] = "s3://bucket/encoder"
    saved = load_model(saved_models["aunce"])
    folder = tmp_path / "job"
    save_model(folder / "model", saved.model, saved.facts)
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def test_registers_and_loads_by_alias_without_training_packages(job, face_video, tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    version = register(job, "toy-detector", tracking_uri=uri)
    import mlflow

    found = mlflow.MlflowClient(uri).get_model_version_by_alias("toy-detector", "candidate")
    assert str(found.version) == version == "1"
    assert found.tags["crop_recipe_digest"] == "r" * 64
    assert found.tags["training_data_digest"] == "d" * 64
    assert found.tags["run_id"] == found.run_id
    assert "generated faces" in found.description
    weights = (job / "model" / "model.safetensors").read_bytes()
    assert found.tags["model_digest"] == hashlib.sha256(weights).hexdigest()
    names = [path.name for path in tmp_path.glob("mlruns/**/artifacts/**/*") if path.is_file()]
    assert "model.safetensors" in names
    assert "MODEL_CARD.md" in names
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pt", ".bin"))]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BLOCK_TRAINING, str(face_video)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 0, done.stderr
    table = pd.DataFrame(json.loads(done.stdout.splitlines()[-1]))
    assert len(table) == 30
    assert {"AU12_probability", "AU12_present", "time_seconds", "face"} <= set(table)
    assert register(job, "toy-detector", tracking_uri=uri) == "2"


def ask(port, content):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        json.dumps({"dataframe_split": content}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return pd.DataFrame(json.load(answer)["predictions"])


def wait_until_served(port, server):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("not served in time")


@pytest.mark.full
@pytest.mark.skipif(not SERVING.exists(), reason="no .venv-serving here; infra/setup.sh makes it")
def test_a_served_model_answers_where_ray_and_deepspeed_are_not_installed(
    job, face_video, tmp_path, monkeypatch
):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.chdir(tmp_path)
    register(job, "toy-detector", tracking_uri=uri)
    absent = subprocess.run([SERVING / "python", "-c", "import ray"], capture_output=True, text=True)
    assert "No module named 'ray'" in absent.stderr
    (port,) = free_ports(1)
    words = ["models", "serve", "-m", "models:/toy-detector@candidate", "--env-manager", "local"]
    environment = {
        "MLFLOW_TRACKING_URI": uri,
        "PYTHONPATH": str(REPOSITORY),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    path = f"{SERVING}{os.pathsep}{os.environ['PATH']}"  # MLflow starts `uvicorn` by name
    with (tmp_path / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            [SERVING / "mlflow", *words, "--host", "127.0.0.1", "--port", str(port)],
            env=os.environ | environment | {"PATH": path},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_until_served(port, server)
            video = ask(port, {"columns": ["video"], "data": [[str(face_video)]]})
            saved = load_model(job / "model")
            (piece,) = face_pieces(face_video, saved.recipe, FramesSeen())
            crops = [encode(frame) for frame in piece.frames]
            coded = [[base64.b64encode(crop).decode()] for crop in crops]
            cropped = ask(port, {"columns": ["crop_jpeg"], "data": coded})
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)
    here = ServedModel(saved)
    columns = ["AU4_probability", "AU12_probability"]
    wanted = here.predict(pd.DataFrame({"video": [str(face_video)]}))
    assert video["frame_number"].tolist() == list(range(30))
    np.testing.assert_allclose(video[columns], wanted[columns], rtol=1e-6)
    wanted = here.predict(pd.DataFrame({"crop_jpeg": crops}))
    np.testing.assert_allclose(cropped[columns], wanted[columns], rtol=1e-6)


def test_message(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no finished job: result.json and model/model.json wanted"):
        register(tmp_path, "a")
