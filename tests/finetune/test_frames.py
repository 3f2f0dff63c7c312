import numpy as np
import torch

from finetune.frames import rounds_of, run_frames
from finetune.models.intensity_regressor import IntensityRegressor
from finetune.protocols.registry import PROTOCOLS
from finetune.targets import make_target
from pretrain.metrics.intensity import icc, intensity_sums, mae
from pretrain.models.encoder import FrameEncoder
from shards.tracks import load_tracks


def test_every_frame_once_with_its_label(toy_set):
    tracks = load_tracks(toy_set)
    target = make_target("intensity", PROTOCOLS["disfa"], tracks.manifest)

    def brightness(frames_BTCHW, num_frames_B, state):
        return frames_BTCHW.mean(dim=(2, 3, 4)).unsqueeze(2), None

    table = run_frames(brightness, tracks, range(len(tracks)), target, image_size=32, batch=5)
    assert len(table) == int(tracks.num_frames.sum())
    assert len(set(zip(table.key_F, table.frame_index_F, strict=True))) == len(table)
    assert table.label_FA.shape == (len(table), 12)
    assert table.unreadable == {}
    # Brighter where more AUs are on: pixels and labels belong together.
    for person in set(table.person_F):
        mine = np.array([p == person for p in table.person_F])
        strength = table.label_FA[mine].sum(1)
        assert np.corrcoef(table.value_F[mine, 0], strength)[0, 1] > 0.9


def test_rounds_hold_one_piece_of_each_track(toy_set):
    tracks = load_tracks(toy_set)
    rounds = rounds_of(tracks, range(len(tracks)))
    assert [len(rows) for rows in rounds] == [6, 6]
    assert all(set(tracks.piece[rows]) == {number} for number, rows in enumerate(rounds))


def test_carried_state_equals_the_whole_track_at_once(toy_set, tiny_encoder):
    tracks = load_tracks(toy_set)
    target = make_target("intensity", PROTOCOLS["disfa"], tracks.manifest)
    torch.manual_seed(0)
    model = IntensityRegressor(FrameEncoder(tiny_encoder), 12, hidden=8, width=8).eval()
    rows = tracks.rows_of({"SN002"}).tolist()
    table = run_frames(model.infer, tracks, rows, target, image_size=32, batch=1)
    pixels = {}

    def keep(frames_BTCHW, num_frames_B, state):
        pixels[len(pixels)] = frames_BTCHW[:, : int(num_frames_B[0])]
        return frames_BTCHW[:, :, 0, 0], None

    run_frames(keep, tracks, rows, target, image_size=32, batch=1)
    with torch.no_grad():
        whole_1TA, _ = model.infer(torch.cat([pixels[0], pixels[1]], dim=1), None, None)
    np.testing.assert_allclose(table.value_F, whole_1TA[0].numpy(), atol=1e-5)


def test_no_state_is_carried_over_a_gap(make_set, tmp_path, tiny_encoder):
    """Where packing left a piece out, the frames after it are not those after the frames before."""
    tracks = load_tracks(make_set(tmp_path / "set", num_frames=36))
    target = make_target("intensity", PROTOCOLS["disfa"], tracks.manifest)
    torch.manual_seed(0)
    model = IntensityRegressor(FrameEncoder(tiny_encoder), 12, hidden=8, width=8).eval()
    rows = sorted(tracks.rows_of({"SN002"}).tolist(), key=lambda row: int(tracks.piece[row]))
    assert [int(tracks.piece[row]) for row in rows] == [0, 1, 2]

    def values(chosen):
        return run_frames(model.infer, tracks, chosen, target, image_size=32, batch=1).value_F[-12:]

    np.testing.assert_array_equal(values([rows[0], rows[2]]), values([rows[2]]))
    assert np.abs(values(rows) - values([rows[2]])).max() > 1e-4
    assert rounds_of(tracks, [rows[2], rows[0]]) == [[rows[0], rows[2]]]
    assert rounds_of(tracks, rows[::-1]) == [[row] for row in rows]


def test_an_unreadable_sample_is_named_and_counts_nowhere(make_set, tmp_path):
    tracks = load_tracks(make_set(tmp_path / "set"))
    shard = tmp_path / "set" / tracks.shards[0]
    content = bytearray(shard.read_bytes())
    start = int(tracks.frame_places(0)[0][0])
    content[start : start + 40] = bytes(40)
    shard.write_bytes(bytes(content))
    target = make_target("intensity", PROTOCOLS["disfa"], tracks.manifest)

    def zeros(frames_BTCHW, num_frames_B, state):
        return torch.zeros(*frames_BTCHW.shape[:2], 1), None

    table = run_frames(zeros, tracks, range(len(tracks)), target, image_size=32)
    assert list(table.unreadable) == [f"{tracks.url}/{tracks.shards[0]}#{tracks.keys[0]}"]
    assert tracks.keys[0] not in table.key_F
    assert len(table) == int(tracks.num_frames.sum()) - int(tracks.num_frames[0])


def test_no_slot_of_padding_counts_whatever_the_batch(make_set, tmp_path):
    """Pieces of 12, 12 and 6 frames: batches are filled up in time, and the last one in clips."""
    tracks = load_tracks(make_set(tmp_path / "set", num_frames=30))
    target = make_target("intensity", PROTOCOLS["disfa"], tracks.manifest)

    def guess(frames_BTCHW, num_frames_B, state):
        return frames_BTCHW.mean(dim=(3, 4)).repeat(1, 1, 4) * 5, None

    scores = []
    for batch in (1, 4, 5, 7):
        table = run_frames(guess, tracks, range(len(tracks)), target, image_size=32, batch=batch)
        assert len(set(zip(table.key_F, table.frame_index_F, strict=True))) == len(table) == 6 * 30
        sums = intensity_sums(table.value_F, table.label_FA, table.person_F)
        assert sums.frames_PA.tolist() == [[30.0] * 12] * 6
        scores.append([icc(sums), mae(sums)])
    for other in scores[1:]:
        np.testing.assert_allclose(other, scores[0], rtol=1e-9)
