"""`source=file:…`: the same answers as for the bytes in a body, and nothing from outside of the folder."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from pictures import encoded, opened, picture, sample
from serving import Server, serving, wait_until
from wire import metric

from imgsrv.errors import SourceFailed
from imgsrv.web.http.body import Body, Files
from imgsrv.web.sources.beneath import _walk, open_beneath
from imgsrv.web.sources.files import Folder
from imgsrv.web.sources.naming import Source
from imgsrv.web.sources.opened import Asker

PHOTO = encoded(sample("coffee.jpg"), "JPEG", quality=90)
LOGO = encoded(picture("RG/BY"), "PNG")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, and with all that must not be read."""
    made = tmp_path_factory.mktemp("allowed")
    (made / "inner").mkdir()
    (made / "photo.jpg").write_bytes(PHOTO)
    (made / "inner" / "ä b&c.png").write_bytes(LOGO)
    (made / "logo.png").write_bytes(LOGO)
    (made / "empty.jpg").write_bytes(b"")
    (made / "notes.txt").write_text("no picture")
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.jpg").write_bytes(PHOTO)
    (made / "absolute.jpg").symlink_to(outside / "secret.jpg")
    (made / "upwards.jpg").symlink_to(f"../{outside.name}/secret.jpg")
    (made / "door").symlink_to(outside)
    (made / "loop.jpg").symlink_to("loop.jpg")
    (made / "proc.jpg").symlink_to("/proc/self/exe")
    os.mkfifo(made / "fifo.jpg")
    with socket.socket(socket.AF_UNIX) as made_socket:
        made_socket.bind(str(made / "socket.jpg"))
    return made


@pytest.fixture(scope="module")
def reading(folder: Path) -> Iterator[Server]:
    with serving("--workers=1", f"--source-dir={folder}", "--max-body=2MB") as running:
        yield running


@pytest.fixture
def asking(reading: Server) -> Iterator[httpx.Client]:
    with reading.client() as client:
        yield client


@pytest.mark.parametrize(
    "target", ["/resize?width=100", "/pipeline?ops=flip", "/info", "/batch?widths=20,40&archive=zip"]
)
def test_a_file_gives_the_answer_of_the_same_bytes_in_a_body(asking: httpx.Client, target: str) -> None:
    posted = asking.post(target, content=PHOTO)

    got = asking.get(target, params={**dict(httpx.QueryParams(httpx.URL(target).query)), "source": "file:photo.jpg"})

    assert (got.status_code, got.content) == (200, posted.content)
    assert got.headers["content-type"] == posted.headers["content-type"]


def test_head_has_the_headers_of_get_and_no_body(asking: httpx.Client) -> None:
    got = asking.get("/resize?width=100&source=file:photo.jpg")
    asked = asking.head("/resize?width=100&source=file:photo.jpg")

    assert asked.content == b""
    names = ("content-length", "content-type", "image-width", "last-modified")
    assert {name: asked.headers[name] for name in names} == {name: got.headers[name] for name in names}


def test_the_source_may_stand_anywhere_in_the_query_and_be_encoded(asking: httpx.Client) -> None:
    got = asking.get("/flip?format=webp&source=file:inner/%C3%A4+b%26c.png&quality=50")

    assert opened(got.content).size == (2, 2)


def test_a_post_with_an_empty_body_takes_a_source(asking: httpx.Client) -> None:
    assert asking.post("/flip?source=file:logo.png").status_code == 200


def test_a_watermark_comes_from_a_source_too(asking: httpx.Client) -> None:
    posted = asking.post("/watermark", files={"file": PHOTO, "watermark": LOGO})

    both = asking.get("/watermark?source=file:photo.jpg&source.watermark=file:logo.png")
    mark_alone = asking.post("/watermark?source.watermark=file:logo.png", content=PHOTO)
    named = asking.get("/pipeline?ops=watermark:part=logo&source=file:photo.jpg&source.logo=file:logo.png")

    assert posted.content == both.content == mark_alone.content == named.content


def test_the_format_is_negotiated(asking: httpx.Client) -> None:
    got = asking.get("/resize?width=100&format=auto&source=file:photo.jpg", headers={"Accept": "image/webp"})

    assert (got.headers["content-type"], got.headers["vary"]) == ("image/webp", "Accept")


