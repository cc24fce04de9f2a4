"""A process that draws one SVG and ends: `python -m imgsrv.imaging.codecs.svg_process ORDER` with the SVG on stdin.

Before it looks at the drawing it gives up the right to open anything: with no descriptor to spare, no file, no socket
and no further program can be opened, whatever the drawing asks for.  Time and memory are bounded in the same way, and
a drawing that overflows the stack ends nothing but this process.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

from resvg import render, usvg

SPARE_BYTES, BYTES_PER_PIXEL = 512 << 20, 20
"""Memory beside the pixels, and that of four more layers of them for what is drawn apart and laid over."""

FONT_FAMILY = "Source Sans Pro"
"""For texts in a font that is not there."""


def main() -> None:
    """Write the drawing as a PNG to the standard output."""
    order = json.loads(sys.argv[1])
    options = usvg.Options.default()
    for font in order["fonts"]:
        options.load_font_data(Path(font).read_bytes())
    options.font_family = FONT_FAMILY
    # No folder in which a relative path could be looked for.
    options.resources_dir = "/dev/null"
    drawing = sys.stdin.buffer.read().decode()
    width, height = order["size"]
    give_up(SPARE_BYTES + BYTES_PER_PIXEL * width * height, order["cpu_s"])
    try:
        tree = usvg.Tree.from_str(drawing, options)
    except BaseException as error:  # noqa: BLE001  what resvg raises where it gives up is no Exception
        # Such as "…: ParsingFailed(NodesLimitReached)".
        sys.exit(f"it cannot be drawn: {str(error).rpartition(': ')[2]}")
    across, down = order["scale"]
    picture = memoryview(render(tree, (across, 0, 0, 0, down, 0), bg_size=(width, height)))
    while picture:
        picture = picture[os.write(sys.stdout.fileno(), picture) :]


def give_up(memory: int, cpu_s: int) -> None:
    """Open nothing from here on, use no more memory and time, and leave no core file."""
    for what, most in (
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    main()
