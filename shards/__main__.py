"""`python -m shards COMMAND ...`: exit 0 done, 1 a check found problems, 2 wrong input (with what to do)."""

import argparse
import sys

from shards import commands_look, commands_make
from shards.errors import ShardError

COMMANDS = [*commands_make.COMMANDS, *commands_look.COMMANDS]


def make_parser() -> argparse.ArgumentParser:
    """One sub-parser for each row of the table."""
    parser = argparse.ArgumentParser(prog="python -m shards", description="Face video as shard sets.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name,
            help=command.summary,
            description=command.summary,
            epilog=f"example: {command.example}",
        )
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def main(argv: list[str] | None = None) -> int:
    args = make_parser().parse_args(argv)
    try:
        status: int = args.run(args)
    except ShardError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the same command goes on from here\n")
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
