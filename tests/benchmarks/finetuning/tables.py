"""The tables: intensity by labelled fraction, words of CLEF, and people that were rendered otherwise."""

from finetune.tables import ScoreTable
from tests.benchmarks.finetuning.jobs import JobTable

SAID = (
    "Generated faces: the numbers compare methods and say nothing about accuracy on real people. Means over "
    "AUs; brackets are 95 % intervals over people and seeds, paired for differences. Rows in no difference "
    "have one seed."
)
FRACTIONS = (1, 2, 5, 10, 100)
STARTS = {"random": "random", "CPC": "{cpc}", "CLP": "{clp}"}


def _fractions() -> JobTable:
    arms = {
        f"{start}, {percent} %": (f"init={init}", f"intensity.labelled_fraction={percent / 100}")
        for start, init in STARTS.items()
        for percent in FRACTIONS
    }
    pairs = [(f"{start}, 2 %", "random, 2 %") for start in ("CPC", "CLP")]
    pairs += [(f"{start}, 2 %", "random, 100 %") for start in ("CPC", "CLP")]
    return JobTable(
        title="Intensity by the share of frames that are labelled",
        config="finetune/configs/intensity_disfa.yaml",
        folds=(1, 2, 3),
        arms=arms,
        pairs=tuple(pairs),
        scores=("icc", "mae", "pcc"),
        caption=f"{SAID} CPC brings its temporal module.",
    )


WORDS = ("names_and_descriptions", "names", "shuffled", "none")


def _words() -> JobTable:
    arms = {
        f"{start}, {text.replace('_', ' ')}": (f"init={init}", f"clef.text={text}")
        for start, init in {"stage 1": "{clef}", "random": "random"}.items()
        for text in WORDS
    }
    arms["stage 1, AU12 and AU4 unseen"] = ("init={clef}", "clef.unseen=[AU12,AU4]")
    arms["stage 1, AU12 and AU4 unseen, shuffled"] = (
        *arms["stage 1, AU12 and AU4 unseen"],
        "clef.text=shuffled",
    )
    true = "names and descriptions"
    pairs = [(f"stage 1, {true}", f"stage 1, {other}") for other in ("names", "shuffled", "none")]
    pairs += [(f"stage 1, {true}", f"random, {true}")]
    return JobTable(
        title="What words give",
        config="finetune/configs/clef_disfa.yaml",
        folds=(1, 2, 3),
        arms=arms,
        pairs=tuple(pairs),
        scores=("f1", "auc"),
        caption=f"{SAID} `shuffled`: each AU has the words of another; `none`: a vector that says nothing.",
    )


def _rendering() -> JobTable:
    arms = {
        f"{task}, {start}": (f"task={task}", f"init={init}")
        for task in ("aunce", "supervised")
        for start, init in {"CLP": "{clp}", "random": "random"}.items()
    }
    pairs = [(f"{task}, CLP", f"{task}, random") for task in ("aunce", "supervised")]
    pairs += [("aunce, CLP", "supervised, CLP")]
    return JobTable(
        title="To other people, rendered otherwise",
        config="finetune/configs/aunce_bp4d_to_bp4d_plus.yaml",
        folds=(1,),
        arms=arms,
        pairs=tuple(pairs),
        scores=("f1", "auc"),
        caption=f"{SAID} Trained on people in BP4D's form at 224 pixels, tested on others in BP4D+'s at 96.",
    )


TABLES = {"fractions": _fractions(), "words": _words(), "rendering": _rendering()}


def share_of_full_labels(scored: ScoreTable) -> list[str]:
    """What 2 % of the labels give with pretraining, of all labels from random weights."""
    icc = scored.scores["icc"].arms
    full = icc["random, 100 %"].mean
    found = ", ".join(f"{start} {icc[f'{start}, 2 %'].mean / full:.2f}" for start in STARTS)
    return [f"ICC from 2 % of the labels, of that from all labels and random weights: {found} (aim: .9)."]
