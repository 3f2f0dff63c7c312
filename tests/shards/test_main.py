import subprocess
import sys

import pytest

from shards.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["verify", "nowhere"], "nowhere has no manifest.json"),
        (["pack", "nowhere", "set", "--layout", "foldr"], "did you mean 'folder'"),
        (["pack", "nowhere", "set", "--layout", "folder", "--size", "1"], "size needs at least 16, found 1"),
        (
            ["generate", "out", "--layout", "x", "--identities", "1", "--seconds", "1", "--seed", "1"],
            "found 'x', wanted one of",
        ),
    ],
)
def test_wrong_input_exits_2_without_a_traceback(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said


def test_packing_does_not_import_torch() -> None:
    code = "import sys, shards.pack.pack, shards.verify, shards.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
