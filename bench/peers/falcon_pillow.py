"""Falcon and Pillow as somebody writes it who knows both and nothing of their corners; gunicorn runs it.

`draft=1` in the query is for somebody who knows the one corner that matters: a JPEG may be decoded at half its size.
"""

from __future__ import annotations

import io

import falcon
from PIL import Image, ImageFilter, ImageOps

FORMATS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "avif": "AVIF"}


class Pictures:
    """The body is the picture, the query says what is wanted."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Say that it serves."""
        response.text = "ready"

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Answer with the picture."""
        form = request.get_param("format", required=True)
        with Image.open(io.BytesIO(request.bounded_stream.read())) as opened:
            if request.get_param_as_bool("draft"):
                opened.draft(None, _size(request, opened.size))
            picture = ImageOps.exif_transpose(opened)
            if picture.mode not in ("RGB", "RGBA", "L"):
                picture = picture.convert("RGB")
            picture = picture.resize(_size(request, picture.size), Image.Resampling.LANCZOS)
        if request.get_param("effect") == "unsharp-grayscale":
            picture = ImageOps.grayscale(picture.filter(ImageFilter.UnsharpMask(1, 100, 0)))
        result = io.BytesIO()
        options = {} if form == "png" else {"quality": request.get_param_as_int("quality", required=True)}
        picture.save(result, FORMATS[form], **options)
        response.content_type = f"image/{form}"
        response.data = result.getvalue()


def _size(request: falcon.Request, size: tuple[int, int]) -> tuple[int, int]:
    width = request.get_param_as_int("width", required=True)
    height = request.get_param_as_int("height") or 1_000_000
    if request.get_param("fit") == "fill":
        return width, height
    scale = min(width / size[0], height / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


app = falcon.App()
app.add_route("/", Pictures())
