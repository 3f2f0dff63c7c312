"""`python -m tests.benchmarks.finetuning TABLE`: what finetuning's parts give on generated faces.

TABLE is `flips` (AUNCE's loss against others, with flipped labels), `fractions` (intensity by the share of
labelled frames), `words` (CLEF's texts) or `rendering` (other people, rendered otherwise). Encoders are those
of a run of `tests.benchmarks.learning`. Every unit is kept below the run folder; the same command goes on
where it was stopped.
"""

import argparse
from pathlib import Path

from infra.stages import open_folder
from pretrain.config import Request, load
from pretrain.metrics.people import DRAWS
from tests.benchmarks import record
from tests.benchmarks.finetuning import flips_table, jobs
from tests.benchmarks.finetuning.tables import TABLES, share_of_full_labels
from tests.benchmarks.learning.sets import Size, make_labelled, make_set, set_url

BP4D_PEOPLE, BP4D_PLUS_PEOPLE = 41, 60
OTHER_PIXELS = 96


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.finetuning", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("table", choices=("flips", *TABLES))
    parser.add_argument("--learning", type=Path, default=Path("runs/learning"), help="run (%(default)s)")
    parser.add_argument("--run", type=Path, default=Path("runs/finetuning"), help="folder (%(default)s)")
    parser.add_argument("--seeds", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--size", nargs="*", default=[], help="key=value: labelled_seconds, seed, ...")
    parser.add_argument("--words", nargs="*", default=[], help="key=value for every job")
    parser.add_argument("--out", type=Path, default=Path("tests/benchmarks/results"), help="(%(default)s)")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a single training of `flips`, in its own process
    given = parser.parse_args(arguments)
    if given.seeds < 1:
        raise ValueError(f"--seeds: found {given.seeds}, wanted at least 1")
    size = load(Size, Request((), tuple(given.size), print_only=False))
    folder: Path = given.run.absolute()
    command = " ".join(["python -m tests.benchmarks.finetuning", *arguments])
    if given.one:
        flips_table.make_one(folder, given.one)
        return
    open_folder(folder, False, {**vars(size), "words": given.words, "learning": str(given.learning)})
    if given.table == "flips":
        encoder = _encoder(given.learning, "clp")
        make_labelled(folder, size)
        flips_table.make_all(folder, size, Path(encoder), arguments, given.seeds)
        content, text = flips_table.result(folder, record.facts(command), given.seeds)
        record.write_result(given.out, "finetuning-flips", content, text)
        return
    table = TABLES[given.table]
    encoders = {name: _encoder(given.learning, name) for name in table.encoders}
    data = _data(folder, given.table, size)
    found = jobs.run_jobs(table, folder, data, encoders, given.seeds, tuple(given.words))
    scored = jobs.score(table, found, DRAWS)
    facts = record.facts(command)
    more = share_of_full_labels if given.table == "fractions" else None
    content = {**facts, "scores": jobs.as_json(table, scored)}
    text = jobs.text(table, facts, scored, more)
    record.write_result(given.out, f"finetuning-{given.table}", content, text)


def _encoder(learning: Path, name: str) -> str:
    folder = learning.absolute() / "encoders" / f"{name}-0" / "encoder"
    if not folder.is_dir():
        raise ValueError(
            f"no encoder {name!r} in {learning}: wanted {folder}; run `python -m tests.benchmarks.learning "
            f"--methods {name}` first, or give its folder as --learning"
        )
    return str(folder)


def _data(folder: Path, table: str, size: Size) -> tuple[str, ...]:
    """The words that name the sets, which are made where they are missing."""
    if table == "rendering":
        amount = size.labelled_seconds / 4
        people = min(BP4D_PEOPLE, 2 * size.labelled_people), min(BP4D_PLUS_PEOPLE, 2 * size.labelled_people)
        make_set(folder, "bp4d", "bp4d", people[0], amount, size.seed + 51, size.crop_pixels)
        other = (people[1], amount, size.seed + 52, size.crop_pixels, OTHER_PIXELS)
        make_set(folder, "bp4d_plus", "bp4d_plus", *other)
        return (f"data.url={set_url(folder, 'bp4d')}", f"data.test_url={set_url(folder, 'bp4d_plus')}")
    make_set(
        *(folder, "people", "disfa", size.labelled_people, size.labelled_seconds, size.seed + 50),
        size.crop_pixels,
    )
    return (f"data.url={set_url(folder, 'people')}",)


if __name__ == "__main__":
    record.run_command(main)
