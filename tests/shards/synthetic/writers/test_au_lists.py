from pathlib import Path

import pytest

from shards.layouts import bp4d, disfa
from shards.synthetic.generate import GenerateConfig
from shards.synthetic.writers.au_lists import Bp4dListsWriter, DisfaListsWriter


def people(path: Path) -> set[str]:
    """Of a list of pictures."""
    names = path.read_text().splitlines()
    return {name.removeprefix("DISFA/").split("/")[0] for name in names}


def num_lines(path: Path) -> int:
    return len(path.read_text().splitlines())


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_fold_1_tests_part_3(tmp_path: Path, fold: int) -> None:
    Bp4dListsWriter().write_set_labels(GenerateConfig(tmp_path, "bp4d_lists", 41, 0.4, 1))
    folder = tmp_path / "list"
    tested, trained = (people(folder / f"BP4D_{use}_img_path_fold{fold}.txt") for use in ("test", "train"))
    assert tested == set(bp4d.PARTS[3 - fold])
    assert tested | trained == set(bp4d.SUBJECTS)
    assert not tested & trained
    for use in ("test", "train"):
        names = (folder / f"BP4D_{use}_{kind}_fold{fold}.txt" for kind in ("img_path", "label"))
        assert len({num_lines(path) for path in names}) == 1


def test_parts_and_two_parts_together(tmp_path: Path) -> None:
    DisfaListsWriter().write_set_labels(GenerateConfig(tmp_path, "disfa_lists", 27, 0.2, 1))
    folder = tmp_path / "list"
    for number, part in enumerate(disfa.PARTS, start=1):
        assert people(folder / f"DISFA_part{number}_path.txt") == set(part)
        assert num_lines(folder / f"DISFA_part{number}_AUoccur.txt") == 9 * 4
    assert people(folder / "DISFA_combine_1_3_path.txt") == {*disfa.PARTS[0], *disfa.PARTS[2]}
    assert (folder / "DISFA_part1_path.txt").read_text().startswith("DISFA/SN001/0.jpg\n")
