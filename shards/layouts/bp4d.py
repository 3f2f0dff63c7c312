"""BP4D-Spontaneous: 41 people in 8 tasks, 25 frames a second; occurrence of 12 AUs, intensity of 5.

    <root>/Sequences(2D+3D)/F001/T1/0001.jpg               (also Sequences_2D+3D; any width of the number)
    <root>/AUCoding/AU_OCC/F001_T1.csv                     (also AUCoding/F001_T1.csv)
    <root>/AUCoding/AU_INT/AU06/F001_T1_AU06.csv           (also AU-Intensity-Codes3.0/ and with spaces)
    <root>/2F01_T1.avi or one folder below                 the same sequences as videos

A frame's number in the label files is that of its picture; a video's first frame is number 1. Only a part of
each task was coded: frames without a row have no labels.
"""

import re
from pathlib import Path

from shards.errors import ShardError
from shards.layouts.activity import Activity
from shards.layouts.bp4d_labels import (
    AUS,
    INTENSITY_AUS,
    LabelFiles,
    LoadLabels,
    find_label_files,
    missing_files,
)
from shards.layouts.layout import Listing, Source, unknown_file
from shards.schema import Failure

SUBJECTS = (*(f"F{number:03d}" for number in range(1, 24)), *(f"M{number:03d}" for number in range(1, 19)))
ACTIVITIES = {
    "T1": Activity("The person talks with the experimenter and listens to a joke.", "happiness"),
    "T2": Activity("The person watches a sad documentary.", "sadness"),
    "T3": Activity("The person hears a sudden burst of sound.", "startle"),
    "T4": Activity("The person improvises a silly song.", "embarrassment"),
    "T5": Activity("The person anticipates a physical threat.", "fear"),
    "T6": Activity("The person holds a hand in ice water.", "pain"),
    "T7": Activity("The person is insulted by the experimenter.", "anger"),
    "T8": Activity("The person smells an unpleasant odour.", "disgust"),
}
TASK_OF_RECORDING = dict(zip(("01", "03", "07", "08", "09", "10", "11", "13"), ACTIVITIES, strict=True))
"""The codes that the original recordings have instead of T1 to T8."""
PARTS = tuple(
    tuple(names.split())
    for names in (
        "F001 F002 F008 F009 F010 F016 F018 F023 M001 M004 M007 M008 M012 M014",
        "F003 F005 F011 F013 F020 F022 M002 M005 M010 M011 M013 M016 M017 M018",
        "F004 F006 F007 F012 F014 F015 F017 F019 F021 M003 M006 M009 M015",
    )
)
"""As the lists of JAANet, ME-GraphAU and AUNCE have them."""
FRAME_RATE = 25
FIRST_VIDEO_FRAME = 1
SEQUENCE_FOLDERS = ("Sequences(2D+3D)", "Sequences_2D+3D")
OCCURRENCE_FOLDERS = ("AUCoding/AU_OCC", "AUCoding")
INTENSITY_FOLDERS = ("AUCoding/AU_INT", "AU-Intensity-Codes3.0", "AU Intensity Codes3.0")
VIDEO_NAME = re.compile(r"2([FM])(\d\d)_(T\d|\d\d)", re.IGNORECASE)


