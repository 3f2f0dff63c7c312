import pytest

from finetune.data import DataConfig, draw_seed, open_fold
from finetune.protocols import ProtocolConfig
from pretrain.config import ConfigError


def test_rows_of_the_groups_are_disjoint_and_complete(toy_set):
    data = open_fold(DataConfig(toy_set), ProtocolConfig(fold=1), "detection", seed=0)
    groups = (data.train_rows, data.validation_rows, data.test_rows)
    assert sorted(row for rows in groups for row in rows) == list(range(len(data.tracks)))
    for people, chosen in zip((data.fold.train, data.fold.validation, data.fold.test), groups, strict=True):
        assert {data.tracks.identities[row] for row in chosen} == set(people)
    assert set(data.train_labels) == set(data.train_rows)
    assert data.fold.test == ("SN001", "SN002")


def test_seeds_of_purposes_differ():
    assert len({draw_seed(0, purpose) for purpose in range(6)} | {draw_seed(1, 0)}) == 7


def test_people_without_labels_are_refused(make_set, tmp_path):
    url = make_set(tmp_path / "set", labelled=False)
    with pytest.raises(ConfigError, match="needs intensity of AUs"):
        open_fold(DataConfig(url), ProtocolConfig(), "intensity", seed=0)
