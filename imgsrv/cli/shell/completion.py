"""`imgsrv completion`: the lines that let a shell complete commands, options and their values."""

from __future__ import annotations

import argparse
from typing import Any

SHELLS = ("bash", "zsh", "fish")

EPILOG = """\
Let the shell read it, once or in the file that it reads at its start:

  eval "$(imgsrv completion bash)"        # in ~/.bashrc
  eval "$(imgsrv completion zsh)"         # in ~/.zshrc, after compinit
  imgsrv completion fish | source         # in ~/.config/fish/config.fish
"""


def add_parser(subparsers: Any) -> None:
    """Add `completion` to the commands."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "completion",
        description="Print the lines that let a shell complete the commands, options and values of imgsrv.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the lines for a shell."""
    from argcomplete.shell_integration import shellcode  # noqa: PLC0415  no other command needs it

    print(shellcode(["imgsrv"], shell=args.shell))
    return 0


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell that asks, by variables of the environment, how the line goes on; then exit."""
    from argcomplete import autocomplete  # noqa: PLC0415  only for a shell that asks

    autocomplete(parser)


def completes(action: argparse.Action, *words: str) -> None:
    """Say with which words a shell may go on at an argument.  Other words stay allowed."""
    action.completer = lambda **_: words  # type: ignore[attr-defined]  # argcomplete looks for it
