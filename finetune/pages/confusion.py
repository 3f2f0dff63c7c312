"""Section: what was taken for what, at the thresholds that validation people chose.

Axes: P people, A AUs, K expressions.
"""

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from finetune.arms import Arm, sums_by_fold
from finetune.pages.markup import Section, folded, legend, paragraph, table
from finetune.scored import Sums
from pretrain.metrics.detection import DetectionSums
from pretrain.metrics.expression import ExpressionSums

PARTS = (
    ("present, said so", "var(--one)"),
    ("present, missed", "var(--two)"),
    ("absent, called present", "var(--five)"),
    ("absent, said so", "var(--rule)"),
)


def confusion_section(arms: Sequence[Arm]) -> Section:
    """A table for each arm of detection or of expressions, all but the first folded."""
    tables = [_table(arm) for arm in arms]
    others = [folded(arm.name, html) for arm, html in zip(arms[1:], tables[1:], strict=True)]
    text = f"Frames of tested people, summed over folds and seeds: {arms[0].name}."
    keys = legend(*PARTS) if arms[0].kind == "detection" else ""
    return Section(
        f"confusion-{arms[0].kind}", "What was taken for what", [paragraph(text), keys, tables[0], *others]
    )


def _table(arm: Arm) -> str:
    jobs = [sums for fold in sums_by_fold(arm).values() for sums in fold]
    if arm.kind == "expression":
        return _of_expressions(arm.labels, jobs)
    counts_4A = np.sum([_counts(sums) for sums in jobs], axis=0)
    rows = [[escape(label), *_row(counts_4A[:, place])] for place, label in enumerate(arm.labels)]
    return table(["", "", *(escape(name) for name, _ in PARTS), "precision", "recall"], rows)


def _counts(sums: Sums) -> NDArray[np.float64]:
    assert isinstance(sums, DetectionSums)
    parts = sums.true_positive_PA, sums.false_negative_PA, sums.false_positive_PA, sums.true_negative_PA
    return np.stack([part_PA.sum(axis=0) for part_PA in parts])


def _row(counts_4: NDArray[np.float64]) -> list[str]:
    hits, missed, false_alarms, _ = counts_4
    rates = [f"{hits / of:.2f}" if of else "-" for of in (hits + false_alarms, hits + missed)]
    return [_bar(counts_4), *(f"{count:,.0f}" for count in counts_4), *rates]


def _bar(counts_4: NDArray[np.float64]) -> str:
    share_4 = counts_4 / max(float(counts_4.sum()), 1.0)
    spans = [
        f"<span style='width:{share:.1%};background:{colour}'></span>"
        for share, (_, colour) in zip(share_4.tolist(), PARTS, strict=True)
    ]
    return f"<div class='parts'>{''.join(spans)}</div>"


def _of_expressions(labels: Sequence[str], jobs: Sequence[Sums]) -> str:
    """Rows are what was shown, columns what it was called."""
    confusion_KK = np.zeros((len(labels), len(labels)))
    for sums in jobs:
        assert isinstance(sums, ExpressionSums)
        confusion_KK += sums.confusion_PKK.sum(axis=0)
    rows = [
        [escape(label), *(f"{count:,.0f}" for count in row_K)]
        for label, row_K in zip(labels, confusion_KK, strict=True)
    ]
    return table(["shown, called", *map(escape, labels)], rows)
