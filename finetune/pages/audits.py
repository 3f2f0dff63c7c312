"""Section: what the audits found."""

from collections.abc import Sequence
from html import escape

from finetune.audits.result import Audit
from finetune.pages.markup import Section, folded, paragraph, table

TITLES = {
    "identity": "Who it is, from the features",
    "leakage": "Pretraining data and tested people",
    "label_noise": "Suspicious labels",
    "fairness": "Scores by person and group",
    "neutral": "Calibration on neutral frames",
}
SHOWN = 12
"""Lines that are shown at once."""


def audits_section(audits: Sequence[Audit]) -> Section:
    """One after another, as they were given."""
    return Section("audits", "Audits", [part for audit in audits for part in _audit(audit)])


def _audit(audit: Audit) -> list[str]:
    kind = "note" if audit.failed else ""
    parts = [f"<h3>{escape(TITLES[audit.kind])}</h3>", paragraph(audit.about), paragraph(audit.verdict, kind)]
    if audit.numbers:
        parts.append(table(["", "value"], [[escape(n.name), escape(n.text)] for n in audit.numbers]))
    parts += [paragraph(line, "faint") for line in audit.lines[:SHOWN]]
    if more := audit.lines[SHOWN:]:
        parts.append(folded(f"{len(more)} more", *(paragraph(line, "faint") for line in more)))
    return parts
