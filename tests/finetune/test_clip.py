import re

import pandas as pd
import pytest
import simplejpeg

from finetune.clip import read_clip
from finetune.pages.clip import clip_section
from finetune.predict import main as predict
from pretrain.config import ConfigError


@pytest.fixture
def tables(saved_models, face_video, tmp_path):
    files = [tmp_path / f"{name}.csv" for name in saved_models]
    for (_, folder), file in zip(saved_models.items(), files, strict=True):
        predict([str(face_video), "--model", str(folder), "--out", str(file)])
    return files


def test_frames_at_the_peaks_are_cut_out(tables, face_video, real_recipe):
    found = read_clip(face_video, tables, real_recipe, shown=2)
    assert (found.frames, found.faces, found.frames_with_face) == (30, 1, 30)
    assert [(track.kind, track.au) for track in found.tracks] == [
        ("probability", 4),
        ("probability", 12),
        ("intensity_0_5", 4),
        ("intensity_0_5", 12),
    ]
    for track in found.tracks:
        assert track.value_T[track.peak] == max(track.value_T)
        assert track.frame_T[track.peak] in found.crops
    assert [frame for frame, _ in found.film] == [0, 5, 10, 14, 19, 24, 29]
    assert simplejpeg.decode_jpeg(found.crops[0]).shape == (real_recipe.size, real_recipe.size, 3)


def test_the_section_says_what_was_seen_and_warns(tables, face_video, real_recipe):
    found = read_clip(face_video, tables, real_recipe, shown=1)
    html = clip_section(found, "From <somewhere>.", {4: 0.5, 12: 0.4}, generated=True).html
    assert "The models have only seen generated faces." in html
    assert "30 frames, 1 face. The face shown is in 30 frames; 0 frames without it were skipped." in html
    assert "From &lt;somewhere&gt;." in html
    assert html.count("<svg") == 2
    assert html.count("<img") == 2 + 7
    assert "only seen generated" not in clip_section(found, "", {}, generated=False).html


def test_skipped_frames_and_other_faces_are_counted(tables, face_video, real_recipe):
    for file in tables:
        table = pd.read_csv(file)
        table = table[table["frame_number"] < 20]
        other = table.head(3).assign(face=1)
        pd.concat([table, other]).to_csv(file, index=False)
    found = read_clip(face_video, tables, real_recipe, shown=1)
    assert (found.faces, found.frames_with_face) == (2, 20)
    assert "10 frames without it were skipped" in clip_section(found, "", {}, generated=True).html


def test_the_line_is_interrupted_where_the_face_is_away(tables, face_video, real_recipe):
    for file in tables:
        table = pd.read_csv(file)
        table[(table["frame_number"] < 8) | (table["frame_number"] > 20)].to_csv(file, index=False)
    found = read_clip(face_video, tables, real_recipe, shown=1)
    html = clip_section(found, "", {}, generated=True).html
    lengths = [len(points.split()) for points in re.findall(r"<polyline points='(.*?)'", html)]
    assert lengths == [8, 9, 8, 9]


def test_a_video_without_a_face_is_a_section_too(tables, blank_video, real_recipe):
    for file in tables:
        pd.read_csv(file).head(0).to_csv(file, index=False)
    found = read_clip(blank_video, tables, real_recipe, shown=1)
    assert (found.frames, found.faces) == (10, 0)
    assert "No face was found" in clip_section(found, "", {}, generated=True).html


def test_another_table_is_refused(tmp_path, face_video, real_recipe):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match=r"x\.csv is no table of finetune\.predict"):
        read_clip(face_video, [tmp_path / "x.csv"], real_recipe, shown=1)
