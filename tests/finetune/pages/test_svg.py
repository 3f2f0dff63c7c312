import re

import pytest

from finetune.pages.svg import HEIGHT, WIDTH, Level, Line, Mark, line_chart, number, ticks


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.0, 1.0, [0.0, 0.5, 1.0]),
        (0.0, 400.0, [0.0, 200.0, 400.0]),
        (0.0, 3.95, [0.0, 1.0, 2.0, 3.0]),
        (1.7, 2.6, [1.8, 2.0, 2.2, 2.4, 2.6]),
        (-0.05, 0.05, [-0.05, 0.0, 0.05]),
        (0.0, 0.001, [0.0, 0.0005, 0.001]),
        (3.0, 3.0, [3.0]),
    ],
)
def test_ticks_are_round_and_inside(low, high, wanted):
    assert ticks(low, high) == pytest.approx(wanted)


def test_numbers_are_short():
    assert [number(x) for x in (0.0, 0.25, 12.0, 3000.0, 0.0005)] == ["0", "0.25", "12", "3,000", "5e-04"]


def test_all_points_lie_inside_and_gaps_stay_gaps():
    nan = float("nan")
    chart = line_chart(
        [Line("a", [0, 1, 2, 3, 4], [1.0, 5.0, nan, 2.0, 3.0]), Line("b", [0, 1, 2], [nan, 2.0, nan])],
        "two",
        "step",
        levels=[Level("high", 9.0)],
        marks=[Mark("A", 0, 1.0), Mark("B", 4, 3.0)],
    )
    lines = re.findall(r"<polyline points='(.*?)'", chart)
    assert [len(line.split()) for line in lines] == [2, 2]
    points = [tuple(map(float, point.split(","))) for line in lines for point in line.split()]
    points += [
        (float(x), float(y)) for x, y in re.findall(r"<(?:circle|text)[^>]*?c?x='(.*?)' c?y='(.*?)'", chart)
    ]
    assert len(points) > 12
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert chart.count("<circle") == 3


def test_a_flat_line_and_a_single_point_can_be_drawn():
    assert "<polyline" in line_chart([Line("a", [0, 1], [2.0, 2.0])], "flat", "step")
    assert "<circle" in line_chart([Line("a", [0], [0.0])], "point", "step")


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="'none' has no finite point"):
        line_chart([Line("a", [0], [float("nan")])], "none", "step")


@pytest.mark.parametrize("last", [4.0, 400.0, 100_000.0])
def test_no_number_of_the_horizontal_axis_is_cut_off(last):
    chart = line_chart([Line("loss", [0.0, last], [1.0, 0.0])], "loss", "step")
    place, anchor, text = re.findall(r"<text x='([\d.]+)' y='154' text-anchor='(\w+)'>([^<]+)<", chart)[-1]
    share = {"middle": 0.5, "end": 0.0}[anchor]
    assert float(text.replace(",", "")) == last
    assert float(place) + share * 9 * len(text) <= 340
