"""`python -m finetune.registry`: a finished job becomes a version of a registered MLflow model.

The artifact is safetensors and JSON; MLflow loads `finetune.served` by name. Nothing is pickled.
`python -m finetune.registry promote` moves an alias through gates (`finetune.promote`).
"""

import argparse
import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from finetune.artifact import FACTS_NAME, WEIGHTS_NAME, output_units, value_names
from finetune.audits.result import Audit, load_audit
from finetune.card import model_card
from finetune.results import RESULT_NAME
from pretrain.config import ConfigError, run_command
from shards.pack.faces.encode import encode

REQUIREMENTS = (
    "av",
    "mlflow",
    "numpy",
    "omegaconf",
    "opencv-python-headless",
    "pandas",
    "safetensors",
    "simplejpeg",
    "torch",
    "transformers",
)
CARD_NAME = "MODEL_CARD.md"
MODEL_DIGEST_TAG = "model_digest"
"""sha256 of the weights' file, of a version and of the run that trained it."""
MLFLOW_TYPES = {"int64": "long", "float64": "double", "str": "string"}


def register(
    folder: Path,
    name: str,
    alias: str = "candidate",
    tracking_uri: str = "",
    run_id: str | None = None,
    audits: Sequence[Audit] = (),
) -> str:
    """Register the model of a finished job and point `alias` at it.

    Args:
        folder: the job's run folder, with `model/` and `result.json`.
        name: of the registered model.
        alias: moved to the new version.
        tracking_uri: MLflow server; MLflow's own default if empty.
        run_id: the run to log into; a new one if None.
        audits: what the model card says of them.

    Returns:
        The new version.

    Raises:
        ConfigError: the folder holds no finished job.
    """
    if not (folder / RESULT_NAME).is_file() or not (folder / "model" / FACTS_NAME).is_file():
        raise ConfigError(f"{folder} holds no finished job: {RESULT_NAME} and model/{FACTS_NAME} wanted")
    import mlflow
    from mlflow.tracking import MlflowClient

    if tracking_uri:
        mlflow.set_tracking_uri(tracking_uri)
    result = json.loads((folder / RESULT_NAME).read_text())
    card = model_card(result, audits)
    (folder / "model" / CARD_NAME).write_text(card)
    with mlflow.start_run(run_id=run_id, run_name=None if run_id else folder.name) as run:
        info = _log(mlflow, folder, name, result)
        mlflow.log_artifact(str(folder / RESULT_NAME))
        version = str(info.registered_model_version)
        active = run.info.run_id
    client = MlflowClient()
    weights = hashlib.sha256((folder / "model" / WEIGHTS_NAME).read_bytes()).hexdigest()
    for tag, value in {**_tags(result, active), MODEL_DIGEST_TAG: weights}.items():
        client.set_model_version_tag(name, version, tag, value)
    client.update_model_version(name, version, description=card)
    client.set_registered_model_alias(name, alias, version)
    return version


def _log(mlflow: Any, folder: Path, name: str, result: dict[str, Any]) -> Any:
    import pandas as pd

    from finetune.served import CROP_COLUMN

    size = json.loads((folder / "model" / FACTS_NAME).read_text())["recipe"]["size"]
    # Grey crops: an example that can be served anywhere and shows nobody.
    grey = encode(np.full((size, size, 3), 128, np.uint8))
    return mlflow.pyfunc.log_model(
        name="model",
        loader_module="finetune.served",
        data_path=str(folder / "model"),
        signature=signature(result["kind"], value_names(result)),
        input_example=pd.DataFrame({CROP_COLUMN: [grey, grey]}),
        pip_requirements=[f"{package}=={importlib.metadata.version(package)}" for package in REQUIREMENTS],
        registered_model_name=name,
        metadata={"outputs": output_units(result["kind"], value_names(result))},
    )


def signature(kind: str, names: Sequence[Any]) -> Any:
    """Video paths or JPEG crops in; the columns of `output_units` out, after the video they belong to."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from finetune.served import CROP_COLUMN, VIDEO_COLUMN, column_type

    outputs = [ColSpec("string", VIDEO_COLUMN)]
    outputs += [ColSpec(MLFLOW_TYPES[column_type(name)], name) for name in output_units(kind, names)]
    inputs = [
        ColSpec("string", VIDEO_COLUMN, required=False),
        ColSpec("binary", CROP_COLUMN, required=False),
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _tags(result: dict[str, Any], run_id: str) -> dict[str, str]:
    return {
        "task": result["task"],
        "crop_recipe_digest": result["data"]["recipe_digest"],
        "training_data_digest": result["data"]["digest"],
        "encoder": str(result["init"].get("source", "random")),
        "fold": f"{result['protocol']['name']}-{result['protocol']['fold']}",
        "generated_faces": str(result["data"]["generated"]).lower(),
        "run_id": run_id,
    }


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["promote"]:
        from finetune import promote

        promote.main(arguments[1:])
        return
    parser = argparse.ArgumentParser(
        prog="python -m finetune.registry",
        description="Register a finished finetuning job as a new version of an MLflow model. "
        "`python -m finetune.registry promote --help`: move an alias through gates.",
        epilog="example: python -m finetune.registry runs/aunce --name au-detector "
        "--tracking-uri http://127.0.0.1:5000",
    )
    parser.add_argument("folder", type=Path, help="run folder of the job")
    parser.add_argument("--name", required=True, help="name of the registered model")
    parser.add_argument("--alias", default="candidate", help="alias to move to the new version")
    parser.add_argument("--tracking-uri", default="", help="MLflow server; default: MLFLOW_TRACKING_URI")
    parser.add_argument(
        "--audits", type=Path, nargs="+", default=[], metavar="JSON", help="of `finetune.audit`, for the card"
    )
    given = parser.parse_args(arguments)
    audits = [load_audit(path) for path in given.audits]
    version = register(given.folder, given.name, given.alias, given.tracking_uri, audits=audits)
    sys.stdout.write(f"models:/{given.name}@{given.alias} is version {version}\n")


if __name__ == "__main__":
    run_command(main)
