from dataclasses import replace

import numpy as np
import pytest
import torch

from finetune.data import DataConfig, draw_seed, open_fold
from finetune.protocols.registry import ProtocolConfig
from pretrain.config import ConfigError
from shards.layouts import bp4d_labels
from shards.pack.faces.encode import encode
from shards.write import Sample
from tests.toy_set import EXPRESSIONS, RECIPE, commit, toy_frame, write_stills

ACROSS = ProtocolConfig(name="bp4d_to_bp4d_plus", fold=1)
NAMES = ("F001", "F002", "M003", "M004")


def test_rows_of_the_groups_are_disjoint_and_complete(toy_set):
    data = open_fold(DataConfig(toy_set), ProtocolConfig(fold=1), "detection", seed=0)
    groups = [group.rows for group in data.groups.values()]
    assert sorted(row for rows in groups for row in rows) == list(range(len(data.tracks)))
    for people, chosen in zip((data.fold.train, data.fold.validation, data.fold.test), groups, strict=True):
        assert {data.tracks.identities[row] for row in chosen} == set(people)
    assert set(data.train_labels) == set(data.train_rows)
    assert data.fold.test == ("SN001", "SN002")
    assert [group.num_frames for group in data.groups.values()] == [3 * 24, 24, 2 * 24]


def test_stills_are_cut_by_their_names_and_what_shows_nothing_is_left_out(tmp_path):
    shown = {f"train_{number:05d}": EXPRESSIONS[number % 7] for number in range(14)}
    shown |= {"test_0001": "fear", "train_00099": None}
    data = open_fold(
        DataConfig(write_stills(tmp_path / "set", shown)),
        ProtocolConfig(name="rafdb", fold=1),
        "expression",
        0,
    )
    assert data.fold.test == ("test_0001",)
    assert len(data.train_rows) + len(data.validation.rows) == 14
    table = data.test.run(lambda frames, n, state: (frames.mean((3, 4)), None), 32)
    assert table.person_F == ["test_0001"]
    assert table.label_FA.tolist() == [[data.target.expressions.index("fear")]]


def write_people(folder, layout, namespace, aus=tuple(bp4d_labels.AUS), recipe=RECIPE):
    """Four people of BP4D or BP4D+ in name, who all show the AUs above 9."""
    samples = [
        Sample(
            key=f"toy-{name.lower()}",
            identity=name,
            video=f"{name}/T1",
            track=0,
            piece=0,
            next_key=None,
            activity="T1",
            time_seconds=[frame / 25 for frame in range(12)],
            frame_number=list(range(12)),
            frames=[encode(toy_frame("SN001", [0, frame % 6])) for frame in range(12)],
            occurrence_TA=np.tile((np.array(aus) > 9).astype(np.int8), (12, 1)),
        )
        for name in NAMES
    ]
    facts = {"layout": layout, "namespace": namespace, "recipe": recipe}
    return commit(folder, samples, occurrence_aus=list(aus), **facts)


def test_across_sets_everybody_of_the_second_is_tested_on_the_same_aus(tmp_path):
    backwards = tuple(bp4d_labels.AUS[::-1])
    one = write_people(tmp_path / "one", "bp4d", "bp4d")
    other = write_people(tmp_path / "other", "bp4d_plus", "bp4d_plus", backwards)
    data = open_fold(DataConfig(one, test_url=other), ACROSS, "detection", seed=0)
    assert data.fold.test == NAMES
    assert {*data.fold.train, *data.fold.validation} == set(NAMES)
    assert data.test.tracks.url == other
    table = data.test.run(lambda frames, n, state: (torch.zeros(*frames.shape[:2], 1), None), 32)
    assert len(table) == 4 * 12
    # The sets have their columns in other orders; labels come in the protocol's.
    for label_FA in (table.label_FA, next(iter(data.train_labels.values()))):
        assert (label_FA == [au > 9 for au in data.target.aus]).all()


def test_sets_that_do_not_go_together_are_refused(tmp_path, toy_set):
    one = write_people(tmp_path / "one", "bp4d", "bp4d")
    other = write_people(tmp_path / "other", "bp4d_plus", "bp4d")
    with pytest.raises(ConfigError, match="both have the namespace 'bp4d', so that people of equal names"):
        open_fold(DataConfig(one, test_url=other), ACROSS, "detection", seed=0)
    cut = write_people(tmp_path / "cut", "bp4d_plus", "x", recipe=replace(RECIPE, jpeg_quality=80))
    with pytest.raises(ConfigError, match=r"have faces cropped in different ways, recipe .* pack them alike"):
        open_fold(DataConfig(one, test_url=cut), ACROSS, "detection", seed=0)
    with pytest.raises(ConfigError, match=r"tests people of another set, found data.test_url=''; give it"):
        open_fold(DataConfig(one), ACROSS, "detection", seed=0)
    with pytest.raises(ConfigError, match=r"'disfa' tests people of data.url, found .* leave it out"):
        open_fold(DataConfig(toy_set, test_url=one), ProtocolConfig(), "detection", seed=0)
    with pytest.raises(ConfigError, match=r"packed with the layout 'bp4d'; protocol 'disfa' wants disfa"):
        open_fold(DataConfig(one), ProtocolConfig(), "detection", seed=0)


def test_seeds_of_purposes_differ():
    assert len({draw_seed(0, purpose) for purpose in range(6)} | {draw_seed(1, 0)}) == 7


def test_people_without_labels_are_refused(make_set, tmp_path):
    url = make_set(tmp_path / "set", labelled=False)
    with pytest.raises(ConfigError, match="needs intensity of AUs"):
        open_fold(DataConfig(url), ProtocolConfig(), "intensity", seed=0)
    nothing = write_stills(tmp_path / "stills", {"train_00001": None, "test_0001": None})
    with pytest.raises(ConfigError, match=r"no sample of .* has labels of expression; pack the set with its"):
        open_fold(DataConfig(nothing), ProtocolConfig(name="rafdb", fold=1), "expression", seed=0)
