"""The work on which servers are compared, and how the quality of each result is measured.

Pictures, size, format and quality are the same for all.  Pillow makes a reference from the full resolution, and each
result is compared with it, so that no server wins by blurring or by spending bytes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image, ImageCms, ImageFilter, ImageOps
from report import PHOTOS, SAMPLES

from imgsrv.imaging.analysis.ssim import luma, ssim
from imgsrv.imaging.codecs.output import Output

SHARP, THUMBOR, FALCON, LIMIT = (
    *("Express + cluster + sharp", "thumbor", "gunicorn + Falcon + Pillow"),
    "plain processes: the limit",
)
SHARP_LIKE_OURS = "Express + sharp at imgsrv's effort"
FALCON_DRAFT = "gunicorn + Pillow with draft"

UNSHARP_GRAYSCALE = "unsharp-grayscale"

LIMIT_SHARE = 0.95
"""Of the same pipeline looped in plain processes, for every work."""


@dataclass(frozen=True)
class Work:
    """One work that every server does.  height: None keeps the proportions.  wanted: by server, how many times as fast.

    like_ours: what makes sharp's encoder try as hard as ours does by default, and no harder.
    """

    test_id: str
    name: str
    files: Sequence[Path]
    width: int
    height: int | None
    fit: str = "inside"
    format: str = "jpeg"
    quality: int = 80
    effect: str = ""
    like_ours: Mapping[str, object] = field(default_factory=dict)
    wanted: Mapping[str, float] = field(default_factory=dict)

    @property
    def pipeline(self) -> str:
        """Of ours."""
        size = f"width={self.width}" + (f",height={self.height}" if self.height else "")
        effect = "/unsharp:amount=1,radius=1,threshold=0/grayscale" if self.effect else ""
        return f"resize:{size},fit={self.fit}{effect}"

    @property
    def output(self) -> Output:
        """Of ours."""
        return Output(format=self.format, **self.quality_facts)

    @property
    def quality_facts(self) -> dict[str, int]:
        """The quality, by its name, for formats that have one."""
        return {} if self.format == "png" else {"quality": self.quality}


def works() -> list[Work]:
    """List the works, with the photographs of the corpus where they are, else with the samples."""
    has_photos = (PHOTOS / "street-6mp.jpg").exists()
    street = PHOTOS / "street-6mp.jpg" if has_photos else SAMPLES / "hubble_deep_field.jpg"
    folder = PHOTOS if has_photos else SAMPLES
    found = {kind: sorted(folder.glob(f"*.{kind}")) for kind in ("jpg", "png", "webp")}
    many = {SHARP: 1.5, LIMIT: LIMIT_SHARE}
    few = {SHARP: 1.2, LIMIT: LIMIT_SHARE}
    street_wanted = {SHARP: 1.6, THUMBOR: 2.5, FALCON: 5.0, LIMIT: LIMIT_SHARE}
    sharpened = {SHARP: 2.0, LIMIT: LIMIT_SHARE}
    name = f"{street.name} → "
    return [
        Work("street", f"{name}720×588, JPEG", [street], 720, 588, "fill",
             like_ours={"optimiseCoding": False}, wanted=street_wanted),
        Work("jpeg", "JPEG photographs → inside 512×512, JPEG", found["jpg"], 512, 512, wanted=many),
        Work("png", "PNG with alpha → inside 512×512, PNG", found["png"], 512, 512, format="png", wanted=few),
        Work("webp", "WebP → inside 512×512, WebP", found["webp"], 512, 512, format="webp", wanted=few),
        Work("unsharp", f"{name}800 wide, unsharp, grayscale, JPEG", [street], 800, None, effect=UNSHARP_GRAYSCALE,
             like_ours={"optimiseCoding": False}, wanted=sharpened),
        Work("avif", f"{name}inside 512×512, AVIF", [street], 512, 512, format="avif", quality=50,
             like_ours={"effort": 1, "chromaSubsampling": "4:2:0"}, wanted={LIMIT: LIMIT_SHARE}),
    ]  # fmt: skip


def likeness(work: Work, file: Path, answer: bytes) -> float:
    """The SSIM of an answer against the reference.  Fails for a wrong size or format."""
    with Image.open(io.BytesIO(answer)) as opened:
        assert opened.format == {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "avif": "AVIF"}[work.format]
        image = _upright_srgb(opened)
    wanted = _size(work, file)
    assert max(abs(image.width - wanted[0]), abs(image.height - wanted[1])) <= 1, f"{image.size} instead of {wanted}"
    return ssim(luma(image), luma(_reference(file, image.size, work.effect)))


@cache
def _full(file: Path) -> Image.Image:
    with Image.open(file) as opened:
        return _upright_srgb(opened)


@cache
def _reference(file: Path, size: tuple[int, int], effect: str) -> Image.Image:
    full = _full(file)
    image = (full.convert("RGBa") if full.mode == "RGBA" else full).resize(size, Image.Resampling.LANCZOS)
    if full.mode == "RGBA":
        image = image.convert("RGBA")
    if effect:
        image = ImageOps.grayscale(image.filter(ImageFilter.UnsharpMask(1, 100, 0)))
    return image


def _size(work: Work, file: Path) -> tuple[int, int]:
    full = _full(file).size
    height = work.height or 1_000_000
    if work.fit == "fill":
        return work.width, height
    scale = min(work.width / full[0], height / full[1])
    return round(full[0] * scale), round(full[1] * scale)


def _upright_srgb(opened: Image.Image) -> Image.Image:
    profile = opened.info.get("icc_profile")
    image = ImageOps.exif_transpose(opened)
    if image.mode not in ("RGB", "RGBA", "L"):
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if profile and image.mode == "RGB":
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        changed = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
        assert changed is not None
        return changed
    return image
