"""The command line, run as a user runs it."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def command(*words):
    done = subprocess.run(
        [sys.executable, "-m", "finetune", *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_prints_the_resolved_config():
    code, out, _ = command(
        "finetune/configs/intensity_disfa.yaml", "data.url=u", "out=o", "seed=4", "--print"
    )
    assert code == 0
    assert "labelled_fraction: 0.02" in out
    assert "seed: 4" in out


def test_bad_input_exits_2_with_a_line_and_no_traceback(tmp_path):
    code, _, error = command(
        "finetune/configs/aunce_disfa.yaml", f"data.url={tmp_path}", f"out={tmp_path / 'r'}"
    )
    assert code == 2
    assert "has no manifest.json" in error
    assert "Traceback" not in error
    code, _, error = command("finetune/configs/aunce_disfa.yaml", "data.url=u")
    assert (code, "no value for out" in error) == (2, True)
