import subprocess
import sys

import pytest

from shards.__main__ import COMMANDS, main
from shards.command import Command
from shards.layouts.registry import LAYOUTS
from shards.synthetic.writers.registry import WRITERS


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


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_has_an_example(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command.name, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"example: python -m shards {command.name}" in text


@pytest.mark.parametrize(("command", "names"), [("generate", WRITERS), ("pack", LAYOUTS)])
def test_help_names_every_layout(
    command: str, names: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    said = capsys.readouterr().out
    assert [name for name in names if name not in said] == []
