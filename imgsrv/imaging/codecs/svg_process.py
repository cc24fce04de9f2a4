"""A process that draws one SVG and ends: `python -m imgsrv.imaging.codecs.svg_process ORDER` with the SVG on stdin.

Before it parses the drawing, it sets its limit of descriptors to 0.  From then on it can open no file and no socket and
start no program, whatever the drawing asks for.  Further limits bound its time and memory.  A drawing that overflows
the stack ends this process alone.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

from resvg import render, usvg

SPARE_BYTES, BYTES_PER_PIXEL = 512 << 20, 20
"""Memory for everything but the pixels; memory per pixel, for the picture and four layers that are composed on it."""

FONT_FAMILY = "Source Sans Pro"
"""The font of texts in fonts that are not installed."""


def main() -> None:
    """Write the drawing as a PNG to the standard output."""
    order = json.loads(sys.argv[1])
    options = usvg.Options.default()
    for font in order["fonts"]:
        options.load_font_data(Path(font).read_bytes())
    options.font_family = FONT_FAMILY
    # Relative paths are looked up in this folder, which is none.
    options.resources_dir = "/dev/null"
    drawing = sys.stdin.buffer.read().decode()
    width, height = order["size"]
    give_up(SPARE_BYTES + BYTES_PER_PIXEL * width * height, order["cpu_s"])
    try:
        tree = usvg.Tree.from_str(drawing, options)
    except BaseException as error:  # noqa: BLE001  resvg raises a BaseException where it gives up
        # The message is such as "…: ParsingFailed(NodesLimitReached)".
        sys.exit(f"it cannot be drawn: {str(error).rpartition(': ')[2]}")
    across, down = order["scale"]
    picture = memoryview(render(tree, (across, 0, 0, 0, down, 0), bg_size=(width, height)))
    while picture:
        picture = picture[os.write(sys.stdout.fileno(), picture) :]


def give_up(memory: int, cpu_s: int) -> None:
    """Set the limits of this process: no new descriptors, bounded memory and time, no core file."""
    for what, most in (
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    main()
