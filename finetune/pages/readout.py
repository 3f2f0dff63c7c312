"""Section: how much of the AUs a straight line finds in features that no label has touched."""

from collections.abc import Mapping
from html import escape

from finetune.claims import ROW_NAMES
from finetune.pages.markup import Section, paragraph, table
from finetune.readout import score_readouts
from finetune.readout_study import ReadoutStudy

HEADS = {"auc": "AUC of showing an AU", "r": "correlation", "icc": "ICC(3,1)", "f1": "F1"}


def readout_section(study: ReadoutStudy) -> Section:
    """One row per way to describe a frame."""
    scored = {
        row: {name: score_readouts(name, [readout]) for name in HEADS}
        for row, readout in study.readouts.items()
    }
    rows = [
        [
            escape(ROW_NAMES.get(row, row)),
            *(
                f"{one.mean:.3f} <small>[{one.mean_interval.low:.3f}, {one.mean_interval.high:.3f}]</small>"
                for one in scores.values()
            ),
        ]
        for row, scores in scored.items()
    ]
    kinds = ["mean" if row == "pretrained" else "" for row in scored]
    return Section(
        "readout",
        "What the frozen features hold",
        [
            paragraph(
                "The encoders stay as pretraining left them; only a linear map (ridge regression) to the AU "
                f"intensities is fitted, {_counted(study, 'train')}. Its strength and the thresholds were "
                f"chosen {_counted(study, 'validation')}; the scores are means over AUs "
                f"{_counted(study, 'test')}."
            ),
            table(["features", *HEADS.values()], rows, kinds),
            paragraph(
                "Components of pixels cost no training at all. Random weights have the same network, with "
                "its normalisation fitted to these faces.",
                "faint",
            ),
        ],
    )


def _counted(study: ReadoutStudy, group: str) -> str:
    frames: Mapping[str, int] = study.frames
    return f"on {frames[group]} frames of {study.people[group]} people"
