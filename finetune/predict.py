"""`python -m finetune.predict`: AUs of every face in a video, as a CSV file, in constant memory."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from finetune.artifact import SavedModel, load_model
from finetune.faces import FramesSeen
from finetune.served import empty_table, find_model, predict_pieces
from pretrain.config import ConfigError, run_command

REGISTRY_SCHEMES = ("models:/", "runs:/")


def open_model(model: str, download_folder: Path) -> SavedModel:
    """A model from the MLflow registry (`models:/NAME@ALIAS`) or a folder.

    Raises:
        ConfigError: there is no such model.
    """
    if not model.startswith(REGISTRY_SCHEMES):
        if not Path(model).is_dir():
            raise ConfigError(
                f"--model {model!r} is no folder; give a job's model folder or models:/NAME@ALIAS"
            )
        return load_model(find_model(Path(model)))
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        folder = mlflow.artifacts.download_artifacts(model, dst_path=str(download_folder))
    except MlflowException as error:
        raise ConfigError(
            f"cannot get {model} from the registry at {mlflow.get_tracking_uri()}: {error.message}; "
            "is MLFLOW_TRACKING_URI set, and the name right?"
        ) from error
    return load_model(find_model(Path(folder)))


def predict(saved: SavedModel, video: Path, out: Path) -> tuple[int, int, int]:
    """Write the CSV; a video without a face gives its header line alone.

    Returns:
        Frames of the video, rows written, faces.
    """
    if not video.is_file():
        raise ConfigError(f"no video {str(video)!r} here ({Path.cwd()})")
    seen, rows, faces = FramesSeen(), 0, set()
    temporary = out.with_name(f".{out.name}.partial")
    out.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("w", newline="") as file:
        empty_table(saved).to_csv(file, index=False)
        for table in predict_pieces(saved, video, seen):
            table.to_csv(file, index=False, header=False, float_format="%.6g")
            rows += len(table)
            faces.update(table["face"])
    temporary.replace(out)
    for trouble in seen.troubles:
        sys.stderr.write(f"{video}: {trouble}\n")
    return seen.count, rows, len(faces)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m finetune.predict",
        description="Write the AUs of every face in a video: one row per frame and face, units in the names.",
        epilog="example: python -m finetune.predict talk.mp4 --model models:/au-detector@candidate "
        "--out aus.csv",
    )
    parser.add_argument("video", type=Path)
    parser.add_argument("--model", required=True, help="models:/NAME@ALIAS, or a job's model folder")
    parser.add_argument("--out", type=Path, required=True, help="CSV file")
    given = parser.parse_args(arguments)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="facscale-model-") as folder:
        saved = open_model(given.model, Path(folder))
    frames, rows, faces = predict(saved, given.video, given.out)
    if not rows:
        sys.stderr.write(f"{given.video}: no face found in {frames} frames; {given.out} has no rows\n")
        return
    seconds = time.monotonic() - started
    sys.stdout.write(
        f"{given.video}: {frames} frames, faces: {faces}, {rows} rows in {given.out}; "
        f"{frames / seconds:.0f} frames/s\n"
    )


if __name__ == "__main__":
    run_command(main)
