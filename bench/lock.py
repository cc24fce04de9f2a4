"""For how long does a call keep the interpreter's lock, so that a worker's front has to wait?

`python bench/lock.py [--megapixels 4] [--only TEXT]` prints a table in Markdown, the longest first.  One thread plays
the engine, another one the front: it wakes up every millisecond and notes how much processor time the first one has
used since it last woke up.  Processor time, not the time that has passed, so that a busy machine changes little.
"""

from __future__ import annotations

import argparse
import io
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from imgsrv.imaging.analysis.measures import MEASURES
from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.codecs.encode import encode
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import FORMATS, WRITTEN
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.picture import Picture
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.prepare import prepare_process

TICK_S = 0.001

LEVELS = [level / 63 for level in range(64)]
"""The colours of a look-up table."""

ROUNDS = 3
"""The lowest of these counts: a wait for a core while the other thread runs without the lock only adds."""

LONG_MS = 2000
"""A call that takes longer is measured once."""

LIMITS = Limits(max_pixels=200_000_000)

PIPELINES = (
    *("resize:width=1000", "resize:width=1000,linear=true", "resize:width=1000,kernel=hamming", "rotate:degrees=33"),
    *("resize:width=500,height=500,fit=cover,gravity=smart", "trim", "extend:aspect=3:1", "flip", "flop"),
    *("crop:width=200,height=200,gravity=smart", "smartcrop:width=200,height=200", "round:radius=100"),
    *("border:width=50", "shear:x=30,y=30", "perspective:corners=0.1:0;0.9:0.1;1:1;0:0.9", "rotate:degrees=90"),
    *("brightness:factor=2", "contrast:factor=2", "gamma:value=2", "levels:gamma=2", "normalize", "invert"),
    *("posterize:levels=4", "solarize", "curves:points=0:0;0.5:0.6;1:1", "grayscale", "saturation:factor=2"),
    *("hue:degrees=90", "temperature:kelvin=3000", "tint:colour=ff8800", "duotone:shadow=0000ff", "sepia"),
    *("matrix:values=0.8;0.2;0;0;1;0;0;0.2;0.8", "equalize", "clahe:tiles=64", "threshold", "lut"),
    *("blur:sigma=50", "blur:radius=50", "motionblur:length=200,angle=33", "sharpen:sigma=50", "unsharp:radius=50"),
    *("convolve:kernel=0;-1;0;-1;5;-1;0;-1;0", "emboss", "edges", "median:radius=50", "median:radius=2"),
    *("morphology:kind=open,radius=50", "denoise", "pixelate:size=2", "pixelate:size=50", "vignette"),
    *("noise:kind=colour", "watermark:tile=true,blend=overlay", "watermark:scale=1", "gradient:angle=33"),
    "text:text=" + "Wide words wrap " * 60 + ",size=200,outline=50,shadow=50",
    "text:text=" + "W" * 1000 + ",size=1000,outline=50,shadow=50",
    "redact:boxes=0;0;300;300,mode=blur",
    "redact:boxes=0;0;300;300,mode=pixelate",
)

OUTPUTS: tuple[dict[str, Any], ...] = (
    *({"format": name} for name in WRITTEN),
    *({"format": name, "lossless": True} for name in ("webp", "avif", "jp2", "jxl")),
    *({"format": name, "effort": 9} for name in ("png", "jpeg")),
    {"format": "webp", "effort": 5},
    {"format": "jpeg", "progressive": True},
    *({"format": name, "colours": 256} for name in ("png", "gif")),
    *({"format": name} for name in ("blurhash", "thumbhash", "lqip")),
    {"format": "webp", "target": 0.98},
    *({"format": name, "icc": "p3"} for name in ("jpeg", "jp2")),
)

Case = tuple[str, Callable[[], object]]


