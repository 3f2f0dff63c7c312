from html.parser import HTMLParser

import numpy as np
import pytest

from finetune.page import html_page
from finetune.pages.markup import (
    Section,
    facts,
    figure,
    folded,
    grid,
    legend,
    paragraph,
    picture,
    strip,
    table,
)
from finetune.pages.svg import Level, Line, Mark, line_chart
from shards.pack.faces.encode import encode
from tests.browser import look

VOID = {"meta", "link", "br", "rect", "line", "circle", "polyline", "img"}


class Balance(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.faults = [], []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


@pytest.fixture
def page():
    chart = line_chart(
        [Line("a", [0, 1, 2], [0.0, float("nan"), 2.0])],
        "a <chart>",
        "step",
        levels=[Level("chance", 1.5)],
        marks=[Mark("A", 2, 2.0)],
    )
    shot = picture(encode(np.full((64, 64, 3), 128, np.uint8)), "a face", "caption <b>")
    one = Section(
        "one",
        "One & only",
        [
            paragraph("text <i>"),
            grid(
                figure("Chart", legend(("a", "red")), chart), figure("Faces", strip([shot] * 7, 7), note="so")
            ),
            table(["", *"abcdefgh"], [["row", *["a long cell"] * 8]]),
            folded("More", facts([("name", "value")])),
        ],
    )
    return html_page("A title", "A note.", [one, Section("two", "Two", ["<p>2</p>"])])


def test_the_page_is_well_formed_and_escapes_text(page):
    parser = Balance()
    parser.feed(page)
    assert (parser.faults, parser.open) == ([], [])
    assert "width=device-width" in page
    assert "<a href='#one'>One &amp; only</a>" in page
    assert "<section id='two'>" in page
    for raw in ("caption <b>", "text <i>", "a <chart>", "http", "<script"):
        assert raw not in page


def test_a_browser_draws_it_without_overflow(page, tmp_path):
    (tmp_path / "page.html").write_text(page)
    assert look(tmp_path / "page.html", tmp_path) == {"svg": 1, "img": 7}
    assert (tmp_path / "360-dark.png").stat().st_size > 1000


def test_the_browser_sees_faults(tmp_path):
    faults = {
        "<div style='width:500px'>wide</div>": "the page is 516 px wide, the screen 360",
        "<img alt='gone' src='data:image/jpeg;base64,AAAA'>": "gone: no picture",
        "<svg aria-label='hollow' viewBox='0 0 9 9'></svg>": "hollow: empty",
        "<script>console.error('oh')</script>": "console error: oh",
        "<img src='http://127.0.0.1:1/x.png'>": "asks for http://127.0.0.1:1/x.png",
    }
    (tmp_path / "page.html").write_text(html_page("t", "n", [Section("s", "S", list(faults))]))
    with pytest.raises(AssertionError) as caught:
        look(tmp_path / "page.html", tmp_path)
    assert [fault for fault in faults.values() if fault not in str(caught.value)] == []
