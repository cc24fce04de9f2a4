"""`POST /uploads`: a picture that is sent once and asked for many times, until it ends."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pictures import encoded, picture, sample
from serving import Server, serving, wait_until

from imgsrv.errors import CannotKeepUploads, SourceNotFound, UploadsFull
from imgsrv.settings import Settings
from imgsrv.web.sources.naming import Source
from imgsrv.web.sources.opened import Asker
from imgsrv.web.sources.uploads.folder import ABANDONED_S, FolderUploads
from imgsrv.web.sources.uploads.store import Bounds
from imgsrv.web.sources.uploads.uploads import Kept, Uploads

PHOTO = encoded(sample("coffee.jpg"), "JPEG", quality=90)
LOGO = encoded(picture("RG/BY"), "PNG")

NOBODY = Asker()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def keeping(folder: Path) -> Iterator[Server]:
    flags = [f"--uploads-dir={folder}", "--max-body=2MB", "--uploads-max-count=50"]
    with serving("--workers=2", *flags) as running:
        yield running


@pytest.fixture
def asking(keeping: Server) -> Iterator[httpx.Client]:
    with keeping.client() as client:
        yield client


def test_an_upload_is_a_source_of_every_worker(asking: httpx.Client, keeping: Server) -> None:
    answer = asking.post("/uploads", content=PHOTO)
    kept = answer.json()

    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/uploads/{kept['id']}"
    assert (kept["source"], kept["size"], kept["format"]) == (f"upload:{kept['id']}", len(PHOTO), "jpeg")
    left = datetime.fromisoformat(kept["expires"]) - datetime.now(UTC)
    assert 3500 < left.total_seconds() < 3601
    posted = asking.post("/resize?width=100", content=PHOTO).content
    seen: set[int] = set()

    def is_seen_by_all() -> bool:
        with keeping.connect() as connection:
            seen.add(keeping.front_of(connection))
            request = f"GET /resize?width=100&source={kept['source']} HTTP/1.0\r\nHost: a\r\n\r\n"
            connection.sendall(request.encode())
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(posted)
        return len(seen) == 2

    wait_until(is_seen_by_all, "both workers have served it")


def test_a_form_may_hold_the_picture(asking: httpx.Client) -> None:
    kept = asking.post("/uploads", files={"file": LOGO}).json()

    assert asking.get(f"/flip?source={kept['source']}").status_code == 200


def test_an_upload_may_be_the_watermark(asking: httpx.Client) -> None:
    photo, logo = (asking.post("/uploads", content=data).json()["source"] for data in (PHOTO, LOGO))

    answer = asking.get(f"/watermark?source={photo}&source.watermark={logo}")

    assert answer.content == asking.post("/watermark", files={"file": PHOTO, "watermark": LOGO}).content


def test_an_upload_can_be_looked_up_and_removed(asking: httpx.Client) -> None:
    kept = asking.post("/uploads", content=LOGO).json()
    place = f"/uploads/{kept['id']}"

    looked_up, removed = asking.get(place), asking.delete(place)

    assert looked_up.json() == {name: kept[name] for name in ("id", "source", "size", "expires")}
    assert (removed.status_code, removed.content) == (204, b"")
    for answer in (asking.get(place), asking.delete(place), asking.get(f"/flip?source={kept['source']}")):
        assert (answer.status_code, answer.json()["code"]) == (404, "source_not_found")


@pytest.mark.parametrize(
    "upload",
    [
        *("nothing", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "A" * 32, "A" * 24 + "e3b0c442", ".lock", "%00"),
        *("a" * 4000, "A" * 24 + "../e3b0c", "é" * 32),
    ],
)
def test_an_id_that_was_not_given_out_is_answered_404(asking: httpx.Client, upload: str) -> None:
    answer = asking.get(f"/flip?source=upload:{upload}")

    assert answer.status_code in (400, 404), answer.text
    assert asking.get(f"/uploads/{upload}").status_code == 404
    assert asking.delete(f"/uploads/{upload}").status_code == 404


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "empty_body"),
        (b"no picture", 415, "unsupported_format"),
        (bytes(2_000_001), 413, "body_too_large"),
    ],
    ids=["nothing", "a-text", "too-large"],
)
def test_only_pictures_are_kept(asking: httpx.Client, folder: Path, content: bytes, status: int, code: str) -> None:
    before = sorted(folder.rglob("*"))
    answer = asking.post("/uploads", content=content)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert sorted(folder.rglob("*")) == before


def test_parameters_and_further_parts_are_refused(asking: httpx.Client) -> None:
    assert asking.post("/uploads?ttl=5", content=LOGO).json()["code"] == "unknown_parameter"
    assert asking.post("/uploads", files={"file": LOGO, "logo": LOGO}).json()["code"] == "unused_part"
    assert asking.put("/uploads", content=LOGO).json()["code"] == "wrong_method"


def test_no_id_can_be_read_in_the_folder(asking: httpx.Client, folder: Path) -> None:
    kept = asking.post("/uploads", content=LOGO).json()
    names = [file.name for file in folder.rglob("*")]

    assert not any(kept["id"] in name or name in kept["id"] for name in names if len(name) != 8)
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.rglob("*"))


def test_a_server_keeps_no_uploads_by_default(client: httpx.Client) -> None:
    for answer in (
        client.post("/uploads", content=LOGO),
        client.get("/uploads/abc"),
        client.delete("/uploads/abc"),
        client.get("/flip?source=upload:abc"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "source_not_allowed")
        assert "--uploads-dir" in answer.json()["detail"]


def test_the_limit_holds_across_all_workers(tmp_path: Path) -> None:
    flags = [f"--uploads-dir={tmp_path}", "--uploads-max-count=20"]
    statuses: list[int] = []
    with serving("--workers=2", *flags) as server:

        def upload() -> None:
            with server.client() as client:
                statuses.extend(client.post("/uploads", content=LOGO).status_code for _ in range(10))

        threads = [threading.Thread(target=upload) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with server.client() as client:
            answer = client.post("/uploads", content=LOGO)

    assert (statuses.count(201), statuses.count(507)) == (20, 20)
    assert answer.json()["code"] == "uploads_full"
    assert "--uploads-max-count" in answer.json()["detail"]
    assert len([file for file in tmp_path.rglob("*") if re.fullmatch("[0-9a-f]{40}", file.name)]) == 20


def test_an_upload_ends(tmp_path: Path) -> None:
    with (
        serving("--workers=1", f"--uploads-dir={tmp_path}", "--uploads-ttl-s=0.5") as server,
        server.client() as client,
    ):
        kept = client.post("/uploads", content=LOGO).json()
        wait_until(lambda: client.get(f"/uploads/{kept['id']}").status_code == 404, "the upload ends")

        assert client.get(f"/flip?source={kept['source']}").json()["code"] == "source_not_found"
        # The next one makes room of what has ended.
        client.post("/uploads", content=LOGO)

    assert len([file for file in tmp_path.rglob("*") if len(file.name) == 40]) == 1


def test_a_deleted_folder_is_answered_503_and_serves_again_when_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    with serving("--workers=1", f"--uploads-dir={folder}") as server, server.client() as client:
        folder.rmdir()
        broken = client.post("/uploads", content=LOGO)
        missing = client.get(f"/flip?source=upload:{'A' * 24}e3b0c442")
        folder.mkdir()
        good = client.post("/uploads", content=LOGO)

    assert (broken.status_code, broken.json()["code"]) == (503, "cannot_keep_uploads")
    assert "retry-after" in broken.headers
    assert str(tmp_path) not in broken.text
    assert missing.json()["code"] == "source_not_found"
    assert "send the picture again with POST /uploads" in missing.json()["detail"]
    assert good.status_code == 201


# ---- without a server ---------------------------------------------------------------------------------


def uploads(folder: Path, clock: Any = time.time, **settings: Any) -> Uploads:
    bounds = Bounds.of(Settings(**settings))
    return Uploads(FolderUploads(folder, bounds, clock))


def look_up(kept: Uploads, upload: str, asker: Asker = NOBODY) -> Kept:
    return asyncio.run(kept.look_up(upload, asker))


def sweep(kept: Uploads) -> None:
    assert isinstance(kept._store, FolderUploads)
    kept._store._sweep()


def keep(kept: Uploads, data: bytes = LOGO, asker: Asker = NOBODY) -> Kept:
    file = os.memfd_create("test")
    try:
        os.write(file, b"before" + data)
        return asyncio.run(kept.keep(file, 6, len(data), asker))
    finally:
        os.close(file)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test may change.  No sweep goes on by itself."""
    monkeypatch.setattr(FolderUploads, "_sweep_later", lambda _self: None)
    return [1_000_000.0]


