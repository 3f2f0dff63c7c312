"""Section: the tested frames that a model reads best and worst, with the timelines around them."""

from collections.abc import Mapping, Sequence

from finetune.extremes import Extreme, Extremes
from finetune.pages.markup import Section, figure, grid, legend, paragraph, picture, strip
from finetune.pages.svg import BASE, ONE, Line, Mark, line_chart

HIGHEST = {"detection": 1.0, "intensity": 5.0}
NAMES = {"detection": "probability that the AU is present", "intensity": "intensity, 0 to 5"}


def wanted_frames(found: Extremes) -> list[tuple[str, int]]:
    """Key and frame index of every picture that the section shows."""
    return sorted({(one.key, one.frame_index) for one in (*found.best, *found.worst)})


def extremes_section(arm: str, found: Extremes, pictures: Mapping[tuple[str, int], bytes]) -> Section:
    """Best frames, then the worst; `pictures` are JPEG files by key and frame index."""
    text = (
        f"{arm} on tested people. A frame's error is the mean absolute difference of prediction and label "
        "over its coded AUs. Best are the frames with the least error among those that show an AU, worst "
        "those with the greatest; one of a person, and nothing was picked by hand. Charted is the AU with "
        "the highest label in a good frame, the AU with the greatest error in a bad one: "
        f"{NAMES[found.kind]}."
    )
    return Section(
        f"frames-{found.kind}",
        "Best and worst frames",
        [
            paragraph(text),
            legend(("true", BASE), ("predicted", ONE)),
            "<h3>Best</h3>",
            _row(found.kind, found.best, pictures),
            "<h3>Worst</h3>",
            _row(found.kind, found.worst, pictures),
        ],
    )


def _row(kind: str, frames: Sequence[Extreme], pictures: Mapping[tuple[str, int], bytes]) -> str:
    if not frames:
        return paragraph("No tested frame shows an AU.")
    return grid(*(_one(kind, frame, pictures) for frame in frames))


def _one(kind: str, frame: Extreme, pictures: Mapping[tuple[str, int], bytes]) -> str:
    title = f"{frame.person}, {frame.label}: true {frame.true:g}, predicted {frame.predicted:.2f}"
    times = frame.time_T.tolist()
    chart = ""
    if len(times) > 1:
        chart = line_chart(
            [
                Line("true", times, frame.true_T.tolist(), BASE),
                Line("predicted", times, frame.predicted_T.tolist(), ONE),
            ],
            title,
            "seconds",
            marks=[Mark("A", frame.time_seconds, frame.predicted)],
            low=0.0,
            high=HIGHEST[kind],
            height=120,
        )
    jpeg = pictures.get((frame.key, frame.frame_index))
    caption = f"A, {frame.time_seconds:.2f} s: error {frame.error:.2f}"
    shots = [] if jpeg is None else [picture(jpeg, f"{frame.person} at {frame.time_seconds:.2f} s", caption)]
    return figure(title, chart, strip(shots, 3))
