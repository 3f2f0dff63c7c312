"""`python -m finetune.registry`: a finished job becomes a version of a registered MLflow model.

The artifact is safetensors and JSON; MLflow loads `finetune.served` by name. Nothing is pickled.
"""

import argparse
import importlib.metadata
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from finetune.artifact import FACTS_NAME, output_units, value_names
from finetune.protocols.registry import PROTOCOLS
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
CARD_ROWS = {
    "detection": ("f1", "everything_present", "per_au"),
    "intensity": ("icc", "labelled_mean", "per_au"),
    "expression": ("uar", "commonest", "per_expression"),
}
"""The score that the card shows, the row to beat, and what a score has a value for each of."""
MLFLOW_TYPES = {"int64": "long", "float64": "double", "str": "string"}


def register(
    folder: Path, name: str, alias: str = "candidate", tracking_uri: str = "", run_id: str | None = None
) -> str:
    """Register the model of a finished job and point `alias` at it.

    Args:
        folder: the job's run folder, with `model/` and `result.json`.
        name: of the registered model.
        alias: moved to the new version.
        tracking_uri: MLflow server; MLflow's own default if empty.
        run_id: the run to log into; a new one if None.

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
    card = model_card(result)
    (folder / "model" / CARD_NAME).write_text(card)
    with mlflow.start_run(run_id=run_id, run_name=None if run_id else folder.name) as run:
        info = _log(mlflow, folder, name, result)
        mlflow.log_artifact(str(folder / RESULT_NAME))
        version = str(info.registered_model_version)
        active = run.info.run_id
    client = MlflowClient()
    for tag, value in _tags(result, active).items():
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


def model_card(result: dict[str, Any]) -> str:
    """What a user must know, as markdown."""
    test = result["test"]
    first, baseline, each = CARD_ROWS[result["kind"]]
    names = value_names(result)
    shown = names if result["kind"] == "expression" else [f"AU{au}" for au in names]
    rows = [
        f"| {name} | {_shown(test['honest'][first][each][name])} "
        f"| {_shown(test[baseline][first][each][name])} |"
        for name in shown
    ]
    named = ", ".join(map(str, names))
    head, what = ("expression", "expressions") if result["kind"] == "expression" else ("AU", "AUs")
    mean = f"| mean | {_shown(test['honest'][first]['mean'])} | {_shown(test[baseline][first]['mean'])} |"
    tested = PROTOCOLS[result["protocol"]["name"]].people
    units = output_units(result["kind"], value_names(result))
    generated = (
        "**The people it was trained and scored on are generated faces: these numbers prove the pipeline and "
        "say nothing about real people.**\n\n"
        if result["data"]["generated"]
        else ""
    )
    return "\n".join(
        [
            f"# {result['task']}: {what} {named}",
            "",
            generated + f"Scored on {len(result['people']['test'])} {tested} it has never seen; epoch and "
            f"thresholds were chosen on other {tested}.",
            "",
            f"| {head} | {first.upper()} | {baseline.replace('_', ' ')} |",
            "|---|---|---|",
            *rows,
            mean,
            "",
            f"Encoder: {result['init']['init']}. Data: `{result['data']['layout']}` set "
            f"`{result['data']['digest'][:12]}`, crop recipe `{result['data']['recipe_digest'][:12]}`, "
            f"{result['people_line']}.",
            "",
            "Input: column `video`, paths of video files, or column `crop_jpeg`, the crops of one face in "
            "time order. Output, a row per frame and face:",
            "",
            *[f"- `{column}`: {unit}" for column, unit in units.items()],
            "",
        ]
    )


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m finetune.registry",
        description="Register a finished finetuning job as a new version of an MLflow model.",
        epilog="example: python -m finetune.registry runs/aunce --name au-detector "
        "--tracking-uri http://127.0.0.1:5000",
    )
    parser.add_argument("folder", type=Path, help="run folder of the job")
    parser.add_argument("--name", required=True, help="name of the registered model")
    parser.add_argument("--alias", default="candidate", help="alias to move to the new version")
    parser.add_argument("--tracking-uri", default="", help="MLflow server; default: MLFLOW_TRACKING_URI")
    given = parser.parse_args(arguments)
    version = register(given.folder, given.name, given.alias, given.tracking_uri)
    sys.stdout.write(f"models:/{given.name}@{given.alias} is version {version}\n")


if __name__ == "__main__":
    run_command(main)