def longest_hold(work: Callable[[], object]) -> tuple[float, float]:
    """Processor time in ms: the longest during which no other thread could run, and that of the whole call."""
    used, ended = list[float](), threading.Event()

    def run() -> None:
        clocks.append(time.pthread_getcpuclockid(threading.get_ident()))
        started.wait()
        try:
            work()
        finally:
            used.append(time.thread_time())
            ended.wait()

    clocks, started = list[int](), threading.Event()
    thread = threading.Thread(target=run)
    thread.start()
    while not clocks:
        time.sleep(TICK_S)
    began = last = time.clock_gettime(clocks[0])
    longest = 0.0
    started.set()
    while not used:
        time.sleep(TICK_S)
        now = time.clock_gettime(clocks[0])
        longest, last = max(longest, now - last), now
    ended.set()
    thread.join()
    return longest * 1e3, (used[0] - began) * 1e3


def cases(side: int) -> Iterator[Case]:
    """Every format read and written, every operation with dear parameters, every measure."""
    noise = np.random.default_rng(1).integers(0, 256, (side, side, 4), np.uint8)
    for mode in ("RGB", "RGBA"):
        frame = Image.fromarray(noise if mode == "RGBA" else np.ascontiguousarray(noise[..., :3]))
        yield from _codecs(frame)
        yield from _operations(frame)
    png = io.BytesIO()
    encode(Picture((Image.fromarray(noise[..., :3].copy()),), "png"), "png", Output(format="png"), png)
    for name in MEASURES:
        yield f"describe {name}", partial(describe_picture, png.getvalue(), LIMITS, (name,))


def _codecs(frame: Image.Image) -> Iterator[Case]:
    for asked in OUTPUTS:
        output = Output(**asked)
        name = str(output.format)
        if name in FORMATS and FORMATS[name].max_side < frame.width:
            continue
        label = " ".join([name, *(f"{key}={value}" for key, value in asked.items() if key != "format")])
        yield f"write {label} {frame.mode}", partial(_written, frame, name, output)
        if len(asked) == 1 and name in WRITTEN:
            data = _written(frame, name, output)
            yield f"read {label} {frame.mode}", partial(_read, data)
            if WRITTEN[name].has_animation:
                moving = Picture((frame, frame.transpose(Image.Transpose.ROTATE_90)), name, (100, 100))
                case = f"write {label} {frame.mode}, two frames"
                yield case, partial(encode, moving, name, output, io.BytesIO())


def _operations(frame: Image.Image) -> Iterator[Case]:
    mark = _written(frame.crop((0, 0, 200, 200)), "png", Output(format="png"))
    lines = "\n".join(f"{red:.3f} {green:.3f} {blue:.3f}" for red in LEVELS for green in LEVELS for blue in LEVELS)
    parts = {"watermark": mark, "lut": f"LUT_3D_SIZE 64\n{lines}\n".encode()}
    for text in PIPELINES:
        try:
            pipeline = parse_pipeline(text)
        except Exception as error:  # noqa: BLE001  a pipeline of another version is left out, and said so
            print(f"left out: {text[:60]}: {error}")
            continue
        needed = {name: part for name, part in parts.items() if text.startswith(name)}
        yield f"{text[:48]} {frame.mode}", partial(pipeline.run, Picture((frame,), "png"), LIMITS, needed)


def _written(frame: Image.Image, name: str, output: Output) -> bytes:
    file = io.BytesIO()
    encode(Picture((frame,), "png"), name, output, file)
    return file.getvalue()


def _read(data: bytes) -> None:
    decode(read_header(data, LIMITS), DecodePlan(all_frames=True), LIMITS).frames[0].load()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=4.0)
    parser.add_argument("--only", default="", help="measure only cases whose name has this text")
    asked = parser.parse_args()
    prepare_process()
    rows = []
    for name, work in cases(round((asked.megapixels * 1e6) ** 0.5)):
        if asked.only in name:
            hold, total = longest_hold(work)
            for _round in range(1, ROUNDS if total < LONG_MS else 1):
                again = longest_hold(work)
                hold, total = min(hold, again[0]), min(total, again[1])
            rows.append((hold, total, name))
            print(f"{name}: {hold:.1f} of {total:.1f} ms", flush=True)
    print("\n| call | longest hold (ms) | whole call (ms) |\n| --- | --- | --- |")
    for hold, total, name in sorted(rows, reverse=True):
        print(f"| {name} | {hold:.0f} | {total:.0f} |")


if __name__ == "__main__":
    main()
