import pickle
from pathlib import Path

import pytest

from shards.errors import ShardError
from shards.layouts import disfa
from shards.layouts.au_lists import BP4D_LISTS, DISFA_LISTS, label_list, read_pair
from shards.layouts.bp4d import FRAME_RATE
from shards.layouts.layout import Labels, Source

ONES, ZEROS = " ".join("1" * 12), " ".join("0" * 12)


def write_list(folder: Path, name: str, labels: str, rows: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(f"{picture}\n" for picture in rows))
    (folder / labels).write_text("".join(f"{row}\n" for row in rows.values()))


def write_fold(root: Path, use: str, fold: int, rows: dict[str, str]) -> None:
    names = (f"BP4D_{use}_{kind}_fold{fold}.txt" for kind in ("img_path", "label"))
    write_list(root / "list", *names, rows)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def loaded(source: Source) -> Labels:
    labels = pickle.loads(pickle.dumps(source)).load_labels()
    assert labels is not None
    return labels


def first_column(source: Source) -> dict[int, int]:
    labels = loaded(source)
    assert labels.occurrence_FA is not None
    return dict(enumerate(labels.occurrence_FA[:, 0].tolist(), start=labels.first_frame))


@pytest.mark.parametrize("name", ["643", "0643", "00643"])
def test_lists_by_fold_join_on_the_number(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "img", f"F007/T1/{name}.jpg", "F007/T1/645.jpg", "F001/T8/1.jpg", "F001/T8/2.jpg")
    write_fold(tmp_path, "train", 1, {"F001/T8/1.jpg": "0 1 0 0 0 0 0 0 0 0 0 1"})
    write_fold(tmp_path, "test", 1, {"F007/T1/643.jpg": ONES, "F007/T1/645.jpg": f"9{ZEROS[1:]}"})
    (tmp_path / "list/BP4D_weight_fold1.txt").write_text("1.3\t1.6\n")
    (tmp_path / "list/BP4D_train_AU_relation_fold1.txt").write_text("1 2\n")
    (tmp_path / "list/DISFA_test_img_path_fold1.txt").write_text("SN003/0.png\n")
    listing = BP4D_LISTS.list_sources(tmp_path)
    assert listing.failures == []
    one, seven = listing.sources
    assert (one.video_id, one.identity, one.activity, one.failures) == ("img/F001/T8", "F001", "T8", [])
    assert (seven.video_id, seven.identity, seven.activity, seven.failures) == (
        *("img/F007/T1", "F007", "T1"),
        [],
    )
    assert one.frame_rate == FRAME_RATE
    assert loaded(one).rows(loaded(one).occurrence_FA, [2]) is None
    occurrence_FA = loaded(one).occurrence_FA
    assert occurrence_FA is not None
    assert occurrence_FA.tolist() == [[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]]
    assert first_column(seven) == {643: 1, 644: -1, 645: -1}
    assert [path.name for path in one.label_files] == [
        "BP4D_train_img_path_fold1.txt",
        "BP4D_train_label_fold1.txt",
    ]


@pytest.mark.parametrize(
    ("lists", "pictures"),
    [("list", "imgs/DISFA"), ("data/list", "data/imgs/DISFA"), ("list", "dataset/DISFA")],
)
def test_lists_by_part_count_from_0(tmp_path: Path, lists: str, pictures: str) -> None:
    touch(tmp_path / pictures, "SN002/0.jpg", "SN002/1.jpg")
    rows = {"DISFA/SN002/0.jpg": "1 0 0 0 0 0 0 0", "DISFA/SN002/1.jpg": "0.0 0 0 0 0 0 0 1.000e+00"}
    for name in ("part1", "combine_1_2"):
        write_list(tmp_path / lists, f"DISFA_{name}_path.txt", f"DISFA_{name}_AUoccur.txt", rows)
    for name in ("DISFA_combine_1_2_land.txt", "DISFA_part1_66land.txt", "DISFA_part1_biocular.txt"):
        (tmp_path / lists / name).touch()
    listing = DISFA_LISTS.list_sources(tmp_path)
    (source,) = listing.sources
    assert (source.identity, source.activity, source.frame_rate) == ("SN002", None, 20)
    assert [listing.failures, source.failures] == [[], []]
    labels = loaded(source)
    assert (labels.first_frame, labels.intensity_FA) == (0, None)
    assert labels.occurrence_FA is not None
    assert labels.occurrence_FA.tolist() == [[1, *[0] * 7], [*[0] * 7, 1]]


def test_picture_i_has_what_disfa_says_of_frame_i_plus_1(tmp_path: Path) -> None:
    values = {1: 0, 2: 3, 3: 1, 4: 2}
    (tmp_path / "Videos_LeftCamera").mkdir()
    (tmp_path / "Videos_LeftCamera/LeftVideoSN002_comp.avi").touch()
    for au in disfa.AUS:
        path = tmp_path / f"ActionUnit_Labels/SN002/SN002_au{au}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{frame},{value}\n" for frame, value in values.items()))
    touch(tmp_path / "img", *(f"SN002/{index}.png" for index in range(4)))
    rows = {f"SN002/{frame - 1}.png": " ".join([str(int(v >= 2))] * 8) for frame, v in values.items()}
    write_list(tmp_path / "list", "DISFA_test_img_path_fold3.txt", "DISFA_test_label_fold3.txt", rows)
    (video,) = disfa.DisfaLayout().list_sources(tmp_path).sources
    (pictures,) = DISFA_LISTS.list_sources(tmp_path).sources
    assert {frame - 1: value for frame, value in first_column(video).items()} == first_column(pictures)


