"""Compare a folder of pictures with independent readers: `python -m tests.conformance FOLDER`.

It prints a table for each format.  `--list FILE` writes a line for each valid picture that is not read as by the
others, with its reason from known.tsv.  Readers are used where they are installed: Chromium, sharp and ImageMagick 7
(`--sharp` names a folder with their node_modules), FFmpeg, tifffile, OpenImageIO, opj_decompress, djxl, avifdec and
heif-convert.  Nothing is sent to other machines.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "support"))

from tests.conformance.browser import Chromium
from tests.conformance.kept import Kept
from tests.conformance.known import KNOWN, Known
from tests.conformance.node import Magick, Sharp
from tests.conformance.ours import Ours
from tests.conformance.readers import COMMANDS, LIBRARIES, Reader
from tests.conformance.verdict import ALIKE, FAILED, OTHERWISE, REFUSED, Verdict, judge

SUFFIXES = {
    ".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".apng": "png", ".gif": "gif", ".webp": "webp", ".avif": "avif",
    ".tif": "tiff", ".tiff": "tiff", ".bmp": "bmp", ".dib": "bmp", ".ico": "ico", ".cur": "ico", ".jp2": "jp2",
    ".j2k": "jp2", ".j2c": "jp2", ".heic": "heic", ".heif": "heic", ".jxl": "jxl", ".svg": "svg", ".svgz": "svg",
    ".psd": "psd", ".tga": "tga", ".ppm": "pnm", ".pgm": "pnm", ".pbm": "pnm", ".pnm": "pnm", ".qoi": "qoi",
}  # fmt: skip

LARGEST = 256 << 10
"""Bytes of a file that is compared, unless `--largest` says another number; large ones take long in nine readers."""


def main() -> int:
    """The exit status: 0 when the comparison was made."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--list", type=Path, help="write the pictures that are not read as by the others")
    parser.add_argument("--sharp", type=Path, help="folder in which `npm install sharp` was run")
    parser.add_argument("--kept", type=Path, help="folder for what the other readers made, for the next comparison")
    parser.add_argument("--largest", type=int, default=LARGEST, help="bytes of a file that is compared")
    parser.add_argument("--formats", help="names of formats, with commas")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    wanted = set(chosen.formats.split(",")) if chosen.formats else set(SUFFIXES.values())
    files = [(path, kind) for path, kind in _pictures(chosen.folder, chosen.largest) if kind in wanted]
    verdicts = _compared(files, chosen)
    lines = _print_table(verdicts, Known.read(KNOWN))
    if chosen.list:
        chosen.list.write_text("".join(lines))
    return 0


def _pictures(folder: Path, largest: int) -> Iterator[tuple[Path, str]]:
    """Each picture once, by its bytes."""
    seen: set[bytes] = set()
    for path in sorted(folder.rglob("*")):
        kind = SUFFIXES.get(path.suffix.lower())
        if kind is None or not path.is_file() or not 0 < path.stat().st_size <= largest:
            continue
        digest = hashlib.sha256(path.read_bytes()).digest()
        if digest not in seen:
            seen.add(digest)
            yield path, kind


def _compared(files: list[tuple[Path, str]], chosen: argparse.Namespace) -> list[tuple[Path, str, Verdict]]:
    kept = Kept(chosen.kept)
    with Chromium() as chromium, Sharp(chosen.sharp) as sharp, Magick(chosen.sharp) as magick, Ours() as ours:
        readers: dict[str, Reader] = {"chromium": chromium, "sharp": sharp, "magick": magick}
        readers |= {command.name: command for command in COMMANDS}
        readers |= {library.package: library for library in LIBRARIES}

        def compare(file: tuple[Path, str]) -> Verdict:
            path, kind = file
            known = {name: reader for name, reader in readers.items() if reader.reads(kind)}
            others = {name: pixels for name, pixels in kept.get(path).items() if name in known}
            missing = {name: reader.read(path, kind) for name, reader in known.items() if name not in others}
            others |= missing
            if missing:
                kept.put(path, others)
            return judge(ours.read(path), others, kind)

        with ThreadPoolExecutor(chosen.threads) as threads:
            verdicts = []
            for done, (file, verdict) in enumerate(zip(files, threads.map(compare, files), strict=True), 1):
                verdicts.append((*file, verdict))
                if done % 100 == 0:
                    print(f"{done} of {len(files)}", file=sys.stderr, flush=True)
    return verdicts


MEANINGS = ("specified", "undecided", "unread")
"""What a file is that is read otherwise than by most, in known.tsv; there is `invalid`, too."""

COLUMNS = ("files", "invalid", "with a majority", ALIKE, *MEANINGS, "without a reason", "without a majority", FAILED)


def _print_table(verdicts: list[tuple[Path, str, Verdict]], known: Known) -> list[str]:
    """Print the counts by format, and the share of the readings that agree.  Returns lines about the others."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    lines = []
    by_libraries: Counter[bool | None] = Counter()
    for path, kind, verdict in verdicts:
        meaning, reason = known.meaning(path)
        for row in (counts[kind], counts["all"]):
            row.update(_columns(verdict, meaning))
        if meaning != "invalid":
            by_libraries[verdict.by_libraries] += 1
            if not verdict.is_fine:
                lines.append(f"{kind}\t{verdict.kind}\t{meaning}\t{path}\t{reason}\t{verdict.details}\n")
    print("| format |", " | ".join(COLUMNS), "|")
    print("| --- " * (len(COLUMNS) + 1) + "|")
    for name in sorted(counts, key=lambda name: (name == "all", name)):
        print(f"| {name} |", " | ".join(str(counts[name][column]) for column in COLUMNS), "|")
    everything = counts["all"]
    _print_share("Valid files with a majority of programs", everything[ALIKE], everything["with a majority"])
    _print_share("The same by libraries", by_libraries[True], by_libraries[True] + by_libraries[False])
    return sorted(lines)


def _columns(verdict: Verdict, meaning: str) -> Iterator[str]:
    """The columns in which a file counts."""
    yield "files"
    if verdict.kind == FAILED:
        yield FAILED
    elif meaning == "invalid":
        yield "invalid"
    elif verdict.kind not in (ALIKE, OTHERWISE, REFUSED):
        yield "without a majority"
        if not verdict.is_fine and not meaning:
            yield "without a reason"
    else:
        yield "with a majority"
        yield ALIKE if verdict.kind == ALIKE else meaning or "without a reason"


def _print_share(what: str, alike: int, count: int) -> None:
    print(f"{what}: {count}, of which {alike} are read as by the majority ({alike / max(1, count):.1%}).")


if __name__ == "__main__":
    sys.exit(main())
