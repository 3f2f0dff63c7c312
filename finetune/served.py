"""What a registered model runs: video paths or face crops in, a table of named columns out.

MLflow loads this module by name from the installed packages; the artifact holds weights and JSON only.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import simplejpeg
import torch
from numpy.typing import NDArray

from finetune.artifact import EXPRESSION_COLUMN, SavedModel, load_model, output_units
from finetune.faces import PIECE_FRAMES, FacePiece, FramesSeen, face_pieces, made_ahead, refuse_other_recipe
from pretrain.augment import PLAIN, augment

VIDEO_COLUMN = "video"
CROP_COLUMN = "crop_jpeg"


def find_model(folder: Path) -> Path:
    """The folder with `model.json` at or below `folder`; `folder` itself where there is none."""
    found = sorted(folder.rglob("model.json"))
    return found[0].parent if found else folder


def predict_pieces(saved: SavedModel, video: Path, seen: FramesSeen) -> Iterator[pd.DataFrame]:
    """Rows of a video, some dozens at a time; columns as `output_units`.

    Raises:
        ConfigError: the model was trained on faces cropped in another way.
        VideoError: it is no video.
    """
    refuse_other_recipe(saved.recipe)
    yield from _run(saved, made_ahead(face_pieces(video, saved.recipe, seen)))


def crop_pieces(saved: SavedModel, crops: Sequence[bytes]) -> Iterator[FacePiece]:
    """Crops of one face in time order as pieces; they are numbered from 0 and have no time.

    Raises:
        ValueError: a crop is no JPEG of the recipe's size.
    """
    for start in range(0, len(crops), PIECE_FRAMES):
        piece = FacePiece(face=0)
        for number, crop in enumerate(crops[start : start + PIECE_FRAMES], start=start):
            pixels = np.asarray(simplejpeg.decode_jpeg(crop), np.uint8)
            if pixels.shape != (saved.recipe.size, saved.recipe.size, 3):
                raise ValueError(
                    f"crop {number} has shape {pixels.shape}, the model's recipe {saved.recipe.name!r} gives "
                    f"{saved.recipe.size} pixels square; crop faces as `python -m shards pack` does"
                )
            piece.frames.append(pixels)
            piece.frame_number.append(number)
            piece.time_seconds.append(float("nan"))
        yield piece


def _run(saved: SavedModel, pieces: Iterator[FacePiece]) -> Iterator[pd.DataFrame]:
    states: dict[int, torch.Tensor] = {}
    for piece in pieces:
        values_TA, state = _infer(saved, piece, states.get(piece.face))
        if piece.last:
            states.pop(piece.face, None)
        elif state is not None:
            states[piece.face] = state
        yield _rows(saved, piece, values_TA)


def _infer(
    saved: SavedModel, piece: FacePiece, state: torch.Tensor | None
) -> tuple[NDArray[np.float64], torch.Tensor | None]:
    size = saved.model.encoder.config.image_size
    with torch.no_grad():
        frames = torch.from_numpy(piece.frames_THWC[None])
        pixels_1TCHW = augment(frames, np.zeros(1, np.int64), 0, size, PLAIN)
        values_1TA, state = saved.model.infer(pixels_1TCHW, None, state)
    return values_1TA[0].numpy().astype(np.float64), state


def _rows(saved: SavedModel, piece: FacePiece, values_TA: NDArray[np.float64]) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "face": np.full(len(values_TA), piece.face, np.int64),
        "frame_number": np.asarray(piece.frame_number, np.int64),
        "time_seconds": np.asarray(piece.time_seconds, np.float64),
    }
    for index, name in enumerate(saved.names):
        if saved.kind == "expression":
            columns[f"{name}_probability"] = values_TA[:, index]
        elif saved.kind == "intensity":
            columns[f"AU{name}_intensity_0_5"] = values_TA[:, index]
        else:
            columns[f"AU{name}_probability"] = values_TA[:, index]
            present_T = values_TA[:, index] >= saved.facts["thresholds"][index]
            columns[f"AU{name}_present"] = present_T.astype(np.int64)
    if saved.kind == "expression":
        columns[EXPRESSION_COLUMN] = [saved.names[place] for place in values_TA.argmax(axis=1)]
    return pd.DataFrame(columns)


def empty_table(saved: SavedModel) -> pd.DataFrame:
    """The columns without a row, for a video without a face."""
    return pd.DataFrame(
        {name: pd.Series(dtype=column_type(name)) for name in output_units(saved.kind, saved.names)}
    )


def column_type(name: str) -> str:
    """The pandas type of an output column: `int64`, `float64` or `str`."""
    if name == EXPRESSION_COLUMN:
        return "str"
    return "int64" if name in ("face", "frame_number") or name.endswith("_present") else "float64"


class ServedModel:
    """An AU model behind MLflow's pyfunc interface."""

    def __init__(self, saved: SavedModel) -> None:
        self.saved = saved

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One row per frame and face.

        Args:
            model_input: either column `video`, paths of videos, or column `crop_jpeg`, the crops of one face
                in time order, made by the model's recipe.
            params: none are taken.

        Raises:
            ValueError: `params` are given, not exactly one of the columns is, or a crop has another size.
        """
        if params:
            raise ValueError(f"this model takes no parameters, found {sorted(params)}")
        given = [c for c in (VIDEO_COLUMN, CROP_COLUMN) if c in model_input and model_input[c].notna().all()]
        if len(given) != 1:
            raise ValueError(
                f"one column wanted, {VIDEO_COLUMN!r} (paths) or {CROP_COLUMN!r} (JPEG files), "
                f"found {list(model_input)}"
            )
        if given == [CROP_COLUMN]:
            pieces = _run(self.saved, crop_pieces(self.saved, list(model_input[CROP_COLUMN])))
            return self._table([table.assign(**{VIDEO_COLUMN: ""}) for table in pieces])
        return self._table(
            [
                table.assign(**{VIDEO_COLUMN: video})
                for video in model_input[VIDEO_COLUMN]
                for table in predict_pieces(self.saved, Path(video), FramesSeen())
            ]
        )

    def _table(self, tables: list[pd.DataFrame]) -> pd.DataFrame:
        empty = empty_table(self.saved).assign(**{VIDEO_COLUMN: pd.Series(dtype="str")})
        whole = pd.concat(tables, ignore_index=True) if tables else empty
        return whole[[VIDEO_COLUMN, *output_units(self.saved.kind, self.saved.names)]]


def _load_pyfunc(path: str) -> ServedModel:
    """MLflow's entry: `path` is the artifact's data folder."""
    return ServedModel(load_model(find_model(Path(path))))
