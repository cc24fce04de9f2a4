"""`imgsrv convert`: process picture files as the server does, without HTTP, many files at a time.

The help takes the formats and their parameters from the record of the catalogue.  What converts is loaded when there is
something to convert.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from imgsrv.cli._numbers import whole_number
from imgsrv.cli.shell.completion import completes
from imgsrv.errors import joined
from imgsrv.imaging.model.limits import Limits
from imgsrv.reference.recorded import Row, output_parameters, written_here
from imgsrv.wording import value_text

EPILOG = """\
The last argument is OUT if it is a folder or a URL such as s3://bucket/, ends
with /, is - or has the suffix of a picture format.  Otherwise it is the
pipeline.  The suffix of OUT gives the format.  Several pictures, a folder of
pictures or a pattern in quotes need a folder as OUT.

  imgsrv convert photo.jpg small.webp resize:width=800
  imgsrv convert photos/ out/ resize:width=800/sharpen --format avif --quality 60
  imgsrv convert --recursive --skip-existing photos/ out/ resize:width=800
  imgsrv convert --manifest run.jsonl 'photos/2026-*/**/*.jpg' out/ resize:width=800
  imgsrv convert --recursive s3://raw/photos/ s3://small/ resize:width=800 --format webp
  imgsrv convert photo.jpg out.jpg watermark:scale=0.2 --part watermark=logo.png
  imgsrv convert photo.jpg - --format blurhash
  imgsrv convert - - grayscale --format png < photo.jpg > grey.png
"""

MOST_SHOWN = 3
"""Choices that stand in the place of a value; more of them are told in the meaning."""


def add_parser(subparsers: Any) -> None:
    """Add `convert` to the commands."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "convert",
        usage="imgsrv convert IN [IN …] OUT [PIPELINE] [options]",
        description="Run operations, such as resize:width=800/sharpen, on picture files.\n"
        "`imgsrv operations` lists them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", metavar="IN … OUT [PIPELINE]", help="pictures, target and pipeline")
    result = parser.add_argument_group("the result")
    for parameter in output_parameters():
        _add_option(result, parameter)
    _add_files(parser.add_argument_group("files"))
    _add_work(parser.add_argument_group("the work"))
    parser.set_defaults(run=run)


def _add_files(files: argparse._ArgumentGroup) -> None:
    files.add_argument(
        "--part", action="append", default=[], metavar="NAME=FILE",
        help="a file that an operation uses, such as watermark=logo.png; may be given several times",
    )  # fmt: skip
    files.add_argument("-r", "--recursive", action="store_true", help="also take the pictures in folders of a folder")
    existing = files.add_mutually_exclusive_group()
    existing.add_argument("--skip-existing", action="store_true", help="pass over pictures whose results exist")
    existing.add_argument(
        "--no-overwrite", dest="overwrites", action="store_false",
        help="a result that exists is an error of its picture, not replaced",
    )  # fmt: skip
    files.add_argument(
        "--manifest", type=Path, metavar="FILE",
        help="what became of each picture, as JSON lines or Parquet; a run with the same FILE goes on from there",
    )  # fmt: skip
    files.add_argument("--dry-run", action="store_true", help="print what would become what, and write nothing")
    files.add_argument("--font-dir", type=Path, metavar="DIR", help="folder with more fonts for `text`")
    files.add_argument(
        "--font-fallback", metavar="NAMES", default="",
        help="fonts for letters that the font of a `text` lacks, separated by commas; `imgsrv fonts` lists the names",
    )  # fmt: skip


def _add_work(work: argparse._ArgumentGroup) -> None:
    where = work.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=whole_number(1), metavar="N", help="number of processes (default: usable cores)")
    where.add_argument(
        "--ray", metavar="ADDRESS",
        help="convert on the Ray cluster with this head, such as 10.0.0.1:6379; auto: the one of this machine",
    )  # fmt: skip
    limits = Limits()
    for name, meaning in (
        ("max_pixels", "largest number of pixels of a picture: width × height × frames"),
        ("max_frames", "largest number of frames of an animation"),
    ):
        default = getattr(limits, name)
        work.add_argument(
            f"--{name.replace('_', '-')}", type=whole_number(1), default=default, metavar="N",
            help=f"{meaning} (default: {default})",
        )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Convert the pictures; return the exit status.  Raises subclasses of BadRequest, UnknownOperation, BadArgument."""
    from imgsrv.cli.conversion.convert import run  # noqa: PLC0415  as above

    return run(args)


def _add_option(group: argparse._ArgumentGroup, parameter: Row) -> None:
    flag, meaning = f"--{parameter['name'].replace('_', '-')}", _meaning(parameter).replace("%", "%%")
    if _is_switch(parameter):
        group.add_argument(flag, action=argparse.BooleanOptionalAction, help=meaning)
    else:
        words = written_here() if parameter["name"] == "format" else parameter.get("choices", ())
        completes(group.add_argument(flag, metavar=_value_name(parameter), help=meaning), *map(str, words))


def _is_switch(parameter: Row) -> bool:
    return isinstance(parameter["default"], bool)


def _shown_choices(parameter: Row) -> list[str]:
    """The choices, if they are few enough to stand in the place of the value."""
    choices = list(map(str, parameter.get("choices", ())))
    return choices if len(choices) <= MOST_SHOWN else []


def _value_name(parameter: Row) -> str:
    name = "N" if parameter["type"].startswith("a whole number") else parameter["name"].upper()
    return "|".join(_shown_choices(parameter)) or name


def _meaning(parameter: Row) -> str:
    if parameter["name"] == "format":
        return (
            f"One of {joined(written_here())} (default: by the suffix of OUT; in a folder, the format of each picture)"
        )
    if _is_switch(parameter):
        return str(parameter["description"])
    default = value_text(parameter["default"])
    values = "" if _shown_choices(parameter) else f"  Values: {parameter['type']}"
    return f"{parameter['description']}{values}" + (f" (default: {default})" if default else "")
