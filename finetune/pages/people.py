"""Section: how well a linear classifier tells the people from each encoder's features."""

from collections.abc import Mapping

from finetune.claims import ROW_NAMES
from finetune.pages.markup import Section, paragraph, table
from pretrain.metrics.identity import IdentityScore


def people_section(scores: Mapping[str, IdentityScore], frames: int) -> Section:
    """One row per encoder.

    Args:
        scores: by encoder, at least one; all over the same people.
        frames: how many frames were encoded.
    """
    first = next(iter(scores.values()))
    rows = [
        [
            ROW_NAMES.get(name, name),
            f"{s.value:.1%} <small>[{s.interval.low:.1%}, {s.interval.high:.1%}]</small>",
        ]
        for name, s in scores.items()
    ]
    rows.append(["chance", f"{first.chance:.1%}"])
    return Section(
        "identity",
        "Does the feature know who it is?",
        [
            paragraph(
                f"A linear classifier was fitted on one video of each of {first.people} people of the "
                f"pretraining set and scored on the person's other videos ({frames} frames in all). CLP "
                "means to learn behaviour and not identity: the nearer to chance, the better. Pretraining "
                "has seen these people, without their names."
            ),
            table(["features", "frames told right"], rows),
        ],
    )