@pytest.mark.parametrize("kind", ["renamed", "removed"])
def test_a_folder_that_is_replaced_is_found_again(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "old.png").write_bytes(LOGO)
    with serving("--workers=1", f"--source-dir={folder}") as server, server.client() as client:
        assert client.get("/info?source=file:old.png").status_code == 200
        shutil.rmtree(folder) if kind == "removed" else folder.rename(tmp_path / "before")
        assert client.get("/info?source=file:new.png").status_code == 404
        folder.mkdir()
        (folder / "new.png").write_bytes(LOGO)
        assert client.get("/info?source=file:new.png").status_code == 200
        assert client.get("/info?source=file:old.png").status_code == 404


def test_a_changed_file_is_read_anew(asking: httpx.Client, folder: Path) -> None:
    file = folder / "changing.png"
    file.write_bytes(LOGO)
    first = asking.get("/info?source=file:changing.png").json()
    file.write_bytes(PHOTO)

    assert first["format"] == "png"
    assert asking.get("/info?source=file:changing.png").json()["format"] == "jpeg"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        pytest.param("source=file:nothing.jpg", 404, "source_not_found", id="missing"),
        pytest.param("source=file:photo.jpg/x", 404, "source_not_found", id="below-a-file"),
        pytest.param(f"source=file:{'x' * 300}", 404, "source_not_found", id="a-long-name"),
        pytest.param("source=file:/etc/passwd", 400, "bad_source", id="absolute"),
        pytest.param("source=file:../outside0/secret.jpg", 400, "bad_source", id="upwards"),
        pytest.param("source=file:inner/../../outside0/secret.jpg", 400, "bad_source", id="upwards-inside"),
        pytest.param("source=file:%2e%2e/outside0/secret.jpg", 400, "bad_source", id="upwards-encoded"),
        pytest.param("source=file:///etc/passwd", 400, "bad_source", id="as-a-url"),
        pytest.param("source=file:photo.jpg%00.png", 400, "bad_source", id="a-zero-byte"),
        pytest.param("source=file:%ff%fe.jpg", 400, "bad_source", id="no-utf-8"),
        pytest.param(f"source=file:{'x/' * 3000}", 400, "bad_source", id="too-long"),
        pytest.param("source=file:", 400, "bad_source", id="nothing"),
        pytest.param("source=", 400, "bad_source", id="empty"),
        pytest.param("source=photo.jpg", 400, "bad_source", id="no-scheme"),
        pytest.param("source=ftp://example.com/a.jpg", 400, "bad_source", id="an-unknown-scheme"),
        pytest.param("source=file:absolute.jpg", 403, "source_not_allowed", id="a-link-out"),
        pytest.param("source=file:upwards.jpg", 403, "source_not_allowed", id="a-relative-link-out"),
        pytest.param("source=file:door/secret.jpg", 403, "source_not_allowed", id="through-a-link"),
        pytest.param("source=file:proc.jpg", 403, "source_not_allowed", id="a-link-to-proc"),
        pytest.param("source=file:loop.jpg", 403, "source_not_allowed", id="a-loop"),
        pytest.param("source=file:fifo.jpg", 403, "source_not_allowed", id="a-fifo"),
        pytest.param("source=file:socket.jpg", 403, "source_not_allowed", id="a-socket"),
        pytest.param("source=file:inner", 403, "source_not_allowed", id="a-folder"),
        pytest.param("source=file:.", 403, "source_not_allowed", id="the-folder-itself"),
        pytest.param("source=file:empty.jpg", 415, "unsupported_format", id="an-empty-file"),
        pytest.param("source=file:notes.txt", 415, "unsupported_format", id="no-picture"),
        pytest.param("source=file:logo.png&source=file:logo.png", 400, "repeated_parameter", id="twice"),
        pytest.param("source=file:logo.png&source.logo=file:logo.png", 400, "unused_part", id="an-unused-part"),
        pytest.param("source=https://example.com/a.jpg", 403, "source_not_allowed", id="http-is-not-allowed"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_code(asking: httpx.Client, query: str, status: int, code: str) -> None:
    answer = asking.get(f"/flip?{query}")

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_a_file_above_the_limit_is_refused(asking: httpx.Client, folder: Path) -> None:
    (folder / "large.jpg").write_bytes(PHOTO + bytes(2_000_000))

    answer = asking.get("/flip?source=file:large.jpg")

    assert (answer.status_code, answer.json()["code"]) == (422, "source_too_large")
    assert answer.json()["size"] == len(PHOTO) + 2_000_000
    assert "--max-body" in answer.json()["detail"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_the_server_may_not_read_is_answered_403(asking: httpx.Client, folder: Path) -> None:
    (folder / "closed.jpg").write_bytes(PHOTO)
    (folder / "closed.jpg").chmod(0)

    assert asking.get("/flip?source=file:closed.jpg").json()["code"] == "source_forbidden"


def test_a_body_and_a_source_together_are_refused(asking: httpx.Client) -> None:
    answer = asking.post("/flip?source=file:logo.png", content=LOGO)

    assert (answer.status_code, answer.json()["code"]) == (400, "unusable_parameters")


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_no_descriptor_is_left_open(asking: httpx.Client, reading: Server) -> None:
    (worker,) = reading.workers()
    for name in ("photo.jpg", "nothing.jpg", "fifo.jpg", "notes.txt", "large.jpg"):
        asking.get(f"/flip?source=file:{name}")
    before = descriptors(worker)
    for name in ("photo.jpg", "nothing.jpg", "fifo.jpg", "notes.txt", "large.jpg") * 3:
        asking.get(f"/flip?source=file:{name}")

    wait_until(lambda: descriptors(worker) <= before, "all are closed that were opened")


def test_a_server_reads_no_file_by_default_and_names_the_setting(client: httpx.Client) -> None:
    answer = client.get("/flip?source=file:photo.jpg")

    assert (answer.status_code, answer.json()["code"]) == (403, "source_not_allowed")
    assert "--source-dir" in answer.json()["detail"]


@pytest.mark.parametrize("opening", [open_beneath, _walk], ids=["by-the-kernel", "folder-by-folder"])
@pytest.mark.parametrize("name", ["absolute.jpg", "upwards.jpg", "door/secret.jpg", "proc.jpg", "loop.jpg"])
def test_no_link_leads_out_of_the_folder(folder: Path, opening: type, name: str) -> None:
    inside = os.open(folder, os.O_PATH)
    try:
        with pytest.raises(OSError):  # noqa: PT011  the number differs: EXDEV, ELOOP or ENOTDIR
            opening(inside, name)
    finally:
        os.close(inside)


def test_a_walk_without_the_kernel_finds_a_file_in_a_folder(folder: Path) -> None:
    inside = os.open(folder, os.O_PATH)
    try:
        with os.fdopen(_walk(inside, "inner/./ä b&c.png"), "rb") as file:
            assert file.read() == LOGO
    finally:
        os.close(inside)


class Changing(Body):
    """A body that changes the file while it is filled, so many times."""

    def __init__(self, file: Path, times: int) -> None:
        budget = SimpleNamespace(
            check=lambda _size: None, grow_body=lambda _size: None, release_body=lambda _size: None
        )
        super().__init__(cast("Any", None), Files(cast("Any", budget)), 0)
        self._changed, self._times = file, times

    def put(self, data: bytes | bytearray | memoryview, *, is_last: bool = False) -> None:
        if self._times and not is_last:
            self._times -= 1
            self._changed.write_bytes(LOGO * (2 + self._times))
        super().put(data, is_last=is_last)


def read_while_it_changes(file: Path, times: int) -> bytes:
    async def read() -> bytes:
        opened = await Folder(str(file.parent), "--source-dir").open(Source("file", file.name), None, Asker())
        body = Changing(file, times)
        try:
            assert await opened.read_into(body, 1_000_000) == body.received == body.fetched
            return os.pread(body.file, body.received, 0)
        finally:
            await opened.close()
            body.close()

    return asyncio.run(read())


def test_a_file_that_changes_while_it_is_read_is_read_once_more(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PHOTO)

    assert read_while_it_changes(tmp_path / "a.png", 1) == LOGO * 2


def test_a_file_that_changes_all_the_time_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PHOTO)

    with pytest.raises(SourceFailed, match="changes while it is read"):
        read_while_it_changes(tmp_path / "a.png", 3)


def test_the_metrics_and_the_log_tell_what_came_from_sources(folder: Path) -> None:
    with serving("--workers=1", f"--source-dir={folder}") as server, server.client() as client:
        client.get("/flip?source=file:photo.jpg")
        client.get("/flip?source=file:nothing.jpg")
        counted = {name: metric(server, f'imgsrv_{name}_total{{kind="file"}}') for name in COUNTED}
        received = metric(server, "imgsrv_request_body_bytes_total")
        wait_until(lambda: len(server.named("request")) > 1, "the requests are logged")
        (first, *_others) = server.named("request")

    assert counted["source_seconds"] > 0
    assert (counted["sources"], counted["source_failures"], counted["source_bytes"]) == (2, 1, len(PHOTO))
    assert received == 0
    assert (first["bytes_in"], first["source_bytes"]) == (0, len(PHOTO))


COUNTED = ("sources", "source_failures", "source_seconds", "source_bytes")
