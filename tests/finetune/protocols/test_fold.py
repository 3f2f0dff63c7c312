import pytest

from finetune.protocols.fold import Fold, make_fold
from finetune.protocols.registry import PROTOCOLS, ProtocolConfig
from pretrain.config import ConfigError

DISFA = PROTOCOLS["disfa"]
EVERYONE = [person for part in DISFA.parts.values() for person in part.people]


def found(people):
    """With one video each."""
    return {person: {f"{person}.avi"} for person in people}


def one(name, **settings):
    return ProtocolConfig(name=name, fold=1, **settings)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_fold_k_tests_part_k_and_nobody_is_in_two_groups(number):
    fold, line = make_fold(ProtocolConfig(fold=number), found(EVERYONE), seed=0)
    assert set(fold.test) == set(DISFA.parts[f"part{number}"].people)
    assert sorted(fold.train + fold.validation + fold.test) == sorted(EVERYONE)
    assert len(fold.validation) == 4
    assert "people found: part1 9/9, part2 9/9, part3 9/9; train 14, validation 4, test 9" in line


def test_validation_people_follow_the_seed_and_stay_those_of_stored_results():
    folds = [make_fold(ProtocolConfig(), found(EVERYONE), seed)[0] for seed in (0, 0, 1)]
    assert folds[0] == folds[1]
    assert folds[0].validation != folds[2].validation
    assert folds[0].validation == ("SN006", "SN009", "SN027", "SN032")


def test_a_subset_says_what_was_found():
    _, line = make_fold(ProtocolConfig(fold=1), found(["SN001", "SN006", "SN011", "SN003"]), seed=0)
    assert "part1 1/9, part2 2/9, part3 1/9; train 2, validation 1, test 1" in line


def test_pictures_are_told_apart_by_their_names():
    pictures = [*(f"train_{number:05d}" for number in range(10)), "test_0001", "test_0002"]
    fold, line = make_fold(one("rafdb"), found(pictures), seed=0)
    assert fold.test == ("test_0001", "test_0002")
    assert len(fold.validation) == 2
    assert {*fold.train, *fold.validation} == set(pictures[:10])
    assert "pictures found: train 10, test 2; train 8, validation 2, test 2" in line


def test_two_parts_train_together():
    pictures = [f"FER2013{part}/{number}.png" for part in ("Train", "Valid", "Test") for number in range(3)]
    fold, _ = make_fold(one("ferplus"), found(pictures), seed=0)
    assert {*fold.train, *fold.validation} == set(pictures[:6])
    assert set(fold.test) == set(pictures[6:])


def videos(**sets):
    """Aff-Wild2's people by set."""
    return {person: {f"{group}/{person}"} for group, people in sets.items() for person in people.split()}


def test_videos_are_told_apart_by_their_folder_and_their_sides_stay_together():
    given = videos(Train_Set="a b c_left c_right d_left d_right", Validation_Set="e f_left f_right")
    seen = set()
    for seed in range(12):
        fold, _ = make_fold(one("aff_wild2", validation_share=0.4), given, seed)
        assert fold.test == ("e", "f_left", "f_right")
        for side in "cd":
            assert (f"{side}_left" in fold.train) == (f"{side}_right" in fold.train)
        seen.add("c_left" in fold.train)
    assert seen == {True, False}


def test_a_video_on_both_sides_is_refused():
    given = videos(Train_Set="a b c_left", Validation_Set="c_right")
    with pytest.raises(ConfigError, match=r"videos \['c'\] would be trained on and tested"):
        make_fold(one("aff_wild2"), given, seed=0)
    with pytest.raises(ConfigError, match="'a' is of the parts train_set, validation_set of protocol"):
        make_fold(one("aff_wild2"), {"a": {"Train_Set/a", "Validation_Set/a"}}, seed=0)


def test_validation_of_gft_is_whole_conversations():
    people = [f"{group:03d}{seat}" for group in range(1, 9) for seat in "ABC"]
    fold, line = make_fold(one("gft"), found(people), seed=0)
    assert fold.test == ("002A", "002B", "002C", "007A", "007B", "007C")
    assert {person[:3] for person in fold.validation}.isdisjoint({person[:3] for person in fold.train})
    assert len(fold.validation) == 3
    assert "both sides" not in line


def test_who_has_gfts_official_list_gives_the_tested_people():
    people = [f"{group:03d}{seat}" for group in range(1, 4) for seat in "ABC"]
    fold, line = make_fold(one("gft", test_people=("001A", "003C")), found(people), seed=0)
    assert fold.test == ("001A", "003C")
    assert len(fold.train) + len(fold.validation) == 7
    assert line.endswith("conversations on both sides: 2")
    with pytest.raises(ConfigError, match=r"test_people names \['032C'\], who are not labelled in the set"):
        make_fold(one("gft", test_people=("032C",)), found(people), seed=0)


def test_across_sets_equal_names_are_different_people():
    config = one("bp4d_to_bp4d_plus")
    fold, line = make_fold(config, found(["F001", "F002", "M001"]), 0, tested=found(["F001", "F050"]))
    assert fold.two_sets
    assert fold.test == ("F001", "F050")
    assert sorted(fold.train + fold.validation) == ["F001", "F002", "M001"]
    assert "bp4d 3/41, bp4d_plus 2/140; train 2, validation 1, test 2" in line
    with pytest.raises(ConfigError, match=r"not in protocol 'bp4d_to_bp4d_plus': \['F050'\]"):
        make_fold(config, found(["F001", "F050"]), 0, tested=found(["F001"]))


def test_messages():
    with pytest.raises(
        ConfigError, match=r"no people of part3 in the set \(part1 1/9, part2 1/9, part3 0/9\); pack people"
    ):
        make_fold(ProtocolConfig(), found(["SN001", "SN006"]), seed=0)
    with pytest.raises(
        ConfigError,
        match=r"1 people of the set are not in protocol 'disfa': \['F001'\]; wanted names like \('SN001",
    ):
        make_fold(ProtocolConfig(), found([*EVERYONE, "F001"]), seed=0)
    with pytest.raises(ConfigError, match=r"\['x'\]; wanted names like train_"):
        make_fold(one("rafdb"), found(["x"]), seed=0)
    with pytest.raises(ConfigError, match=r"train and test share \['a'\]; a score needs people never seen"):
        Fold(("a", "b"), ("c",), ("a",))
    with pytest.raises(ConfigError, match=r"train and validation share \['a'\]"):
        Fold(("a", "b"), ("a",), ("a",), two_sets=True)
    with pytest.raises(ConfigError, match="no people left for validation"):
        Fold(("a",), (), ("b",))
    with pytest.raises(ConfigError, match=r"train names a person twice: \['a'\]"):
        Fold(("a", "a"), ("c",), ("b",))