class Bp4dLayout:
    name = "bp4d"
    occurrence_aus = AUS
    intensity_aus = INTENSITY_AUS
    expressions: list[str] = []  # noqa: RUF012 (as the protocol has it)

    def list_sources(self, root: Path) -> Listing:
        folders = [root / name for name in SEQUENCE_FOLDERS if (root / name).is_dir()]
        found, failures = find_sequences(root, folders, SUBJECTS, tuple(ACTIVITIES))
        videos, wrong = _find_videos(root)
        failures += wrong
        for sequence, path in videos.items():
            if sequence in found:
                name = path.relative_to(root).as_posix()
                detail = f"the pictures in {found[sequence].relative_to(root).as_posix()} are taken instead"
                failures.append(Failure(name, "open", "second_form", detail))
            else:
                found[sequence] = path
        if not found:
            raise ShardError(
                f"no BP4D sequences under {root}: looked for {' or '.join(SEQUENCE_FOLDERS)}/F001/T1/*.jpg "
                f"and so on and for 2F01_T1.avi, found {sorted(path.name for path in root.iterdir())[:5]}"
            )
        labels = find_label_files(root, OCCURRENCE_FOLDERS, INTENSITY_FOLDERS)
        with_intensity = any((root / folder).is_dir() for folder in INTENSITY_FOLDERS)
        if not with_intensity:
            detail = f"looked for {', '.join(INTENSITY_FOLDERS)}; no sequence has intensities"
            failures.append(Failure(INTENSITY_FOLDERS[0], "label", "missing_label_folder", detail))
        sources = []
        for sequence, path in sorted(found.items()):
            name, files = path.relative_to(root).as_posix(), labels.pop(sequence, LabelFiles())
            missing = missing_files(sequence, files, name, with_intensity)
            sources.append(sequence_source(name, path, sequence, files, missing, same_frames=False))
        return Listing(sources, failures + unused_labels(labels))


def find_sequences(
    root: Path, folders: list[Path], subjects: tuple[str, ...], tasks: tuple[str, ...]
) -> tuple[dict[str, Path], list[Failure]]:
    """Folders `<folder>/<subject>/<task>` by `F001_T1`, and what else lies among them."""
    found: dict[str, Path] = {}
    failures: list[Failure] = []
    for place in sorted(path for folder in folders for path in folder.iterdir()):
        if place.is_file():
            failures.append(unknown_file(root, place))
        elif place.name not in subjects:
            failures.append(_unknown(root, place, "subject"))
        else:
            for path in sorted(place.iterdir()):
                if path.is_file():
                    failures.append(unknown_file(root, path))
                elif path.name not in tasks:
                    failures.append(_unknown(root, path, "task"))
                elif f"{place.name}_{path.name}" in found:
                    name = path.relative_to(root).as_posix()
                    failures.append(Failure(name, "open", "second_form", "the sequence is there twice"))
                else:
                    found[f"{place.name}_{path.name}"] = path
    return found, failures


def sequence_source(
    name: str, path: Path, sequence: str, files: LabelFiles, failures: list[Failure], same_frames: bool
) -> Source:
    subject, task = sequence.split("_")
    return Source(
        video_id=name,
        path=path,
        identity=subject,
        activity=task,
        first_frame=FIRST_VIDEO_FRAME,
        frame_rate=FRAME_RATE,
        load_labels=LoadLabels(files, same_frames),
        label_files=files.paths,
        failures=failures,
    )


def unused_labels(labels: dict[str, LabelFiles]) -> list[Failure]:
    """A ledger line for each sequence that has labels only."""
    return [
        Failure(name, "label", "no_video", f"labels of {sequence}, which has neither pictures nor video")
        for sequence, files in labels.items()
        for name, _ in [files.occurrence or next(iter(files.intensity.values()))]
    ]


def _unknown(root: Path, path: Path, kind: str) -> Failure:
    return Failure(
        path.relative_to(root).as_posix(), "open", f"unknown_{kind}", f"there is no {kind} {path.name}"
    )


def _find_videos(root: Path) -> tuple[dict[str, Path], list[Failure]]:
    found: dict[str, Path] = {}
    failures: list[Failure] = []
    for path in sorted([*root.glob("*.avi"), *root.glob("*/*.avi")]):
        match = VIDEO_NAME.fullmatch(path.stem)
        task = match and TASK_OF_RECORDING.get(match[3], match[3].upper())
        subject = match and f"{match[1].upper()}0{match[2]}"
        if subject not in SUBJECTS or task not in ACTIVITIES:
            failures.append(unknown_file(root, path))
        else:
            found.setdefault(f"{subject}_{task}", path)
    return found, failures
