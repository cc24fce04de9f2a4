"""Compare a folder of pictures with independent readers: `python -m tests.conformance FOLDER`.

It prints a table for each format.  `--list FILE` writes a line for each picture that is not read as by the others.
Readers are used where they are installed: Chromium, sharp (`--sharp` names a folder with its node_modules),
ImageMagick, FFmpeg, tifffile, opj_decompress, djxl, avifdec and heif-convert.  Nothing is sent to other machines.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.conformance.browser import Chromium
from tests.conformance.kept import Kept
from tests.conformance.ours import Ours
from tests.conformance.readers import COMMANDS, Pixels, Reader, Sharp, read_tiff
from tests.conformance.verdict import Verdict, judge

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
    _print_table(verdicts)
    if chosen.list:
        lines = [
            f"{kind}\t{verdict.kind}\t{path.relative_to(chosen.folder)}\t{verdict.details}\n"
            for path, kind, verdict in verdicts
            if not verdict.is_fine
        ]
        chosen.list.write_text("".join(sorted(lines)))
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
    with Chromium() as chromium, Sharp(chosen.sharp) as sharp, Ours() as ours:

        def compare(file: tuple[Path, str]) -> Verdict:
            path, kind = file
            others = kept.get(path)
            if others is None:
                others = read(path, kind)
                kept.put(path, others)
            return judge(ours.read(path), others)

        def read(path: Path, kind: str) -> dict[str, Pixels | None]:
            readers: dict[str, Reader] = {"chromium": chromium, "sharp": sharp}
            readers |= {command.name: command for command in COMMANDS}
            others = {name: reader.read(path) for name, reader in readers.items() if reader.reads(kind)}
            return {**others, "tifffile": read_tiff(path)} if kind == "tiff" else others

        with ThreadPoolExecutor(chosen.threads) as threads:
            verdicts = []
            for done, (file, verdict) in enumerate(zip(files, threads.map(compare, files), strict=True), 1):
                verdicts.append((*file, verdict))
                if done % 100 == 0:
                    print(f"{done} of {len(files)}", file=sys.stderr, flush=True)
    return verdicts


KINDS = (
    "as the others",
    "as some",
    "otherwise",
    "refused",
    "refused as by most",
    "read alone",
    "refused by all",
    "failed",
)


def _print_table(verdicts: list[tuple[Path, str, Verdict]]) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for _path, kind, verdict in verdicts:
        counts[kind][verdict.kind] += 1
        counts["all"][verdict.kind] += 1
    print("| format | files |", " | ".join(KINDS), "|")
    print("| --- " * (len(KINDS) + 2) + "|")
    for name in sorted(counts, key=lambda name: (name == "all", name)):
        row = counts[name]
        print(f"| {name} | {row.total()} |", " | ".join(str(row[kind]) for kind in KINDS), "|")


if __name__ == "__main__":
    sys.exit(main())