def test_an_upload_of_one_key_is_nobody_elses(tmp_path: Path, now: list[float]) -> None:
    kept = uploads(tmp_path, lambda: now[0])
    made = keep(kept, asker=Asker("web"))

    assert look_up(kept, made.id, Asker("web")).size == len(LOGO)
    assert look_up(kept, made.id, Asker("", is_trusted=True)).size == len(LOGO)
    for other in (NOBODY, Asker("mobile")):
        with pytest.raises(SourceNotFound):
            look_up(kept, made.id, other)
        with pytest.raises(SourceNotFound):
            asyncio.run(kept.open(Source("upload", made.id), None, other))
        with pytest.raises(SourceNotFound):
            asyncio.run(kept.remove(made.id, other))


def test_every_key_has_limits_of_its_own(tmp_path: Path, now: list[float]) -> None:
    kept = uploads(tmp_path, lambda: now[0], uploads_max_count=2, uploads_max_size=10**6)
    for asker in (NOBODY, Asker("web")):
        keep(kept, asker=asker)
        keep(kept, asker=asker)
        with pytest.raises(UploadsFull):
            keep(kept, asker=asker)


def test_the_bytes_of_all_uploads_have_a_limit(tmp_path: Path, now: list[float]) -> None:
    kept = uploads(tmp_path, lambda: now[0], uploads_max_size=2 * len(LOGO))
    first = keep(kept)
    keep(kept)
    with pytest.raises(UploadsFull):
        keep(kept)
    asyncio.run(kept.remove(first.id, NOBODY))

    assert keep(kept).size == len(LOGO)


