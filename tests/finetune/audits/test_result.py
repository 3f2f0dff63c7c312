import json

import numpy as np
import pytest

from finetune.audits.result import Audit, Number, load_audit
from finetune.pages.audits import TITLES, audits_section
from pretrain.config import ConfigError
from pretrain.metrics.people import Interval

AUDIT = Audit(
    kind="leakage",
    about="Whether <b> leaks.",
    numbers=(Number("people", 3.0), Number("f1", 0.25, Interval(0.1, 0.4)), Number("auc", float("nan"))),
    lines=tuple(f"line {number}" for number in range(15)),
    verdict="LEAKAGE: 3 people.",
    failed=True,
)


def test_it_is_read_back_as_it_was_written(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(AUDIT.json(), allow_nan=False))
    found = load_audit(tmp_path / "a.json")
    assert found.text == AUDIT.text
    assert found.failed
    assert found.numbers[1] == AUDIT.numbers[1]
    assert np.isnan(found.numbers[2].value)


def test_text_and_section_hold_numbers_lines_and_verdict():
    assert "people  3\nf1      0.250 [0.100, 0.400]\nauc     -\nline 0" in AUDIT.text
    html = audits_section([AUDIT]).html
    assert TITLES["leakage"] in html
    assert "<b> leaks" not in html
    assert "<p class='note'>LEAKAGE: 3 people.</p>" in html
    assert "<summary>3 more</summary>" in html


def test_messages(tmp_path):
    with pytest.raises(ConfigError, match=r"no audit at .*; write one with `python -m finetune.audit"):
        load_audit(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(ConfigError, match="is no audit of format 1; write it again"):
        load_audit(tmp_path / "a.json")
