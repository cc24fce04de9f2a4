"""`imgsrv convert`: process picture files as the server does, without HTTP, many files at a time.

All arguments are checked before the first picture is read.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from imgsrv.bulk.clerk import Clerk
from imgsrv.bulk.known import Known, read_manifest
from imgsrv.bulk.local import convert_all
from imgsrv.bulk.manifest import Manifest, recipe_row
from imgsrv.bulk.parquet import journal_of, write_table
from imgsrv.bulk.places import is_folder, is_url
from imgsrv.bulk.run import Executor, Todo, left_of
from imgsrv.bulk.run import run as run_all
from imgsrv.bulk.targets import STANDARD, plan, split_positionals, target_suffixes
from imgsrv.bulk.there import There
from imgsrv.bulk.work import Conversion, Recipe, convert
from imgsrv.cli._conversion_report import Report, name_of_source, passed_over
from imgsrv.cli._failures import say
from imgsrv.cli.shell.completion import completes
from imgsrv.errors import BadArgument, joined
from imgsrv.imaging.codecs.output import OWNER, SAME, Output
from imgsrv.imaging.codecs.placeholders import PLACEHOLDERS
from imgsrv.imaging.formats import KNOWN_SUFFIXES, WRITTEN
from imgsrv.imaging.lettering.fonts import use_fallbacks, use_fonts
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.validation import validate
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.prepare import prepare_process
from imgsrv.printable import printable
from imgsrv.reference.parameters import Parameter, default_text, parameters_of
from imgsrv.server.cpus import usable_cpus
from imgsrv.settings_checks import split

EXIT_SOME_FAILED = 1

EPILOG = """\
The last argument is OUT if it is a folder or a URL such as s3://bucket/, ends with /, is - or has the suffix of a
picture format.  Otherwise it is the pipeline.  The suffix of OUT gives the format.  Several pictures, a folder of
pictures or a pattern in quotes need a folder as OUT.

  imgsrv convert photo.jpg small.webp resize:width=800
  imgsrv convert photos/ out/ resize:width=800,height=600,fit=cover/sharpen --format avif --quality 60
  imgsrv convert --recursive --skip-existing photos/ out/ resize:width=800
  imgsrv convert --manifest run.jsonl 'photos/2026-*/**/*.jpg' out/ resize:width=800
  imgsrv convert --recursive s3://raw/photos/ s3://small/ resize:width=800 --format webp
  imgsrv convert photo.jpg out.jpg watermark:scale=0.2 --part watermark=logo.png
  imgsrv convert photo.jpg - --format blurhash
  imgsrv convert - - grayscale --format png < photo.jpg > grey.png
