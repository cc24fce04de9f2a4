"""The manual page imgsrv(1), made from the parser of the command line in the language of `man` (groff_man(7)).

`python -m imgsrv.cli.documents docs/imgsrv.1` writes it.  The wheel has it in share/man/man1.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from typing import Any

from imgsrv import __version__
from imgsrv.settings import SETTINGS

NAME = "imgsrv \\- an image-processing HTTP server that uses every core of one machine"

EXITS = (
    ("0", "Done."),
    ("1", "Failed: the command was right, and could not be carried out, or not for all instances or pictures."),
    ("2", "Wrong arguments or settings."),
    ("130", "Interrupted by Ctrl-C."),
    ("141", "Whoever read the output has ended."),
)

FILES = (
    ("imgsrv.toml", "Settings, if it is in the current folder, and no other user may write to it."),
    ("$XDG_RUNTIME_DIR/imgsrv, /run/imgsrv, /tmp/imgsrv-UID", "Control sockets of the running instances."),
    ("$XDG_STATE_HOME/imgsrv, ~/.local/state/imgsrv, /var/log/imgsrv", "Logs and crash reports of `imgsrv start`."),
)

ENDS_A_SENTENCE = (".", "!", "?")


def manual(parser: argparse.ArgumentParser) -> str:
    """Return the page.  parser: that of `imgsrv`, with all commands."""
    return "\n".join(_lines(parser)) + "\n"


def _lines(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield '.\\" Generated from the parser: python -m imgsrv.cli.documents docs/imgsrv.1'
    yield f'.TH IMGSRV 1 "" "imgsrv {__version__}" "User Commands"'
    yield ".nh"
    yield from (".SH NAME", NAME, ".SH SYNOPSIS", ".B imgsrv", ".I COMMAND", "[options]")
    yield from (".SH DESCRIPTION", *_text(parser.description or ""))
    yield ".SH COMMANDS"
    found = _commands(parser)
    for command in found:
        yield from _command(command)
    yield from (".SH SETTINGS", *_text("serve, start, config, systemd-unit and cache take these options."))
    yield from _text("Each can also come from the environment, by the name in parentheses, or from the file --config.")
    yield from _text("A flag wins over the environment, and the environment over the file.")
    serve = next(command for command in found if command.prog.endswith(" serve"))
    for action in serve._actions:  # noqa: SLF001  argparse shows them to nobody
        if action.dest in SETTINGS:
            yield from _option(action)
    yield from (".SH EXIT STATUS", *_terms(EXITS), ".SH FILES", *_terms(FILES), ".SH EXAMPLES")
    yield from _example(parser.epilog or "")


def _commands(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Return the parser of each command, and of each action of a command that has such."""
    found = []
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                found += [command, *_commands(command)]
    return found


def _command(command: argparse.ArgumentParser) -> Iterator[str]:
    actions = [action for action in command._actions if action.help != argparse.SUPPRESS]  # noqa: SLF001
    has_settings = {action.dest for action in actions} >= SETTINGS.keys()
    own = [action for action in actions if not (has_settings and action.dest in SETTINGS) and action.dest != "help"]
    arguments = [action for action in own if not action.option_strings]
    options = [action for action in own if action.option_strings]
    words = [_in_usage(action) for action in arguments]
    yield f".SS {_escaped(' '.join([command.prog, *words, *(['[options]'] if options else [])]))}"
    yield from _text(command.description or "")
    for action in (*arguments, *options):
        if not isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            yield from _option(action)
    if has_settings:
        yield from (".PP", *_text("It takes the settings below, too."))
    if command.epilog:
        yield from _example(command.epilog)


def _in_usage(action: argparse.Action) -> str:
    name = _value_name(action)
    if action.nargs == "?":
        return f"[{name}]"
    return name


def _value_name(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    return "|".join(map(str, action.choices)) if action.choices is not None else action.dest.upper()


def _option(action: argparse.Action) -> Iterator[str]:
    yield ".TP"
    if not action.option_strings:
        yield f"\\fI{_escaped(_value_name(action))}\\fR"
    else:
        value = "" if action.nargs == 0 else f" \\fI{_escaped(_value_name(action))}\\fR"
        yield ", ".join(f"\\fB{_escaped(flag)}\\fR{value}" for flag in action.option_strings)
    known: dict[str, Any] = vars(action)
    yield from _text((action.help or "") % known)


def _terms(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, meaning in rows:
        yield from (".TP", f"\\fB{_escaped(term)}\\fR", *_text(meaning))


def _text(text: str) -> Iterator[str]:
    """Yield running text, a sentence on each line as groff wants it, with a full stop at its end."""
    words = " ".join(text.split())
    if words and not words.endswith((*ENDS_A_SENTENCE, ")", "]")):
        words += "."
    for sentence in re.split(r"(?<=[.!?]) (?=[A-Z])", words):
        if sentence:
            yield _escaped(f"{sentence[0].upper()}{sentence[1:]}" if sentence.split(" ")[0].islower() else sentence)


def _example(text: str) -> Iterator[str]:
    """Yield lines as they are: text that begins at the margin fills lines, text that is indented does not."""
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        prose = [line for line in block.splitlines() if not line.startswith(" ")]
        code = [line for line in block.splitlines() if line.startswith(" ")]
        if prose:
            yield from (".PP", *_text(" ".join(prose)))
        if code:
            yield from (".PP", ".nf", ".RS", *(_escaped(line.strip()) for line in code), ".RE", ".fi")


def _escaped(text: str) -> str:
    """Return text that means itself: hyphens of options stay ASCII, and a line never begins with a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    text = "".join(one if one.isascii() else f"\\[u{ord(one):04X}]" for one in text)
    return f"\\&{text}" if text.startswith(".") else text
