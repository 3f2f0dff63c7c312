import pytest

from finetune.protocols.registry import PROTOCOLS, ProtocolConfig
from shards.layouts import bp4d, bp4d_labels, bp4d_plus, disfa, gft
from shards.layouts.registry import LAYOUTS

TWELVE = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
CROSS_VALIDATED = {"disfa": (9, 9, 9), "bp4d": (14, 14, 13), "bp4d_plus": (35, 35, 35, 35)}
SUBJECTS = {"disfa": disfa.SUBJECTS, "bp4d": bp4d.SUBJECTS, "bp4d_plus": bp4d_plus.SUBJECTS}


def people(name):
    return {part: found.people for part, found in PROTOCOLS[name].parts.items()}


@pytest.mark.parametrize(("name", "sizes"), CROSS_VALIDATED.items())
def test_parts_are_disjoint_and_cover_the_data_set_and_fold_k_tests_part_k(name, sizes):
    parts = people(name)
    assert tuple(map(len, parts.values())) == sizes
    assert sorted(person for part in parts.values() for person in part) == sorted(SUBJECTS[name])
    for number, fold in enumerate(PROTOCOLS[name].folds, start=1):
        assert fold.test == (f"part{number}",)
        assert {*fold.train, *fold.test} == set(parts)


def test_the_lists_that_generated_sets_write_are_of_the_same_parts():
    assert tuple(people("disfa").values()) == disfa.PARTS
    assert tuple(people("bp4d").values()) == bp4d.PARTS


def test_fera_is_the_parity_of_the_number():
    odd, even = people("fera2015").values()
    assert (len(odd), len(even)) == (21, 20)
    assert {int(person[1:]) % 2 for person in odd} == {1}
    assert {int(person[1:]) % 2 for person in even} == {0}
    assert {*odd, *even} == set(bp4d.SUBJECTS)


def test_across_sets_everybody_trains_or_is_tested():
    trained, tested = people("bp4d_to_bp4d_plus").values()
    assert (set(trained), set(tested)) == (set(bp4d.SUBJECTS), set(bp4d_plus.SUBJECTS))


def test_gft_is_cut_between_conversations_and_has_the_official_sizes():
    train, test = people("gft").values()
    assert (len(train), len(test)) == (78, 18)
    assert {*train, *test} == set(gft.PEOPLE)
    group_of = PROTOCOLS["gft"].group_of
    assert group_of("012B") == "012"
    assert not {group_of(person) for person in train} & {group_of(person) for person in test}


def test_the_sides_of_a_video_are_one_group():
    group_of = PROTOCOLS["aff_wild2"].group_of
    assert group_of("video9_left") == group_of("video9_right") == group_of("video9") == "video9"
    assert group_of("12-24-1920x1080") == "12-24-1920x1080"


def test_aus_and_expressions_are_the_layouts_own():
    for protocol in PROTOCOLS.values():
        for name in (*protocol.layouts, *protocol.test_layouts):
            layout = LAYOUTS[name]
            detected = layout.occurrence_aus if protocol.present_from is None else layout.intensity_aus
            assert set(protocol.detection) <= set(detected)
            assert set(protocol.intensity) <= set(layout.intensity_aus)
            assert set(protocol.expression) <= set(layout.expressions)
    assert PROTOCOLS["bp4d"].detection == PROTOCOLS["bp4d_plus"].detection == TWELVE
    assert PROTOCOLS["fera2015"].intensity == tuple(bp4d_labels.INTENSITY_AUS)
    assert len(PROTOCOLS["rafdb"].expression) == len(PROTOCOLS["affectnet7"].expression) == 7
    assert len(PROTOCOLS["ferplus"].expression) == len(PROTOCOLS["affectnet"].expression) == 8


def test_messages():
    with pytest.raises(ValueError, match="'disfaa' is unknown; known: aff_wild2, affectnet"):
        ProtocolConfig(name="disfaa")
    with pytest.raises(ValueError, match="fold=4 does not exist; disfa has folds 1 to 3"):
        ProtocolConfig(fold=4)
    with pytest.raises(ValueError, match="fold=3 does not exist; gft has fold 1 alone"):
        ProtocolConfig(name="gft")
    with pytest.raises(ValueError, match=r"validation_share=1\.5 must lie between 0 and 1"):
        ProtocolConfig(validation_share=1.5)
    with pytest.raises(ValueError, match="test_people is given, and who is tested in disfa is known"):
        ProtocolConfig(test_people=("SN001",))