def test_what_has_ended_makes_room(tmp_path: Path, now: list[float]) -> None:
    kept = uploads(tmp_path, lambda: now[0], uploads_max_count=1, uploads_ttl_s=60)
    keep(kept)
    now[0] += 60

    assert keep(kept).expires == now[0] + 60


def test_a_sweep_removes_what_has_ended_and_what_a_dead_worker_left(tmp_path: Path, now: list[float]) -> None:
    kept = uploads(tmp_path, lambda: now[0], uploads_ttl_s=60)
    made = keep(kept)
    folder = next(each for each in tmp_path.iterdir() if each.is_dir())
    unfinished, foreign = folder / ".new-0123456789abcdef", folder / "notes.txt"
    unfinished.touch()
    foreign.touch()
    for file in (unfinished, foreign):
        os.utime(file, (now[0], now[0]))
    sweep(kept)
    assert look_up(kept, made.id).size == len(LOGO)
    assert unfinished.exists()

    now[0] += ABANDONED_S
    os.utime(tmp_path / ".swept", (0, 0))
    sweep(kept)

    assert sorted(file.name for file in folder.iterdir()) == [".lock", "notes.txt"]


def test_a_link_in_the_folder_is_not_followed(tmp_path: Path, now: list[float]) -> None:
    kept = uploads(tmp_path / "uploads", lambda: now[0])
    (tmp_path / "uploads").mkdir()
    made = keep(kept)
    (file,) = (each for each in (tmp_path / "uploads").rglob("*") if len(each.name) == 40)
    file.rename(tmp_path / "secret")
    file.symlink_to(tmp_path / "secret")

    with pytest.raises(Exception, match=r"not allowed|does not exist"):
        asyncio.run(kept.open(Source("upload", made.id), None, NOBODY))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, now: list[float]) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(CannotKeepUploads):
            keep(uploads(tmp_path, lambda: now[0]))
    finally:
        tmp_path.chmod(0o700)
