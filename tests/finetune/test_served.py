from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch

from finetune.artifact import load_model, output_units, save_model
from finetune.faces import FramesSeen, face_pieces
from finetune.models.linear_detector import LinearDetector
from finetune.registry import signature
from finetune.served import CROP_COLUMN, VIDEO_COLUMN, ServedModel, _load_pyfunc
from pretrain.models.encoder import FrameEncoder
from shards.pack.faces.encode import encode


@pytest.mark.parametrize("task", ["aunce", "intensity"])
def test_a_video_gives_a_row_per_frame_and_its_crops_the_same_values(saved_models, face_video, task):
    model = _load_pyfunc(str(saved_models[task]))
    table = model.predict(pd.DataFrame({VIDEO_COLUMN: [str(face_video)]}))
    assert list(table) == [VIDEO_COLUMN, *output_units(model.saved.kind, [4, 12])]
    assert table["frame_number"].tolist() == list(range(30))
    crops = [
        encode(frame)
        for piece in face_pieces(face_video, model.saved.recipe, FramesSeen())
        for frame in piece.frames
    ]
    again = model.predict(pd.DataFrame({CROP_COLUMN: crops}))
    name = "AU12_probability" if task == "aunce" else "AU12_intensity_0_5"
    # Coding a decoded JPEG again moves pixels by a grey level or two.
    np.testing.assert_allclose(again[name], table[name], atol=0.03)
    if task == "aunce":
        assert table["AU12_present"].tolist() == (table["AU12_probability"] >= 0.4).astype(int).tolist()


def test_a_video_without_a_face_gives_no_rows_but_all_columns(saved_models, blank_video):
    model = ServedModel(load_model(saved_models["aunce"]))
    table = model.predict(pd.DataFrame({VIDEO_COLUMN: [str(blank_video)]}))
    assert len(table) == 0
    assert list(table) == [VIDEO_COLUMN, *output_units("detection", [4, 12])]


def test_messages(saved_models):
    model = ServedModel(load_model(saved_models["aunce"]))
    with pytest.raises(ValueError, match=r"one column wanted, 'video' .* found \['path'\]"):
        model.predict(pd.DataFrame({"path": ["a.mp4"]}))
    with pytest.raises(ValueError, match=r"takes no parameters, found \['threshold'\]"):
        model.predict(pd.DataFrame({VIDEO_COLUMN: ["a.mp4"]}), {"threshold": 0.5})
    small = encode(np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(ValueError, match=r"crop 0 has shape \(16, 16, 3\), the model's recipe"):
        model.predict(pd.DataFrame({CROP_COLUMN: [small]}))


def test_expressions_are_named(tmp_path, tiny_encoder, real_recipe, face_video, blank_video):
    torch.manual_seed(0)
    names, heads = ["neutral", "happiness", "fear"], {"num_outputs": 3, "exclusive": True}
    facts = {"task": "supervised", "kind": "expression", "aus": [], "expressions": names, "thresholds": None}
    model = LinearDetector(FrameEncoder(tiny_encoder), **heads)
    save_model(tmp_path, model, {**facts, "heads": heads, "recipe": asdict(real_recipe)})
    served = _load_pyfunc(str(tmp_path))
    table = served.predict(pd.DataFrame({VIDEO_COLUMN: [str(face_video)]}))
    chances = table[[f"{name}_probability" for name in names]].to_numpy()
    np.testing.assert_allclose(chances.sum(1), 1, rtol=1e-5)
    assert table["expression"].tolist() == [names[place] for place in chances.argmax(1)]
    none = served.predict(pd.DataFrame({VIDEO_COLUMN: [str(blank_video)]}))
    assert list(none) == list(table)
    assert len(none) == 0
    assert [str(kind) for kind in signature("expression", names).outputs.input_types()] == [
        *("DataType.string", "DataType.long", "DataType.long", "DataType.double"),
        *["DataType.double"] * 3,
        "DataType.string",
    ]
