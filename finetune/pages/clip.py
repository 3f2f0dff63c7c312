"""Section: the registered models on a real clip."""

from collections.abc import Mapping

from finetune.clip import AuTrack, ClipResult
from finetune.pages.markup import Section, figure, grid, paragraph, picture, strip
from finetune.pages.svg import ONE, Level, Line, Mark, line_chart

KINDS = {
    "probability": ("Detection: probability that the AU is present", 1.0),
    "intensity_0_5": ("Intensity, 0 to 5", 5.0),
}


def clip_section(found: ClipResult, source: str, thresholds: Mapping[int, float], generated: bool) -> Section:
    """Timelines and the frames at their peaks.

    Args:
        found: what the models gave.
        source: where the clip comes from and under which licence.
        thresholds: by AU, from which probability the detector calls it present.
        generated: the models have only seen generated faces.
    """
    parts = []
    if generated:
        parts.append(
            "<p class='note'>The models have only seen generated faces. What they say of a real face shows "
            "that the way from file to numbers works; it is not a measurement of this person, and nobody has "
            "labelled this clip.</p>"
        )
    skipped = found.frames - found.frames_with_face
    parts.append(
        paragraph(
            f"{found.name}: {found.frames} frames, {found.faces} face{'s' if found.faces != 1 else ''}. The "
            f"face shown is in {found.frames_with_face} frames; {skipped} frames without it were skipped. "
            f"{source}"
        )
    )
    shots = [
        picture(found.crops[frame], f"face at {time:.2f} s", f"{time:.2f} s")
        for frame, time in found.film
        if frame in found.crops
    ]
    if shots:
        parts.append(figure("The face as the models see it", strip(shots, len(shots))))
    if not found.tracks:
        parts.append(paragraph("No face was found, so there is nothing to show."))
    for kind, (title, highest) in KINDS.items():
        tracks = [track for track in found.tracks if track.kind == kind]
        if tracks:
            charts = [_au(found, track, thresholds.get(track.au), highest) for track in tracks]
            parts += [
                f"<h3>{title}</h3>",
                paragraph(f"The {len(tracks)} AUs that change most in the clip; P marks the peak.", "faint"),
                grid(*charts),
            ]
    return Section("clip", "The registered models on a real clip", parts)


def _line(track: AuTrack) -> Line:
    """The values over time, interrupted where frames without the face lie between."""
    times, values = track.time_seconds_T[:1], track.value_T[:1]
    for place in range(1, len(track.value_T)):
        if track.frame_T[place] > track.frame_T[place - 1] + 1:
            times.append(track.time_seconds_T[place])
            values.append(float("nan"))
        times.append(track.time_seconds_T[place])
        values.append(track.value_T[place])
    return Line(f"AU{track.au}", times, values, ONE)


def _au(found: ClipResult, track: AuTrack, threshold: float | None, highest: float) -> str:
    peak, decides = track.peak, threshold is not None and track.kind == "probability"
    levels = [Level("", float(threshold or 0))] if decides else []
    chart = line_chart(
        [_line(track)],
        f"AU{track.au} over time",
        "seconds",
        levels=levels,
        marks=[Mark("P", track.time_seconds_T[peak], track.value_T[peak])],
        low=0.0,
        high=highest,
        height=120,
    )
    time, value = track.time_seconds_T[peak], track.value_T[peak]
    shots = []
    if (jpeg := found.crops.get(track.frame_T[peak])) is not None:
        shots.append(picture(jpeg, f"face at {time:.2f} s", f"P, {time:.2f} s: {value:.2f}"))
    title = f"AU{track.au}, present from {threshold:.2f} (dashed)" if decides else f"AU{track.au}"
    return figure(title, chart, strip(shots, 3) if shots else "")
