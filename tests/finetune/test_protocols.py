import pytest

from finetune.protocols import DISFA, Fold, ProtocolConfig, make_fold
from pretrain.config import ConfigError

EVERYONE = [person for part in DISFA.parts for person in part]


def test_disfa_parts_are_disjoint_and_cover_27_people():
    assert [len(part) for part in DISFA.parts] == [9, 9, 9]
    missing = {14, 15, 19, 20, 22}
    assert sorted(EVERYONE) == [f"SN{i:03d}" for i in range(1, 33) if i not in missing]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_fold_k_tests_part_k_and_nobody_is_in_two_groups(number):
    fold, line = make_fold(ProtocolConfig(fold=number), EVERYONE, seed=0)
    assert set(fold.test) == set(DISFA.parts[number - 1])
    assert sorted(fold.train + fold.validation + fold.test) == sorted(EVERYONE)
    assert len(fold.validation) == 4
    assert "part1 9/9, part2 9/9, part3 9/9; train 14, validation 4, test 9" in line


def test_validation_people_follow_the_seed():
    folds = [make_fold(ProtocolConfig(), EVERYONE, seed)[0] for seed in (0, 0, 1)]
    assert folds[0] == folds[1]
    assert folds[0].validation != folds[2].validation


def test_a_subset_says_what_was_found():
    _, line = make_fold(ProtocolConfig(fold=1), ["SN001", "SN006", "SN011", "SN003"], seed=0)
    assert "part1 1/9, part2 2/9, part3 1/9; train 2, validation 1, test 1" in line


def test_messages():
    with pytest.raises(
        ConfigError, match=r"no people of part3 in the set \(part1 1/9, part2 1/9, part3 0/9\)"
    ):
        make_fold(ProtocolConfig(), ["SN001", "SN006"], seed=0)
    with pytest.raises(ConfigError, match=r"1 people of the set are not in protocol 'disfa': \['F001'\]"):
        make_fold(ProtocolConfig(), [*EVERYONE, "F001"], seed=0)
    with pytest.raises(ConfigError, match=r"train and test share \['a'\]; a score needs people never seen"):
        Fold(("a", "b"), ("c",), ("a",))
    with pytest.raises(ConfigError, match="no people left for validation"):
        Fold(("a",), (), ("b",))
    with pytest.raises(ConfigError, match=r"train names a person twice: \['a'\]"):
        Fold(("a", "a"), ("c",), ("b",))
    with pytest.raises(ValueError, match="fold=4 does not exist; disfa has folds 1 to 3"):
        ProtocolConfig(fold=4)
    with pytest.raises(ValueError, match="'disfaa' is unknown; known: disfa"):
        ProtocolConfig(name="disfaa")
    with pytest.raises(ValueError, match=r"validation_share=1\.5 must lie between 0 and 1"):
        ProtocolConfig(validation_share=1.5)
