import numpy as np
import pandas as pd
import pytest

from finetune.artifact import load_model, output_units
from finetune.faces import FramesSeen, face_pieces
from finetune.served import CROP_COLUMN, VIDEO_COLUMN, ServedModel, _load_pyfunc
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
