"""Registration against a real MLflow store (SQLite, no server)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from finetune.artifact import save_model
from finetune.registry import model_card, register
from pretrain.config import ConfigError

REPOSITORY = Path(__file__).parents[2]
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
    from finetune.artifact import load_model

    result = make_result("pretrained")
    result["aus"] = [4, 12]
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


def test_the_card_names_scores_units_and_generated_faces(job):
    result = json.loads((job / "result.json").read_text())
    card = model_card(result)
    assert "say nothing about real people" in card
    assert "| AU12 | - | - |" in card
    assert "- `AU12_present`: 1 where" in card
    result["data"]["generated"] = False
    assert "generated" not in model_card(result)


def test_message(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no finished job: result.json and model/model.json wanted"):
        register(tmp_path, "a")


def test_the_card_of_expressions_names_them_in_their_order(make_result):
    scores = {"mean": 0.5, "per_expression": {"fear": None, "neutral": 0.75}}
    result = make_result("random") | {"kind": "expression", "aus": [], "expressions": ["neutral", "fear"]}
    result["test"] = {row: {"uar": scores} for row in ("honest", "commonest")}
    result["protocol"], result["people_line"] = {"name": "rafdb", "fold": 1}, "rafdb fold 1"
    result["data"] |= {"recipe_digest": "r" * 64, "layout": "rafdb"}
    card = model_card(result)
    assert "expressions neutral, fear" in card
    assert (
        "| expression | UAR | commonest |\n|---|---|---|\n| neutral | 0.750 | 0.750 |\n| fear | - | - |"
        in card
    )
    assert "6 pictures it has never seen" in card
    assert "- `expression`: the most probable one: neutral, fear" in card
