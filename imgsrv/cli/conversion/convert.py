"""The work of `imgsrv convert`: all arguments are checked before the first picture is read."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

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
from imgsrv.cli._failures import say
from imgsrv.cli.conversion.report import Report, name_of_source, passed_over
from imgsrv.errors import BadArgument
from imgsrv.imaging.codecs.output import OWNER, SAME, Output
from imgsrv.imaging.codecs.placeholders import PLACEHOLDERS
from imgsrv.imaging.formats import KNOWN_SUFFIXES
from imgsrv.imaging.lettering.fonts import use_fallbacks, use_fonts
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.validation import validate
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.prepare import prepare_process
from imgsrv.printable import printable
from imgsrv.server.cpus import usable_cpus
from imgsrv.settings_checks import split

EXIT_SOME_FAILED = 1


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
