"""RasterFile: a picture whose header is read here and whose pixels a decoder of `apart/decoders/` gives, for Pillow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import IO, Any, ClassVar

from PIL import Image, ImageFile

from imgsrv.imaging.apart.pictures import Wanted, decode_apart
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.picture import Frame


@dataclass(frozen=True, slots=True)
class Raster:
    """The facts in a header.

    mode, deep_mode: of the pixels with 8 bits a channel, and with 16 where the file has more than 8.
    bits: of a channel in the file.  order: what the decoder wants to know.  info: as Pillow's.
    """

    size: Size
    mode: str
    deep_mode: str = ""
    bits: int = 8
    order: Mapping[str, Any] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)


class RasterFile(ImageFile.ImageFile):
    """A picture in Pillow.  A subclass says its `format` and reads the header; `load` decodes the pixels.

    task: of the decoder.  bytes_per_pixel: memory that decoding needs.
    """

    task: ClassVar[str]
    bytes_per_pixel: ClassVar[float]

    @staticmethod
    def read_header(file: IO[bytes]) -> Raster:
        """The header.  Raises SyntaxError with the reason for a picture that is not read."""
        raise NotImplementedError

    def _open(self) -> None:
        assert self.fp is not None  # noqa: S101  there is one while a file is opened
        self.raster = self.read_header(self.fp)
        self._size, self._mode = self.raster.size, self.raster.mode
        self.info.update(self.raster.info)
        self.tile = []

    def pixels(self, *, is_deep: bool) -> Frame:
        """The frame.  Raises what `decode_apart` raises."""
        assert self.fp is not None  # noqa: S101  for the type checker
        raster = self.raster
        mode = raster.deep_mode if is_deep and raster.deep_mode else raster.mode
        wanted = Wanted(self.task, mode, raster.size, raster.order, self.bytes_per_pixel)
        return decode_apart(self.fp, self.task, wanted)[0]

    def load(self) -> Any:
        """Decode the pixels once."""
        if self._im is None:
            self.im = self.pixels(is_deep=False).im
        return super().load()


def raster_format(reader: type[RasterFile], accepts: Callable[[bytes], bool] | None = None, **own: Any) -> Format:
    """The row of a format that such a class reads.

    accepts: tells Pillow whether a file begins as one; None for a format without a signature.  own: further fields.
    """
    name = str(reader.format)
    common: dict[str, Any] = {
        "reader": name,
        "register": cache(partial(Image.register_open, name, reader, accepts)),
        "has_metadata": False,
        "may_read_exif": lambda image: "exif" in image.info,
        "unread_variant": partial(_reason, reader),
        "read_pixels": _read_pixels,
        "bit_depth": _bit_depth,
        "options": None,
        "decode_bytes_per_pixel": reader.bytes_per_pixel,
    }
    return Format(**{**common, **own})


def _read_pixels(image: Image.Image, is_deep: bool) -> Frame | None:  # noqa: FBT001
    return image.pixels(is_deep=is_deep) if isinstance(image, RasterFile) else None


def _bit_depth(_data: bytes, image: Image.Image) -> int:
    return image.raster.bits if isinstance(image, RasterFile) else 0


def _reason(kind: type[RasterFile], file: IO[bytes]) -> tuple[str, str] | None:
    """The reason why a header is not read."""
    file.seek(0)
    try:
        kind.read_header(file)
    except SyntaxError as error:
        return str(error), ""
    return None


def exactly(file: IO[bytes], count: int) -> bytes:
    """So many bytes.  Raises SyntaxError where the file ends."""
    data = file.read(count)
    if len(data) < count:
        raise SyntaxError("its header is cut off")
    return data


def check_size(width: int, height: int) -> Size:
    """The size.  Raises SyntaxError for one without pixels."""
    if width < 1 or height < 1:
        raise SyntaxError(f"its header gives the size {width}×{height}")
    return width, height
