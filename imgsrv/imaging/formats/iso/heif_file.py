"""HEIC as Pillow opens it, by the interface of pillow-heif: the primary picture first, and more than 8 bits.

pillow-heif's own class for Pillow has the pictures in the order of the file, cuts samples to 8 bits without rounding,
and takes over the pixels of a picture that is decoded to another size than its header says.
"""

from __future__ import annotations

from typing import Any, BinaryIO

from PIL import Image, ImageFile

from imgsrv.imaging.formats.format import Options
from imgsrv.imaging.formats.iso.media import is_of_boxes
from imgsrv.imaging.lazy import np
from imgsrv.imaging.model.cicp import BT_601, MATRICES, UNSPECIFIED, Cicp
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.bit_depths import from_16_bits, make_straight, to_16_bits
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame, deep_frame, to_8_bits

NAME = "IMGSRV-HEIF"
"""The name in Pillow, beside pillow-heif's own."""

BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")

REFUSALS = (OSError, ValueError, SyntaxError, RuntimeError, EOFError)
"""Errors that pillow-heif raises for a file that it cannot open."""

KEPT = ("exif", "xmp", "icc_profile")
"""Keys that are taken over from pillow-heif's facts about a picture."""

CODES = ("color_primaries", "transfer_characteristics", "matrix_coefficients")
"""Its names of the codes of H.273."""

DEPTH, LOSSLESS_DEPTH = 10, 12
"""Bits of a channel in files that are written from 16 bits."""

PRIMARIES = (1, 2, *range(4, 13))
"""Codes that both libheif and x265 know."""

MODES = {"I": "L", "L": "L", "RGB": "RGB", "RGBA": "RGBA", "RGBa": "RGBA"}
"""Modes of 8 bits, by the letters of pillow-heif's; a small "a" is premultiplied alpha."""


class HeifFile(ImageFile.ImageFile):
    """The pictures of a HEIC, of which the first is the primary one."""

    format = "HEIF"
    format_description = "HEIF container"

    def _open(self) -> None:
        import pillow_heif  # noqa: PLC0415  an optional wheel

        opened: Any = pillow_heif.HeifFile
        try:
            found = opened(self.fp, convert_hdr_to_8bit=False, hdr_to_16bit=False, remove_stride=False)
        except REFUSALS as error:
            raise SyntaxError(str(error)) from None
        first = found.primary_index
        self._pictures: list[Any] = [found[first], *(found[at] for at in range(len(found)) if at != first)]
        self.n_frames = len(self._pictures)
        self.is_animated = self.n_frames > 1
        self._frame = -1
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Go to a picture.  Raises EOFError."""
        if not self._seek_check(frame):
            return
        self._frame = frame
        picture = self._pictures[frame]
        self._size, self._mode = picture.size, MODES[picture.mode.partition(";")[0]]
        self.depth = int(picture.info["bit_depth"])
        self._is_loaded = False
        self.tile = []
        self.info = {key: picture.info[key] for key in KEPT if picture.info.get(key)}
        if said := picture.info.get("nclx_profile"):
            primaries, transfer, matrix = (int(said[name]) for name in CODES)
            self.info["cicp"] = Cicp(primaries, transfer, matrix, bool(said["full_range_flag"]))

    def tell(self) -> int:
        """The number of the picture."""
        return self._frame

    def load(self) -> Any:
        """Decode the picture, to 8 bits."""
        if not self._is_loaded:
            self.im = self.decoded(is_deep=False).im
            self._is_loaded = True
        return super().load()

    def decoded(self, *, is_deep: bool) -> Frame:
        """The picture, a deep one to 16 bits a channel if these are wanted.  Raises SyntaxError for another size."""
        picture = self._pictures[self._frame]
        data = picture.data
        # The bytes may be in use by others, but not here again.
        picture._data = None  # noqa: SLF001
        if picture.size != self.size:
            raise SyntaxError(f"its header says {self.size}, and its pixels are {picture.size}")
        kind, _, depth = picture.mode.partition(";")
        if not depth:
            frame = Image.frombytes(kind, self.size, data, "raw", kind, picture.stride)
            return frame.convert("RGBA") if kind == "RGBa" else frame
        rows = np.frombuffer(data, np.uint16).reshape(self.size[1], picture.stride // 2)
        channels = len(self.mode)
        pixels = rows[:, : self.size[0] * channels].reshape(self.size[1], self.size[0], channels)
        pixels = to_16_bits(pixels, int(depth.rstrip("L")))
        if kind == "RGBa":
            make_straight(pixels)
        if is_deep:
            return deep_frame(pixels)
        shallow = to_8_bits(pixels)
        return Image.fromarray(shallow[..., 0] if channels == 1 else shallow)


def write(frame: Frame, options: Options, *, is_lossless: bool, file: BinaryIO) -> None:
    """Write the frame.  options: of pillow-heif's encoder, and `cicp`.

    Samples of 16 bits become 10, and 12 if all of them are to be kept: x265 has no more.
    """
    import pillow_heif  # noqa: PLC0415  an optional wheel

    made: Any = pillow_heif.from_bytes
    pixels = frame.pixels if isinstance(frame, DeepFrame) else np.asarray(frame)
    mode = frame.mode
    if pixels.dtype == np.uint16:
        depth = LOSSLESS_DEPTH if is_lossless else DEPTH
        # The encoder cuts the low bits off.
        pixels = from_16_bits(np.atleast_3d(pixels), depth) << np.uint16(16 - depth)
        mode, options = mode.replace("I;16", "L;16"), {**options, "bit_depth": depth}
    if cicp := options.get("cicp"):
        primaries = cicp.primaries if cicp.primaries in PRIMARIES else UNSPECIFIED
        options = {"color_primaries": primaries, "transfer_characteristics": cicp.transfer, **options}
        options = {"matrix_coefficients": MATRICES.get(cicp.primaries, BT_601), "full_range_flag": 1, **options}
    made(mode, frame.size, pixels.tobytes()).save(file, **options)


def register() -> None:
    """Make it known to Pillow."""
    Image.register_open(NAME, HeifFile, is_of_boxes)