def test_lists_that_say_the_same_again_or_disagree(tmp_path: Path) -> None:
    touch(tmp_path / "img", "F001/T1/1.jpg", "F001/T1/2.jpg")
    write_fold(tmp_path, "test", 3, {"F001/T1/1.jpg": ONES, "F001/T1/2.jpg": ONES})
    write_fold(tmp_path, "train", 1, {"F001/T1/1.jpg": ONES, "F001/T1/2.jpg": ZEROS})
    listing = BP4D_LISTS.list_sources(tmp_path)
    assert first_column(listing.sources[0]) == {1: 1, 2: 1}
    (failure,) = listing.failures
    assert (failure.source, failure.reason) == ("list/BP4D_train_label_fold1.txt", "labels_disagree")
    assert failure.detail.startswith("1 pictures have other labels in a list before this one")
    assert failure.detail.endswith("the first is F001/T1/2")


def test_what_has_no_partner_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "img", "F001/T1/1.jpg", "F001/T2/1.jpg", "F099/T1/1.jpg", "notes.txt")
    rows = dict.fromkeys(("F001/T1/1.jpg", "F001/T1/7.jpg", "F001/T1/9.jpg", "M001/T3/1.jpg"), ONES)
    write_fold(tmp_path, "test", 1, rows)
    (tmp_path / "list/BP4D_part1_path.txt").write_text("BP4D/F001/T2/1.jpg\n")
    (tmp_path / "list/BP4D_notes.txt").touch()
    listing = BP4D_LISTS.list_sources(tmp_path)
    assert [source.failures[0].reason for source in listing.sources] == ["no_picture", "missing_label"]
    assert listing.sources[0].failures[0].detail == "2 listed pictures are not there, the first is number 7"
    assert {(failure.source, failure.reason) for failure in listing.failures} == {
        ("img/F099", "unknown_subject"),
        ("img/notes.txt", "unknown_file"),
        ("list/BP4D_notes.txt", "unknown_file"),
        ("list/BP4D_part1_AUoccur.txt", "bad_labels"),
        ("M001/T3", "no_video"),
    }


def test_a_wrong_pair_costs_that_pair_only(tmp_path: Path) -> None:
    touch(tmp_path / "img", "F001/T1/1.jpg", "F001/T1/2.jpg")
    write_fold(tmp_path, "train", 1, {"F001/T1/1.jpg": ONES, "F001/T1/2.jpg": ZEROS})
    write_fold(tmp_path, "test", 1, {"F001/T1/1.jpg": ONES, "F001/T1/2.jpg": ZEROS})
    (tmp_path / "list/BP4D_train_label_fold1.txt").write_text(f"{ONES}\n")
    listing = BP4D_LISTS.list_sources(tmp_path)
    assert first_column(listing.sources[0]) == {1: 1, 2: 0}
    (failure,) = listing.failures
    assert (failure.source, failure.reason) == ("list/BP4D_train_label_fold1.txt", "bad_labels")
    assert "has 1 lines for the 2 pictures of BP4D_train_img_path_fold1.txt; make both" in failure.detail


@pytest.mark.parametrize(
    ("picture", "row", "says"),
    [
        ("F001/1.jpg", ONES, r"p\.txt, line 1: wanted F001/T1/643\.jpg or SN001/0\.png, found 'F001/1\.jpg'"),
        ("F001/T1/x.jpg", ONES, r"p\.txt, line 1: wanted F001/T1/643\.jpg"),
        ("F001/T1/1.jpg", "1 0", r"l\.txt, line 1: wanted 12 labels of 0, 1 or 9, found '1 0'"),
        ("F001/T1/1.jpg", ONES[:-1] + "5", r"l\.txt, line 1: wanted 12 labels of 0, 1 or 9, found '1 1"),
        ("F001/T1/1.jpg", ONES[:-1] + "x", r"l\.txt, line 1: wanted 12 labels of 0, 1 or 9, found '1 1"),
        ("F001/T1/1.jpg", ONES.replace(" ", ","), r"l\.txt, line 1: wanted 12 labels"),
    ],
)
def test_lines_that_are_refused(tmp_path: Path, picture: str, row: str, says: str) -> None:
    write_list(tmp_path, "p.txt", "l.txt", {picture: row})
    with pytest.raises(ShardError, match=says):
        read_pair(tmp_path / "p.txt", tmp_path / "l.txt", 12)


def test_an_empty_pair_says_nothing(tmp_path: Path) -> None:
    write_list(tmp_path, "p.txt", "l.txt", {})
    assert read_pair(tmp_path / "p.txt", tmp_path / "l.txt", 12) == {}


@pytest.mark.parametrize(
    ("pictures", "labels"),
    [
        ("BP4D_test_img_path_fold2.txt", "BP4D_test_label_fold2.txt"),
        ("DISFA_combine_1_2_path.txt", "DISFA_combine_1_2_AUoccur.txt"),
        ("BP4D_weight_fold1.txt", None),
    ],
)
def test_names_of_pairs(pictures: str, labels: str | None) -> None:
    assert label_list(Path("x") / pictures) == (Path("x") / labels if labels else None)


def test_not_lists(tmp_path: Path) -> None:
    (tmp_path / "list").mkdir()
    with pytest.raises(ShardError, match=r"no lists of BP4D .*looked for list or .*found \['list'\]"):
        BP4D_LISTS.list_sources(tmp_path)
    (tmp_path / "img/someone").mkdir(parents=True)
    with pytest.raises(ShardError, match=r"no lists of DISFA .*imgs/DISFA.*found \['list', 'img'\]"):
        DISFA_LISTS.list_sources(tmp_path)