"""


def add_parser(subparsers: Any) -> None:
    """Add `convert` to the commands."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "convert",
        usage="imgsrv convert IN [IN …] OUT [PIPELINE] [options]",
        description="Run a pipeline of operations on picture files; `imgsrv operations` lists them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", metavar="IN … OUT [PIPELINE]", help="pictures, target and pipeline")
    for parameter in parameters_of(Output):
        _add_option(parser, parameter)
    parser.add_argument(
        "--part", action="append", default=[], metavar="NAME=FILE",
        help="a file that an operation uses, such as watermark=logo.png; may be given several times",
    )  # fmt: skip
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=_positive, metavar="N", help="number of processes (default: usable cores)")
    where.add_argument(
        "--ray", metavar="ADDRESS",
        help="convert on the Ray cluster with this head, such as 10.0.0.1:6379; auto: the one of this machine",
    )  # fmt: skip
    parser.add_argument("-r", "--recursive", action="store_true", help="also take the pictures in folders of a folder")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--skip-existing", action="store_true", help="pass over pictures whose results exist")
    existing.add_argument(
        "--no-overwrite", dest="overwrites", action="store_false",
        help="a result that exists is an error of its picture, not replaced",
    )  # fmt: skip
    parser.add_argument(
        "--manifest", type=Path, metavar="FILE",
        help="what became of each picture, as JSON lines or Parquet; a run with the same FILE goes on from there",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="print what would become what, and write nothing")
    parser.add_argument("--font-dir", type=Path, metavar="DIR", help="folder with more fonts for `text`")
    parser.add_argument(
        "--font-fallback", metavar="NAMES", default="",
        help="fonts for letters that the font of a `text` lacks, separated by commas; `imgsrv fonts` lists the names",
    )  # fmt: skip
    limits = Limits()
    for name, meaning in (
        ("max_pixels", "largest number of pixels of a picture: width × height × frames"),
        ("max_frames", "largest number of frames of an animation"),
    ):
        default = getattr(limits, name)
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=_positive, default=default, metavar="N",
            help=f"{meaning} (default: {default})",
        )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert the pictures; return the exit status.  Raises subclasses of BadRequest, UnknownOperation, BadArgument."""
    prepare_process()
    if args.font_dir is not None:
        use_fonts(args.font_dir)
    use_fallbacks(split(args.font_fallback))
    positionals = split_positionals(args.paths)
    if args.ray is not None and STANDARD in (*positionals.inputs, positionals.out):
        raise BadArgument("--ray converts files and objects; standard input and output belong to this process")
    recipe = Recipe(
        parse_pipeline(positionals.pipeline),
        _output(args, positionals.out),
        Limits(args.max_pixels, args.max_frames),
        dict(_part(text) for text in args.part),
        args.overwrites,
    )
    recipe.pipeline.check_parts(recipe.parts)
    journal = args.manifest and journal_of(args.manifest)
    with contextlib.ExitStack() as stack:
        # The clerk ends before other processes begin, and the manifest after them.
        manifest = None
        with Clerk() as clerk:
            found = plan(positionals.inputs, positionals.out, recipe.output, clerk, is_recursive=args.recursive)
            _note(found.notes)
            if args.dry_run or args.manifest is None:
                known = read_manifest(journal, recipe_row(recipe)) if journal else Known()
            else:
                manifest = stack.enter_context(Manifest(journal, recipe))
                if journal != args.manifest:
                    stack.callback(write_table, journal, args.manifest)
                known = manifest.known
                _note(manifest.notes)
            there = There(positionals.out, clerk)
            todo = left_of(found.conversions, known, there, skips_existing=args.skip_existing)
        if args.dry_run:
            return _tell(todo)
        _make_ready(positionals.out, todo.left, is_text=recipe.output.format in PLACEHOLDERS)
        return _convert(todo, recipe, _executor(args, positionals.out, todo.left, stack), manifest)


def _note(notes: Iterable[str]) -> None:
    for note in notes:
        say(f"imgsrv: {note}")


def _add_option(parser: argparse.ArgumentParser, parameter: Parameter) -> None:
    flag, meaning = f"--{parameter.name.replace('_', '-')}", _meaning(parameter).replace("%", "%%")
    if parameter.is_switch:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=meaning)
    else:
        words = (*WRITTEN, *PLACEHOLDERS) if parameter.name == "format" else parameter.schema.get("enum", ())
        completes(parser.add_argument(flag, metavar=parameter.name.upper(), help=meaning), *map(str, words))


def _meaning(parameter: Parameter) -> str:
    if parameter.name == "format":
        names = joined([*WRITTEN, *PLACEHOLDERS])
        return f"One of {names} (default: by the suffix of OUT; in a folder, the format of each picture)"
    if parameter.is_switch:
        return parameter.description
    default = default_text(parameter)
    return f"{parameter.description}  Values: {parameter.words}" + (f" (default: {default})" if default else "")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return int(text)


def _part(text: str) -> tuple[str, bytes]:
    name, equals, file = text.partition("=")
    if not equals or not name:
        raise BadArgument(f"--part {text} must be NAME=FILE, such as watermark=logo.png")
    try:
        return name, Path(file).read_bytes()
    except OSError as error:
        raise BadArgument(f"--part {text} cannot be read: {error.strerror}") from error


def _output(args: argparse.Namespace, out: str) -> Output:
    given = {name: value for name in Output.model_fields if (value := getattr(args, name)) is not None}
    if given.get("format") == "auto":
        raise BadArgument("--format auto follows the Accept header of a request; name a format or leave it out")
    if out != STANDARD and not is_folder(out) and "format" not in given:
        if Path(out).suffix.lower() not in KNOWN_SUFFIXES:
            end = f"let OUT end with / or with one of {target_suffixes()}"
            raise BadArgument(f"{out} gives no format; use --format, or {end}")
        given["format"] = KNOWN_SUFFIXES[Path(out).suffix.lower()]
    given.setdefault("format", SAME)
    return validate(Output, given, owner=OWNER).check()


def _make_ready(out: str, conversions: Iterable[Conversion], *, is_text: bool) -> None:
    """Make the folders that do not exist; refuse binary data on a terminal.  is_text: the result is text."""
    if out == STANDARD and sys.stdout.isatty() and not is_text:
        raise BadArgument("standard output is a terminal; redirect it to a file or to another command")
    targets = {one.target.parent for one in conversions if isinstance(one.target, Path)}
    outermost = {Path(out)} if is_folder(out) and not is_url(out) else set()
    for folder in sorted(targets | outermost if is_folder(out) else ()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadArgument(f"the folder {folder} cannot be made: {error.strerror}") from error


def _tell(todo: Todo) -> int:
    """Print what would become what, for --dry-run."""
    for one in todo.left:
        print(f"{name_of_source(one.source)} → {printable(str(one.target)) if one.target else 'standard output'}")
    say(f"{len(todo.left)} would be converted{passed_over(todo)}")
    return 0


def _convert(todo: Todo, recipe: Recipe, executor: Executor, manifest: Manifest | None) -> int:
    report = Report(todo, has_manifest=manifest is not None)
    try:
        with contextlib.closing(run_all(todo, recipe, executor, manifest)) as outcomes:
            for outcome in report.shown(outcomes):
                report.add(outcome)
    except BaseException as error:
        report.tell(stopped=error)
        raise
    report.tell()
    return EXIT_SOME_FAILED if report.failed else 0


def _executor(
    args: argparse.Namespace, out: str, conversions: Sequence[Conversion], stack: contextlib.ExitStack
) -> Executor:
    """What converts the pictures: this machine's cores, or those of a cluster until the stack is closed."""
    if any(None in (one.source, one.target) for one in conversions):
        # Several forked processes cannot share standard input or output.
        return lambda conversions, recipe: (convert(one, recipe) for one in conversions)
    if args.ray is None or not conversions:
        return lambda conversions, recipe: convert_all(conversions, recipe, args.jobs or usable_cpus())
    from imgsrv.bulk.cluster.joining import Cluster  # noqa: PLC0415  most conversions need none

    folder = None if is_url(out) else Path(out) if is_folder(out) else Path(out).parent
    cluster = Cluster(args.ray, lambda text: _note([text]))
    return stack.enter_context(cluster).executor(folder, args.font_dir and args.font_dir.absolute())
