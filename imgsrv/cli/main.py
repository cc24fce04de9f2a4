"""`imgsrv`: the command line, one module for each command."""

from __future__ import annotations

import argparse
import sys

from imgsrv import __version__
from imgsrv.cli import bench, config, convert, logs, monit, operate, operations, serve, start, unit
from imgsrv.errors import ImgsrvError

EXIT_BAD_ARGUMENTS = 2
EXIT_INTERRUPTED = 130

EPILOG = """examples:
  imgsrv serve --workers max
  imgsrv start --workers max
  imgsrv status
  imgsrv convert photo.jpg small.webp resize:width=800/sharpen
  imgsrv operations resize
  imgsrv bench --self

`imgsrv COMMAND --help` explains each command."""


def main() -> None:
    """Run the command and exit with its status: 0 done, 1 failed, 2 wrongly asked."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit status of a command line."""
    parsed = _parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except ImgsrvError as error:
        print(f"imgsrv: {error}", file=sys.stderr)
        return EXIT_BAD_ARGUMENTS
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="imgsrv",
        description="POST a picture, get it back processed, on every core of one machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"imgsrv {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (serve, start, operate, monit, logs, convert, operations, bench, config, unit):
        command.add_parser(commands)
    return parser
