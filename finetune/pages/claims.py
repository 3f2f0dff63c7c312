"""Section: what is claimed and what is not, as the intervals allow."""

from collections.abc import Sequence
from html import escape

from finetune.claims import LEAST_PEOPLE, Claim
from finetune.pages.markup import Section, paragraph

KINDS = {
    "shown": ("shown", "shown"),
    "against": ("against", "shown, the other way"),
    "not shown": ("", "not shown"),
}


def claims_section(
    claims: Sequence[Claim], of_aus: Sequence[Claim], look_alikes: str, generated: bool
) -> Section:
    """Statements in words.

    Args:
        claims: on means over AUs and over people.
        of_aus: on single AUs.
        look_alikes: a line on the AUs that cannot be told apart in these faces; empty where there are none.
        generated: the faces were generated.
    """
    parts = [
        paragraph(
            "A line is printed as shown only where its 95 % interval, bootstrapped over people, excludes "
            "zero. Numbers are above zero where the line holds; for errors they are the reduction. Each line "
            "is tested for itself: of twenty lines without an effect one would be printed as shown."
        ),
        _items(claims),
    ]
    parts.append("<h3>Single AUs, by AUC</h3>")
    parts.append(paragraph(f"Only AUs that at least {LEAST_PEOPLE} tested people show.", "faint"))
    if of_aus:
        told = [claim for claim in of_aus if claim.verdict != "not shown"]
        rest = ", ".join(claim.statement.split(":")[0] for claim in of_aus if claim.verdict == "not shown")
        if told:
            parts.append(_items(told))
        if rest:
            parts.append(paragraph(f"Not shown either way: {rest}."))
    if look_alikes:
        parts.append(paragraph(look_alikes))
    never = ["One seed and one fold do not show how much training itself scatters."]
    if generated:
        never.insert(
            0, "Nothing here says how accurate the models are on real people: the faces are generated."
        )
    never.append("AUs describe movements of the face. Nothing here is about feelings.")
    parts += ["<h3>Not claimed</h3>", *(paragraph(line) for line in never)]
    return Section("claims", "What is claimed", parts)


def _items(claims: Sequence[Claim]) -> str:
    """What is shown first."""
    ordered = sorted(claims, key=lambda claim: list(KINDS).index(claim.verdict))
    return f"<ul class='claims'>{''.join(_item(claim) for claim in ordered)}</ul>"


def _item(claim: Claim) -> str:
    kind, name = KINDS[claim.verdict]
    return f"<li class='{kind}'><strong>{name}</strong>{escape(claim.text)}</li>"
