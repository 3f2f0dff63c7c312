"""The rows of the table: how each encoder is made. Each trained one sees equally many images per step.

CLP's clips of 7 frames are passed through the trained encoder once and the momentum encoder once, plus 2 more
for the memory; SimCLR passes both views through the trained encoder, MoCo one through each.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.benchmarks.learning.sets import TASKS, UNLABELLED

CLIPS = 26
IMAGES = CLIPS * 7
"""Images per step that carry a gradient, for every method."""
CONFIG = "pretrain/configs/clp_cpu.yaml"

STRONG_COLOUR = (
    *("augment.contrast=0.7", "augment.saturation=0.8", "augment.channel_gain=0.4"),
    *("augment.grey=0.3", "augment.blur=0.5"),
)
"""On development people, better for SimCLR (r .414, without .403), not for CLP (.412, .424)."""


@dataclass(frozen=True)
class Method:
    """One row. `words` are of `python -m pretrain`; rows without any are made in `features`."""

    name: str
    title: str
    words: tuple[str, ...] = field(default=())
    trained_on: str = UNLABELLED

    @property
    def is_pretrained(self) -> bool:
        return bool(self.words)


def _clp(*words: str) -> tuple[str, ...]:
    return (f"run.global_batch={CLIPS}", *words)


CPC = (
    *("objective=cpc", f"run.global_batch={IMAGES // 6}", "cpc.num_frames=3", "cpc.steps_ahead=1"),
    *("cpc.gap_seconds=0.5", "cpc.hidden=128"),
)
"""On development people, more clips of fewer frames were better: r .238 with 6 of 14 frames, .280 with 11 of
8, .298 with 22 of 4, .324 with 30 of 3 (the last two with a deeper projection); random weights .236."""

CLEF = (
    *("objective=clef", "clef.texts=bp4d_plus", "clef.num_activities=9", "clef.num_people=5"),
    *("clef.num_clips=2", f"run.global_batch={IMAGES // 2 // 10 * 10}"),
)

METHODS = (
    Method("random", "random weights, calibrated normalisation"),
    Method("pixels", "PCA of pixels"),
    Method("simclr", "SimCLR", ("objective=simclr", f"run.global_batch={IMAGES // 2}", *STRONG_COLOUR)),
    Method("moco", "MoCo", ("objective=moco", f"run.global_batch={IMAGES}", *STRONG_COLOUR)),
    Method("clp", "CLP", _clp("clp.reconstruction=nce")),
    Method("temporal", "CLP without other people (lambda = 0)", _clp("clp.cross_weight=0")),
    Method(
        "own-view",
        "CLP with an own-view positive",
        _clp("clp.reconstruction=nce", "clp.rebuilt_from=own_view"),
    ),
    Method(
        "same-person",
        "CLP with a same-person memory",
        _clp("clp.reconstruction=nce", "clp.rebuilt_from=same_person"),
    ),
    Method("no-margin", "CLP without a margin", _clp("clp.reconstruction=nce", "clp.margin=0")),
    Method("no-momentum", "CLP with momentum 0", _clp("clp.reconstruction=nce", "clp.momentum=0")),
    Method("l2", "CLP with the reconstruction of the figure, l2", _clp("clp.reconstruction=l2")),
    Method(
        "hinge-rank", "CLP with hinges by rank", _clp("clp.reconstruction=nce", "clp.temporal=hinge_rank")
    ),
    Method("graded", "CLP with graded margins", _clp("clp.reconstruction=nce", "clp.temporal=graded")),
    Method("cpc", "CPC", CPC),
    Method(
        "cpc-one-view",
        "CPC within one view",
        (*CPC, "cpc.candidates=same_view", f"run.global_batch={IMAGES // 3}"),
    ),
    Method("cpc-temporal", "CPC against frames of the clip alone", (*CPC, "cpc.negatives=temporal")),
    Method("cpc-clips", "CPC against other clips alone", (*CPC, "cpc.negatives=clips")),
    Method("clef", "CLEF, stage 1, on people who do tasks", CLEF, TASKS),
    Method("clef-text", "CLEF with the texts of other tasks", (*CLEF, "clef.text=shuffled"), TASKS),
    Method("clef-drawn", "CLEF with tasks drawn at random", (*CLEF, "clef.labels=shuffled"), TASKS),
    Method("supervised", "supervised on the probe's labels (upper row)"),
)


def chosen(names: Iterable[str]) -> list[Method]:
    """Methods by name, in the table's order; all where no name is given.

    Raises:
        ValueError: there is no such method.
    """
    wanted = set(names)
    known = [method.name for method in METHODS]
    if wanted - set(known):
        raise ValueError(f"found methods {sorted(wanted - set(known))}, wanted some of {', '.join(known)}")
    return [method for method in METHODS if not wanted or method.name in wanted]
