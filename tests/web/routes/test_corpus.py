"""Real pictures, good, odd and hostile, through a running server.  The pictures are not part of the project."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pictures import CORPUS, Array, corpus, levels, opened, psnr
from PIL import Image, ImageCms, ImageOps
from serving import Server, serving

from imgsrv.imaging.formats import FORMATS

MOST_SECONDS = 2.0
"""Of processor time: how busy the machine is makes no difference."""

MOST_MB = 512

FOUR_STEPS = "resize:width=800,height=600,fit=cover/sharpen:amount=0.8/saturation:factor=1.2/rotate:degrees=90"


def names(folder: str) -> list[str]:
    """The files of one folder of the corpus; one that is missing makes one test that skips."""
    found = sorted(path.name for path in (CORPUS / folder).glob("*.*"))
    return found or ["missing"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of the module's own: its memory is measured, and the same workers have to be there at the end."""
    if not CORPUS.exists():
        pytest.skip(f"the corpus is not here: {CORPUS}")
    with serving("--workers", "2") as running:
        # The first picture loads what stays loaded.
        with running.client() as client:
            client.post("/resize?width=100", content=corpus("photos/storm-1920x1280.jpg"))
        pids = running.workers()
        yield running
        assert running.workers() == pids
        assert running.named("worker_exit") == []


def memory_mb(server: Server, field: str) -> float:
    """The memory of all workers: VmRSS now, or VmHWM at most since `forget_peaks`."""
    lines = [line for pid in server.workers() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def forget_peaks(server: Server) -> None:
    for pid in server.workers():
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


@pytest.fixture(scope="module")
def idle_mb(server: Server) -> float:
    return memory_mb(server, "VmRSS")


# ---- hostile ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/resize?width=300", "/grayscale", "/info"])
@pytest.mark.parametrize("name", names("hostile"))
def test_a_hostile_file_is_answered_in_time_and_within_memory(
    server: Server, client: httpx.Client, idle_mb: float, name: str, target: str
) -> None:
    body = corpus(f"hostile/{name}")
    forget_peaks(server)
    before = server.processor_s()
    answer = client.post(target, content=body)
    seconds = server.processor_s() - before
    used_mb = memory_mb(server, "VmHWM") - idle_mb
    if answer.status_code == 200:
        assert target == "/info" or is_right(answer, body, target)
    else:
        assert answer.status_code in (415, 422)
        assert answer.json()["code"] in ("unsupported_format", "undecodable", "too_many_pixels", "too_many_frames")
    assert seconds < MOST_SECONDS
    assert used_mb < MOST_MB


def is_right(answer: httpx.Response, body: bytes, target: str) -> bool:
    """Whether the result has the shape of the upright picture, at the size that was asked for."""
    with Image.open(io.BytesIO(body)) as image:
        width, height = image.size
    result = Image.open(io.BytesIO(answer.content))
    wanted = min(width, 300) if target.startswith("/resize") else width
    return result.size == (wanted, max(1, round(height * wanted / width)))


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client(60) as found:
        yield found


# ---- odd ----------------------------------------------------------------------------------------------

CIELAB_SIZE = (400, 266)
"""Of `cielab.tif`; Pillow, which tells the size of the others, does not open CIELAB of 16 bits."""

NOT_READ: dict[str, tuple[int, str]] = {}
if "heic" not in FORMATS:
    NOT_READ["image.heic"] = (415, "HEIC")
if "svg" not in FORMATS:
    NOT_READ["Commons-logo.svg"] = (415, "SVG")


@pytest.mark.parametrize("name", names("odd"))
def test_an_odd_file_gives_the_upright_picture_or_a_clear_refusal(client: httpx.Client, name: str) -> None:
    body = corpus(f"odd/{name}")
    answer = client.post("/pipeline?format=png", content=body)
    if name in NOT_READ:
        status, named = NOT_READ[name]
        assert answer.status_code == status
        assert named in answer.json()["detail"]
        return
    assert answer.status_code == 200, answer.text
    result = opened(answer.content)
    size = CIELAB_SIZE if name == "cielab.tif" else ImageOps.exif_transpose(Image.open(io.BytesIO(body))).size
    assert result.size == size
    info = client.post("/info", content=body).json()
    assert (info["width"], info["height"]) == size


UPRIGHT = "odd/orientation-1.jpg"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_gives_the_same_picture(client: httpx.Client, orientation: int) -> None:
    target = "/resize?width=150&format=png"
    upright = opened(client.post(target, content=corpus(UPRIGHT)).content)
    turned = opened(client.post(target, content=corpus(f"odd/orientation-{orientation}.jpg")).content)
    assert turned.size == upright.size
    # The eight files were each compressed anew.
    assert psnr(levels(turned), levels(upright)) > 25


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_crop_is_taken_from_the_upright_picture(client: httpx.Client, orientation: int) -> None:
    body = corpus(f"odd/orientation-{orientation}.jpg")
    target = "/crop?width=100&height=60&left=7&top=11&format=png"
    own = upright_in_srgb(body).crop((7, 11, 107, 71))
    assert psnr(levels(opened(client.post(target, content=body).content)), levels(own)) > 40


def upright_in_srgb(body: bytes) -> Image.Image:
    """The picture as Pillow alone reads, turns and colours it."""
    image = ImageOps.exif_transpose(opened(body))
    if not (profile := image.info.get("icc_profile")):
        return image
    own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    converted = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert converted is not None
    return converted


@pytest.mark.parametrize("name", ["animated-earth.gif", "animated.gif", "animated-loop-3.webp"])
def test_an_animation_keeps_its_frames(client: httpx.Client, name: str) -> None:
    body = corpus(f"odd/{name}")
    answer = client.post("/resize?width=64&format=webp", content=body)
    frames = [getattr(Image.open(io.BytesIO(data)), "n_frames", 1) for data in (answer.content, body)]
    assert frames[0] == frames[1] > 1


# ---- photos -------------------------------------------------------------------------------------------


def upright_size(body: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(body)) as image:
        sideways = image.getexif().get(274, 1) >= 5
        return image.size[::-1] if sideways else image.size


@pytest.mark.parametrize("name", names("photos"))
def test_a_photo_is_resized(client: httpx.Client, name: str) -> None:
    body = corpus(f"photos/{name}")
    answer = client.post("/resize?width=800", content=body)
    width, height = upright_size(body)
    result = opened(answer.content)
    assert result.size == (800, round(800 * height / width))
    own = upright_in_srgb(body).resize(result.size, Image.Resampling.LANCZOS)
    assert psnr(on_white(result), on_white(own)) > 30


def on_white(image: Image.Image) -> Array:
    """The picture as it looks on white: colours under full transparency do not count."""
    white = Image.new("RGBA", image.size, "white")
    return levels(Image.alpha_composite(white, image.convert("RGBA")), "RGB")


@pytest.mark.parametrize("name", names("photos"))
def test_a_photo_passes_four_operations_to_webp(client: httpx.Client, name: str) -> None:
    params = {"ops": FOUR_STEPS, "format": "webp"}
    answer = client.post("/pipeline", params=params, content=corpus(f"photos/{name}"))
    result = opened(answer.content)
    assert (result.format, result.size) == ("WEBP", (600, 800))
    assert max(levels(result, "L").std(), 1) > 5
