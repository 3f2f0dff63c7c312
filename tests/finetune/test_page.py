from html.parser import HTMLParser

from finetune.arms import make_arms
from finetune.page import html_page
from finetune.report import task_table

VOID = {"meta", "link", "br", "rect", "line"}


class Balance(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.faults, self.rectangles = [], [], []

    def handle_starttag(self, tag, attributes):
        if tag == "rect":
            self.rectangles.append(dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def test_the_page_is_well_formed_and_bars_lie_inside(make_result):
    results = [make_result("random", skill=0.3), make_result("pretrained", skill=3.0)]
    tables = [task_table(arms) for arms in make_arms(results).values()]
    page = html_page(tables, [], "A caption.", results)
    parser = Balance()
    parser.feed(page)
    assert parser.faults == []
    assert parser.open == []
    assert page.count("A caption.") >= 2
    assert "width=device-width" in page
    # Two arms and a tick for each of three AUs and the mean, in two charts.
    assert len(parser.rectangles) == 2 * (2 + 1) * 4
    for rectangle in parser.rectangles:
        assert 0 <= float(rectangle["x"]) <= float(rectangle["x"]) + float(rectangle["width"]) <= 560
