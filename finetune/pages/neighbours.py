"""Sections: nearest frames of other people, and what CLP's attention picks.

Axes: F frames, K neighbours, A AUs.
"""

import numpy as np
from numpy.typing import NDArray

from finetune.neighbours import PRESENT_FROM, Agreement, gain, shown_aus
from finetune.pages.markup import Section, figure, grid, paragraph, picture, strip, table
from finetune.studies import AttentionStudy, NeighbourStudy
from pretrain.metrics.people import Interval


def neighbours_section(study: NeighbourStudy) -> Section:
    """How well the neighbours agree, and some of them to look at."""
    count = next(iter(study.order_FK.values())).shape[1]
    people = len(set(study.frames.person_F))
    rows = [
        [name, _text(found.value, found.interval), _gain(found, study.chance)]
        for name, found in study.agreement.items()
    ]
    rows.append(["random frames", _text(study.chance.value, study.chance.interval), ""])
    parts = [
        paragraph(
            f"{len(study.frames)} frames of {people} tested people; neither encoder has seen a label. Of "
            f"each frame: the nearest frame of each other person, of these the {count} nearest, by cosine of "
            "the encoder's pooled feature without its mean."
        ),
        paragraph(
            f"Agreement: AUs that both frames show (intensity {PRESENT_FROM} or more) over AUs that either "
            "shows, over all frames that show one; 95 % intervals over people."
        ),
        table(["encoder", "agreement", "above random frames"], rows),
        paragraph(
            f"Below: the most intense frame of {len(study.query)} people, framed, with its neighbours. Under "
            "each are its AUs and their intensity, green where it shows an AU of the query."
        ),
    ]
    for query in study.query:
        parts.append(f"<h3>{study.frames.person_F[query]}: {_aus(study, query)}</h3>")
        rows_of = [
            figure(f"{name} encoder", _row(study, query, order_FK[query]))
            for name, order_FK in study.order_FK.items()
        ]
        parts.append(grid(*rows_of))
    return Section("neighbours", "Nearest neighbours", parts)


def _row(study: NeighbourStudy, query: int, near_K: NDArray[np.int64]) -> str:
    frames, shown_FA = study.frames, shown_aus(study.label_FA)
    shots = [
        picture(
            frames.jpeg_F[query], f"query, {frames.person_F[query]}", frames.person_F[query], kind="query"
        )
    ]
    for frame in near_K.tolist():
        caption = f"{frames.person_F[frame]}: {_aus(study, frame)}"
        kind = "hit" if (shown_FA[frame] & shown_FA[query]).any() else ""
        shots.append(picture(frames.jpeg_F[frame], f"neighbour, {caption}", caption, kind=kind))
    return strip(shots, len(shots))


def _aus(study: NeighbourStudy, frame: int) -> str:
    label_A = study.label_FA[frame]
    named = [f"AU{au} {value}" for au, value in zip(study.aus, label_A, strict=True) if value >= PRESENT_FROM]
    return ", ".join(named) or "no AU"


def attention_section(study: AttentionStudy) -> Section:
    """The people that queries attend to most."""
    how = (
        "the checkpoint's momentum encoder and projection head, both for the query and for the candidates. "
        "(In training the query comes from the trained encoder, and all frames are augmented.)"
        if study.projected
        else "the exported encoder's pooled feature: the checkpoint has no momentum projection of a form "
        "that is known here. This is near to the space in which CLP attends, but not that space."
    )
    frames, people = study.frames, len(set(study.frames.person_F))
    entropy = float(study.picked.entropy_share_F.mean())
    parts = [
        paragraph(
            "CLP rebuilds a frame from other people's by softmax attention. Its memory keeps no pictures, so "
            f"the look-up was repeated over {len(frames)} frames of {people} people of the pretraining set, "
            f"encoded by {how}"
        ),
        paragraph(
            f"Shown are the middle frame of {len(study.query)} evenly spaced people, framed, and the people "
            "who get the most attention, each by the frame that gets most, with the person's share. An even "
            f"attention would give each {1 / (people - 1):.1%}. Over all frames its entropy is {entropy:.0%} "
            f"of an even one's (temperature {study.temperature:g}). If the objective does what it is for, "
            "the picked faces show the query's movement on other people."
        ),
    ]
    strips = []
    for query in study.query:
        person = frames.person_F[query]
        shots = [picture(frames.jpeg_F[query], f"query, person {person}", person, kind="query")]
        picked = zip(
            study.picked.order_FK[query].tolist(), study.picked.weight_FK[query].tolist(), strict=True
        )
        for frame, weight in picked:
            caption = f"{frames.person_F[frame]}: {weight:.1%}"
            shots.append(picture(frames.jpeg_F[frame], f"attended, {caption}", caption))
        strips.append(strip(shots, len(shots)))
    parts.append(grid(*strips))
    return Section("attention", "What the attention picks", parts)


def _text(value: float, span: Interval) -> str:
    return f"{value:.3f} <small>[{span.low:.3f}, {span.high:.3f}]</small>"


def _gain(found: Agreement, chance: Agreement) -> str:
    value, span = gain(found, chance)
    return f"{value:+.3f} <small>[{span.low:+.3f}, {span.high:+.3f}]</small>"
