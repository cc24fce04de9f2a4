"""The size that a decoder really has to make: compared with the limits once more, before it decodes pixels.

The size of a picture is read from its container.  Some formats give it a second time in the stream of coded pixels,
and their decoders obey the stream, so that a file of 1 KB that calls itself 8×8 can take gigabytes.
"""

from __future__ import annotations

from typing import IO

from PIL import Image

from imgsrv.errors import Undecodable
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.model.broken import broken_is_ours
from imgsrv.imaging.model.limits import Limits, Size


def check_true_size(form: Format, file: IO[bytes], image: Image.Image, limits: Limits) -> None:
    """Compare the sizes of all streams in the file of an opened image with the limits and with those of the container.

    Raises TooManyPixels, and Undecodable for a stream that is larger than its container says.
    """
    if form.decoded_area:
        limits.check_input(form.decoded_area(image))
    if not form.coded:
        return
    with broken_is_ours(form.name):
        file.seek(0)
        for said, coded in form.coded(file.read(), image):
            limits.check_input(coded)
            if coded[0] > said[0] or coded[1] > said[1]:
                raise Undecodable(form.name, f"its header says {_text(said)}, and its pixels are {_text(coded)}")


def _text(size: Size) -> str:
    return f"{size[0]}×{size[1]}"
