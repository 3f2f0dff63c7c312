"""Section: predicted beside true intensity over time, on tested people chosen by a stated rule.

Axes: T frames, A AUs.
"""

from collections.abc import Mapping

import numpy as np

from finetune.pages.markup import Section, figure, grid, legend, paragraph, picture, strip
from finetune.pages.svg import BASE, ONE, Line, Mark, line_chart
from finetune.timelines import Examples, Timeline, correlation

HIGHEST = 5.0
Pictures = Mapping[tuple[str, int], bytes]
"""JPEG files by key and frame index."""


def peaks(timeline: Timeline) -> list[tuple[int, int]]:
    """Of each AU, the frames where truth and prediction are greatest; the first of equals."""
    return [
        (int(np.nanargmax(timeline.true_TA[:, a])), int(timeline.predicted_TA[:, a].argmax()))
        for a in range(len(timeline.aus))
    ]


def wanted_pictures(found: Examples) -> list[tuple[str, int]]:
    """Key and frame index of every picture that the section shows."""
    chosen = {
        (timeline.key_T[frame], timeline.frame_index_T[frame])
        for timeline in (found.best, found.median, found.worst)
        for a, pair in enumerate(peaks(timeline))
        if moves(timeline, a)
        for frame in pair
    }
    return sorted(chosen)


def timelines_section(arm: str, found: Examples, pictures: Pictures) -> Section:
    """Three videos: the best, the median and the worst."""
    names = ", ".join(f"AU{au}" for au in found.aus)
    parts = [
        paragraph(
            f"The intensities of {arm} on {found.videos} tested videos. Of the AUs with the greatest "
            f"mean true intensity over all of them ({names}), those that move in a video are shown; of the "
            "videos, those with the best, the median and the worst mean correlation over these AUs. Nothing "
            "was picked by hand. A marks the peak of the truth, B that of the prediction; the frames at both "
            "are below each chart."
        ),
        legend(("true", BASE), ("predicted", ONE)),
    ]
    for rank, timeline in (("Best", found.best), ("Median", found.median), ("Worst", found.worst)):
        parts.append(f"<h3>{rank}: {timeline.person}, mean correlation {timeline.correlation:.2f}</h3>")
        pairs = zip(timeline.aus, peaks(timeline), strict=True)
        moving = [
            _au(timeline, a, au, pair, pictures) for a, (au, pair) in enumerate(pairs) if moves(timeline, a)
        ]
        parts.append(grid(*moving))
    return Section("timelines", "Intensity over time", parts)


def moves(timeline: Timeline, a: int) -> bool:
    """Whether the true intensity of the AU at place `a` changes in the video."""
    return bool(np.nanmax(timeline.true_TA[:, a]) > np.nanmin(timeline.true_TA[:, a]))


def _au(timeline: Timeline, a: int, au: int, pair: tuple[int, int], pictures: Pictures) -> str:
    time_T, true_T, predicted_T = timeline.time_seconds_T, timeline.true_TA[:, a], timeline.predicted_TA[:, a]
    value = correlation(true_T, predicted_T)
    title = f"AU{au}, correlation {value:.2f}"
    chart = line_chart(
        [
            Line("true", time_T.tolist(), true_T.tolist(), BASE),
            Line("predicted", time_T.tolist(), predicted_T.tolist(), ONE),
        ],
        f"{timeline.person}: {title}",
        "seconds",
        marks=[
            Mark("A", float(time_T[pair[0]]), float(true_T[pair[0]])),
            Mark("B", float(time_T[pair[1]]), float(predicted_T[pair[1]])),
        ],
        low=0.0,
        high=HIGHEST,
        height=130,
    )
    shots = [
        picture(
            pictures[place],
            f"{timeline.person} at {time_T[frame]:.2f} s",
            f"{letter}, {time_T[frame]:.2f} s: true {true_T[frame]:.0f}, predicted {predicted_T[frame]:.1f}",
        )
        for letter, frame in zip("AB", pair, strict=True)
        if (place := (timeline.key_T[frame], timeline.frame_index_T[frame])) in pictures
    ]
    return figure(title, chart, strip(shots, 3))
