"""BP4D+ (MMSE): 140 people in 10 tasks, 25 frames a second; four of the tasks are coded, as in BP4D.

    <root>/2D+3D/F001/T1/0001.jpg                  after unzipping <root>/2D+3D/F001.zip there
    <root>/AUCoding/AU_OCC/F001_T1.csv
    <root>/AUCoding/AU_INT/AU06/F001_T1_AU06.csv   the frames of AU_OCC, one for one

A frame's number in the label files is that of its picture.
"""

from pathlib import Path

from shards.errors import ShardError
from shards.layouts.activity import Activity
from shards.layouts.bp4d import find_sequences, sequence_source, unused_labels
from shards.layouts.bp4d_labels import AUS, INTENSITY_AUS, LabelFiles, find_label_files, missing_files
from shards.layouts.layout import Listing
from shards.schema import Failure

SUBJECTS = (*(f"F{number:03d}" for number in range(1, 83)), *(f"M{number:03d}" for number in range(1, 59)))
ACTIVITIES = {
    "T1": Activity("The person listens to a funny joke.", "happiness"),
    "T2": Activity("The person watches their own 3D avatar.", "surprise"),
    "T3": Activity("The person listens to an emergency phone call.", "sadness"),
    "T4": Activity("The person hears a sudden sound.", "startle"),
    "T5": Activity("The person answers a question as true or false.", "scepticism"),
    "T6": Activity("The person improvises a silly song.", "embarrassment"),
    "T7": Activity("The person is threatened in a dart game.", "fear"),
    "T8": Activity("The person holds a hand in ice water.", "pain"),
    "T9": Activity("The person hears a complaint about their performance.", "anger"),
    "T10": Activity("The person smells an unpleasant odour.", "disgust"),
}
CODED_TASKS = ("T1", "T6", "T7", "T8")
SEQUENCE_FOLDER = "2D+3D"
OCCURRENCE_FOLDER = "AUCoding/AU_OCC"
INTENSITY_FOLDER = "AUCoding/AU_INT"


class Bp4dPlusLayout:
    name = "bp4d_plus"
    occurrence_aus = AUS
    intensity_aus = INTENSITY_AUS
    expressions: list[str] = []  # noqa: RUF012 (as the protocol has it)

    def list_sources(self, root: Path) -> Listing:
        folder = root / SEQUENCE_FOLDER
        folders = [folder] if folder.is_dir() else []
        archives = sorted(folder.glob("*.zip"))
        found, failures = find_sequences(root, folders, SUBJECTS, tuple(ACTIVITIES))
        if not found:
            raise ShardError(
                f"no BP4D+ sequences under {root}: looked for {SEQUENCE_FOLDER}/F001/T1/*.jpg and so on, "
                f"found {len(archives)} zip files there; unzip each into {SEQUENCE_FOLDER}"
            )
        names = {path.relative_to(root).as_posix(): path for path in archives}
        failures = [failure for failure in failures if failure.source not in names]
        for name, path in names.items():
            if not path.with_suffix("").is_dir():
                detail = f"unzip it into {SEQUENCE_FOLDER}; nothing is read from inside it"
                failures.append(Failure(name, "open", "still_zipped", detail))
        labels = find_label_files(root, [OCCURRENCE_FOLDER], [INTENSITY_FOLDER])
        with_intensity = (root / INTENSITY_FOLDER).is_dir()
        if not with_intensity:
            detail = "it is not there; no sequence has intensities"
            failures.append(Failure(INTENSITY_FOLDER, "label", "missing_label_folder", detail))
        sources = []
        for sequence, path in sorted(found.items()):
            name, files = path.relative_to(root).as_posix(), labels.pop(sequence, LabelFiles())
            coded = sequence.split("_")[1] in CODED_TASKS
            missing = missing_files(sequence, files, name, with_intensity) if coded else []
            sources.append(sequence_source(name, path, sequence, files, missing, same_frames=True))
        return Listing(sources, failures + unused_labels(labels))
