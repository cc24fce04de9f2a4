"""Weighing: measures the weights of operations and codecs on this machine, for `imgsrv bench --weights`.

Times are processor time of the whole process, which a busy machine hardly changes.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from PIL import Image

from imgsrv.errors import ImgsrvError
from imgsrv.imaging import operations
from imgsrv.imaging.analysis.ssim import luma, ssim
from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.codecs.encode import encode
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import FORMATS, WRITTEN
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.memory.kept import forget_all
from imgsrv.imaging.model.limits import Limits, Size
from imgsrv.imaging.model.picture import Frame, Picture
from imgsrv.imaging.model.weights import EFFORTS, UNKNOWN_CODEC, weights
from imgsrv.imaging.operations.registry import Operation
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.testcard import noise_card
from imgsrv.reference.examples import example_of

RUNS = 3
"""The shortest of so many runs counts; one run is enough for what takes SLOW_S."""

SLOW_S = 0.3

SATURATION = 0.1

CUBE_SIDE = 17

Told = Callable[[str], None]
"""Is told what is measured next."""


@dataclass(frozen=True)
class Weighing:
    """size: of the pictures for operations and codecs.  slow_size: for encoders with an effort.

    palette_size: for palettes, which take longer for each pixel of a large picture, as it has more colours.
    """

    size: Size = (1200, 800)
    slow_size: Size = (256, 192)
    palette_size: Size = (2400, 1500)

    def weigh(self, tell: Told = lambda _name: None) -> dict[str, Any]:
        """All weights, in the form of weights.json."""
        return {
            "decoders": self._each(FORMATS, self._decoder, tell),
            "operations": self._each(operations.OPERATIONS, self._operation, tell),
            "encoders": self._each(WRITTEN, self._encoder, tell),
            "palette": self._palette(),
            "likeness": self._likeness(),
            "part_byte": self._part_byte(),
        }

    @staticmethod
    def _each(rows: Mapping[str, Any], weigh: Callable[[Any], Any], tell: Told) -> dict[str, Any]:
        found = {}
        for name, row in rows.items():
            tell(name)
            found[name] = weigh(row)
        return found

    @cached_property
    def _pictures(self) -> tuple[Frame, Frame]:
        """A smooth picture and noise."""
        return _smooth(self.size), _noise(self.size, 3)

    @cached_property
    def _large_pictures(self) -> tuple[Frame, Frame]:
        return _smooth(self.palette_size), _noise(self.palette_size, 3)

    def _operation(self, operation: Operation) -> list[float]:
        """For RGB and RGBA."""
        example = example_of(operation)
        chosen = f"{operation.name}:{operation.weighed_with}" if operation.weighed_with else example.pipeline
        pipeline = parse_pipeline(chosen)
        parts = {example.part: self._part(operation)} if example.part else {}
        step = pipeline.steps[0]
        work = operation.work(self.size, step.result_size(self.size), step.arguments)
        found = []
        for channels in (3, 4):
            picture = Picture((_noise(self.size, channels),), FORMATS_OF_WEIGHING)
            found.append(_ns(partial(pipeline.run, picture, Limits(), parts), work))
        return found

    def _part(self, operation: Operation) -> bytes:
        """A further part of the upload: a picture, or a cube where that is not read."""
        for part in (_saved(self._pictures[0].resize((64, 64))), _cube()):
            if operation.read_part and _is_read(operation, part):
                return part
        raise RuntimeError(f"{operation.name} reads neither a picture nor a cube")

    def _decoder(self, form: Format) -> list[float]:
        if not form.is_written:
            # No picture can be made here to measure it with.
            return list(weights().decoders.get(form.name, UNKNOWN_CODEC))
        found = []
        for frame in self._pictures:
            fitting = frame.crop((0, 0, min(frame.width, form.max_side), min(frame.height, form.max_side)))
            file = io.BytesIO()
            encode(Picture((fitting,), form.name), form.name, Output(format=form.name), file)
            data = file.getvalue()
            found.append(_ns(partial(_decoded, data), fitting.width * fitting.height))
        return found

    def _encoder(self, form: Format) -> dict[str, Any]:
        efforts = EFFORTS if "effort" in form.fields else (None,)
        row: dict[str, Any] = {"lossy": [self._encoded(form, {"effort": effort}) for effort in efforts]}
        if "lossless" in form.fields:
            row["lossless"] = [self._encoded(form, {"effort": effort, "lossless": True}) for effort in efforts]
        if "quality" in form.fields:
            row["best"] = self._encoded(form, {"quality": 100})
        if "progressive" in form.fields:
            row["progressive"] = self._encoded(form, {"progressive": True})
        if _makes_palette(form):
            row["makes_palette"] = True
        return row

    def _encoded(self, form: Format, given: Mapping[str, Any]) -> list[float]:
        """For a smooth picture and noise."""
        output = Output(format=form.name, **{name: value for name, value in given.items() if value is not None})
        size = self.slow_size if given.get("effort") is not None else self.size
        pictures = self._pictures
        if _makes_palette(form):
            size, pictures = self.palette_size, self._large_pictures
        found = []
        for frame in pictures:
            part = frame.crop((0, 0, min(size[0], form.max_side), min(size[1], form.max_side)))
            picture = Picture((part,), form.name)
            found.append(_ns(lambda: encode(picture, form.name, output, io.BytesIO()), part.width * part.height))  # noqa: B023  called at once
        return found

    def _palette(self) -> list[float]:
        """For a smooth picture and noise."""
        found = []
        for frame in self._large_pictures:
            plain, reduced = (
                _ns(lambda: encode(Picture((frame,), "png"), "png", output, io.BytesIO()), frame.width * frame.height)  # noqa: B023  called at once
                for output in (Output(format="png"), Output(format="png", colours=256))
            )
            found.append(max(0.0, round(reduced - plain, 1)))
        return found

    def _likeness(self) -> float:
        frame = self._pictures[1]
        grey = luma(frame)
        return _ns(lambda: ssim(grey, luma(frame)), frame.width * frame.height)

    def _part_byte(self) -> float:
        cube = next(one for one in operations.OPERATIONS.values() if one.read_part and _is_read(one, _cube()))
        if cube.read_part is None:
            raise RuntimeError("no operation reads a cube")
        read, text = cube.read_part, _cube()
        return _ns(lambda: read(text, Limits()), len(text))


FORMATS_OF_WEIGHING = "png"
"""The format that a picture is said to come from."""


def _makes_palette(form: Format) -> bool:
    """Its pictures always have a palette: the number of colours is all that can be asked of it."""
    return form.fields == ("colours",)


def _ns(work: Callable[[], object], count: float) -> float:
    """Nanoseconds of processor time for each of `count`."""
    best = float("inf")
    for _ in range(RUNS):
        # A job of a stranger may find nothing that was kept.
        forget_all()
        began = time.process_time_ns()
        work()
        took = time.process_time_ns() - began
        best = min(best, took)
        if took > SLOW_S * 1e9:
            break
    return float(f"{best / count:.3g}")


def _smooth(size: Size) -> Frame:
    """A picture with as much detail as a photograph, and about as few different colours."""
    card = Image.open(io.BytesIO(noise_card(size))).convert("RGB")
    return Image.blend(card.convert("L").convert("RGB"), card, SATURATION)


def _noise(size: Size, channels: int) -> Frame:
    random = np.random.default_rng(2)
    return Image.fromarray(random.integers(0, 256, (size[1], size[0], channels), np.uint8))


def _decoded(data: bytes) -> None:
    decode(read_header(data, Limits()), DecodePlan(), Limits())


def _saved(frame: Frame) -> bytes:
    file = io.BytesIO()
    frame.save(file, "PNG")
    return file.getvalue()


def _cube() -> bytes:
    steps = [f"{index / (CUBE_SIDE - 1):.6f}" for index in range(CUBE_SIDE)]
    rows = (f"{red} {green} {blue}\n" for blue in steps for green in steps for red in steps)
    return f"LUT_3D_SIZE {CUBE_SIDE}\n{''.join(rows)}".encode()


def _is_read(operation: Operation, part: bytes) -> bool:
    try:
        return operation.read_part is not None and operation.read_part(part, Limits()) is not None
    except ImgsrvError:
        return False


def as_text(numbers: Mapping[str, Any]) -> str:
    """The weights as the text of weights.json: a line for each operation and codec."""
    groups = []
    for name, value in numbers.items():
        if isinstance(value, Mapping):
            rows = ",\n".join(f"    {json.dumps(key)}: {json.dumps(row)}" for key, row in value.items())
            groups.append(f"  {json.dumps(name)}: {{\n{rows}\n  }}")
        else:
            groups.append(f"  {json.dumps(name)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(groups) + "\n}\n"
