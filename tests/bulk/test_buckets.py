"""`imgsrv convert` from and to buckets: a real S3 server, and answers of one that refuses."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from far.origins import origin
from pictures import encoded, opened, picture
from servers.s3_server import s3_server

from imgsrv.bulk.places import Blob, below, is_url, parse_blob, place_of
from imgsrv.errors import BadArgument

pytest.importorskip("obstore", reason="the extra s3 is not installed")

SQUARE = encoded(picture("RG/BY"))

Run = subprocess.CompletedProcess[str]


class Bucket:
    """An S3 server, and `imgsrv convert` with its credentials, in a folder of its own."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment, self.folder = environment, folder
        # moto brings boto3; it signs what it sends, as obstore does.
        self.client = importlib.import_module("boto3").client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name=environment["AWS_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )

    def put(self, bucket: str, path: str, data: bytes = SQUARE) -> None:
        self.client.put_object(Bucket=bucket, Key=path, Body=data)

    def get(self, bucket: str, path: str) -> tuple[bytes, str]:
        """An object and its type."""
        found = self.client.get_object(Bucket=bucket, Key=path)
        return found["Body"].read(), found["ContentType"]

    def names(self, bucket: str) -> list[str]:
        """The names of all objects of a bucket."""
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=bucket).get("Contents", ())]

    def convert(self, *arguments: str) -> Run:
        return convert(self.folder, self._environment, *arguments)


def convert(folder: Path, environment: dict[str, str], *arguments: str) -> Run:
    return subprocess.run(
        [sys.executable, "-m", "imgsrv", "convert", *arguments],
        env={**os.environ, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with s3_server() as made:
        yield made


@pytest.fixture
def bucket(environment: dict[str, str], tmp_path: Path) -> Iterator[Bucket]:
    """The server with two buckets: `raw` with pictures, and `out`, which is empty."""
    found = Bucket(environment, tmp_path)
    for name in ("raw", "out"):
        found.client.create_bucket(Bucket=name)
    for name in ("a.png", "notes.txt", "deep/b.png", "deep/er/ü c.gif", ".git/d.png", "bare"):
        found.put("raw", f"photos/{name}")
    yield found
    for name in ("raw", "out"):
        for path in found.names(name):
            found.client.delete_object(Bucket=name, Key=path)
        found.client.delete_bucket(Bucket=name)
    found.client.close()


def rows(bucket: Bucket) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (bucket.folder / "run.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_objects_become_objects_with_the_type_of_their_format(bucket: Bucket) -> None:
    done = bucket.convert("-r", "s3://raw/photos/", "s3://out/small/", "flip", "--format", "webp", "--lossless")

    assert done.returncode == 0, done.stderr
    assert "left out, no picture by its name: s3://raw/photos/notes.txt" in done.stderr
    assert bucket.names("out") == ["small/a.webp", "small/bare.webp", "small/deep/b.webp", "small/deep/er/ü c.webp"]
    data, media_type = bucket.get("out", "small/deep/er/ü c.webp")
    assert media_type == "image/webp"
    assert opened(data).format == "WEBP"


@pytest.mark.slow
def test_objects_become_files_and_files_objects(bucket: Bucket) -> None:
    down = bucket.convert("s3://raw/photos", "s3://raw/photos/deep/b.png", "files/")
    up = bucket.convert("files", "s3://out", "flop")
    one = bucket.convert("s3://raw/photos/a.png", "s3://out/one.jpg")

    assert (down.returncode, up.returncode, one.returncode) == (0, 0, 0), (down.stderr, up.stderr, one.stderr)
    assert "not looked into: s3://raw/photos/.git and s3://raw/photos/deep; --recursive" in down.stderr
    assert sorted(file.name for file in (bucket.folder / "files").iterdir()) == ["a.png", "b.png"]
    assert bucket.names("out") == ["a.png", "b.png", "one.jpg"]
    assert one.stderr.startswith("s3://out/one.jpg: 2×2, ")


@pytest.mark.slow
def test_an_object_keeps_the_format_of_its_name(bucket: Bucket) -> None:
    bucket.put("raw", "photos/odd.gif", SQUARE)

    assert bucket.convert("s3://raw/photos/*.gif", "s3://out/").returncode == 0

    assert opened(bucket.get("out", "odd.gif")[0]).format == "GIF"


@pytest.mark.slow
def test_a_pattern_stands_for_objects(bucket: Bucket) -> None:
    done = bucket.convert("s3://raw/photos/**/*.[pg]*", "out/", "--dry-run")

    assert done.stdout.splitlines() == [
        "s3://raw/photos/a.png → out/a.png",
        "s3://raw/photos/deep/b.png → out/deep/b.png",
        "s3://raw/photos/deep/er/ü c.gif → out/deep/er/ü c.gif",
    ]


@pytest.mark.slow
def test_a_run_with_buckets_goes_on_by_its_manifest_and_by_what_exists(bucket: Bucket) -> None:
    command = ("-r", "s3://raw/photos/", "s3://out/", "flip", "--manifest", "run.jsonl")
    assert bucket.convert(*command).returncode == 0
    assert [row["status"] for row in rows(bucket)] == ["run", "done", "done", "done"]
    bucket.client.delete_object(Bucket="out", Key="a.png")
    bucket.put("raw", "photos/deep/b.png", encoded(picture("RGB/RGB")))
    bucket.put("raw", "photos/new.png")

    again = bucket.convert(*command)
    existing = bucket.convert(
        "s3://raw/photos/*.png", "s3://out/", "flip", "--skip-existing", "--manifest", "other.jsonl"
    )

    assert "3 converted, 0 failed, 1 done before" in again.stderr
    assert opened(bucket.get("out", "deep/b.png")[0]).size == (3, 2)
    assert "0 converted, 0 failed, 2 skipped that exist" in existing.stderr


@pytest.mark.slow
def test_no_object_is_overwritten_if_that_is_asked(bucket: Bucket) -> None:
    bucket.put("out", "a.png", b"kept")

    done = bucket.convert("s3://raw/photos/a.png", "s3://raw/photos/deep/b.png", "s3://out/", "--no-overwrite")

    assert done.returncode == 1
    assert "s3://raw/photos/a.png: s3://out/a.png exists, and --no-overwrite is given" in done.stderr
    assert bucket.get("out", "a.png")[0] == b"kept"
    assert bucket.names("out") == ["a.png", "b.png"]


@pytest.mark.slow
def test_the_results_in_a_folder_that_is_read_are_no_pictures_of_the_next_run(bucket: Bucket) -> None:
    for _ in range(2):
        done = bucket.convert("-r", "s3://raw/photos/", "s3://raw/photos/small/")
        assert "3 converted, 0 failed" in done.stderr


@pytest.mark.slow
def test_a_bucket_that_is_not_there_stops_the_run(bucket: Bucket) -> None:
    done = bucket.convert("-r", "s3://raw/photos/", "s3://missing/", "--jobs", "1")

    assert done.returncode == 1
    assert "0 converted, 1 failed" in done.stderr
    assert "no further picture could be written: there is no bucket for s3://missing/a.png" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("s3://raw/none.png", "out.png"), "there is no object s3://raw/none.png"),
        (("s3://raw/none/", "out/"), "there is no picture in s3://raw/none/"),
        (("s3://raw/photos/*.jpg", "out/"), "no picture matches s3://raw/photos/*.jpg"),
        (("s3://missing/", "out/"), "there is no bucket for s3://missing/; make it, or mend its name"),
        (("s3://raw/photos/a.png", "s3://raw/photos/"), "is one of the inputs and is never overwritten"),
        (("s3://raw/photos/", "out.png"), "several pictures need a folder"),
        (("s3://i*/photos/a.png", "out/"), "has a pattern in the name of its bucket"),
        (("s3://raw/../x/", "out/"), "is no object of a bucket; write it like s3://bucket/photos/cat.jpg"),
        (("s3:///a.png", "out.png"), "s3://bucket/photos/cat.jpg, with the name of a bucket"),
        (("s3://raw/a//b.png", "out.png"), "s3://bucket/photos/cat.jpg, without //"),
        (("s3://raw/./b.png", "out.png"), "s3://bucket/photos/cat.jpg, without the part '.'"),
        (("s3://raw/photos/a.png", "s3://out/b", "flip"), "s3://out/b gives no format"),
    ],
)
def test_urls_that_cannot_be_used_are_refused(bucket: Bucket, arguments: tuple[str, ...], message: str) -> None:
    done = bucket.convert(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
FORBIDDEN = b"HTTP/1.1 403 No\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(DENIED), DENIED)


def credentials(url: str) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}


@pytest.mark.slow
def test_a_bucket_that_may_not_be_listed_is_said_with_what_to_do(tmp_path: Path) -> None:
    with origin({"/photos?list-type=2&prefix=in%2F&delimiter=%2F": FORBIDDEN}) as place:
        # The order of the parameters belongs to the library, and what it asked for is answered the second time.
        convert(tmp_path, credentials(place.url), "s3://photos/in/", "out/")
        place.answers |= dict.fromkeys(place.paths(), FORBIDDEN)
        done = convert(tmp_path, credentials(place.url), "s3://photos/in/", "out/")

    assert done.returncode == 2
    assert done.stderr.startswith("imgsrv: the bucket does not let these credentials list s3://photos/in: ")
    assert "AWS_ACCESS_KEY_ID" in done.stderr


@pytest.mark.slow
def test_a_bucket_that_may_not_be_written_stops_the_run(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number:02}.png").write_bytes(SQUARE)
    with origin({f"/photos/{number:02}.png": FORBIDDEN for number in range(20)}) as place:
        done = convert(tmp_path, credentials(place.url), ".", "s3://photos/", "--jobs", "1", "--manifest", "run.jsonl")
        asked = len(place.paths())

    assert done.returncode == 1
    summary, error = done.stderr.splitlines()[-2:]
    assert "0 converted, 1 failed" in summary
    assert summary.endswith("stopped, 19 not converted: the same command goes on from here")
    assert "does not let these credentials write s3://photos/00.png" in error
    assert asked <= 2


class LosesAnAnswer(BaseHTTPRequestHandler):
    """A bucket that stores an object, and breaks the connection instead of saying so."""

    objects: dict[str, bytes]
    puts: int

    def do_PUT(self) -> None:
        type(self).puts += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["If-None-Match"] == "*" and self.path in self.objects:
            self.answer(412)
        else:
            self.objects[self.path] = body
            self.close_connection = True

    def do_GET(self) -> None:
        self.answer(200, self.objects[self.path])

    def do_HEAD(self) -> None:
        self.answer(200, self.objects[self.path])

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Length", str(len(body))),
            ("ETag", '"1"'),
            ("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.slow
@pytest.mark.parametrize("is_of_others", [False, True])
def test_an_object_whose_answer_was_lost_is_known_again(tmp_path: Path, *, is_of_others: bool) -> None:
    """findings/obstore-says-its-own-upload-was-there-before.sh; an object of somebody else with as many bytes stays."""
    (tmp_path / "a.png").write_bytes(SQUARE)
    convert(tmp_path, {}, "a.png", "b.png")
    made = (tmp_path / "b.png").read_bytes()
    foreign = {"/out/a.png": bytes(len(made))} if is_of_others else {}

    class Store(LosesAnAnswer):
        objects = dict(foreign)  # noqa: RUF012  for one server
        puts = 0

    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{service.server_port}"
        done = convert(tmp_path, credentials(url), "a.png", "s3://out/", "--no-overwrite")
        service.shutdown()

    if is_of_others:
        assert (done.returncode, Store.puts, Store.objects) == (1, 1, foreign)
        assert "a.png: s3://out/a.png exists, and --no-overwrite is given" in done.stderr
    else:
        assert (done.returncode, Store.puts, Store.objects) == (0, 2, {"/out/a.png": made})
        assert done.stderr.startswith("s3://out/a.png: 2×2")


def test_a_place_is_a_file_or_an_object() -> None:
    assert is_url("s3://a/b")
    assert is_url("gs://a")
    assert not is_url("s3:/a")
    assert parse_blob("s3://a/b/c/") == Blob("s3://a", "b/c")
    assert place_of("a/b") == Path("a/b")
    assert str(below(parse_blob("s3://a/b"), Path("c/d.png"))) == "s3://a/b/c/d.png"
    assert str(below(parse_blob("s3://a"), Path("d.png"))) == "s3://a/d.png"


@pytest.mark.parametrize("text", ["s3://", "s3:///a", "s3://a//b", "s3://a/./b", "s3://a/b/../c"])
def test_a_url_without_a_bucket_or_with_an_odd_path_is_refused(text: str) -> None:
    with pytest.raises(BadArgument, match="no object of a bucket"):
        parse_blob(text)


class NoMetadata(BaseHTTPRequestHandler):
    """The service of a machine that has no role."""

    def do_PUT(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_missing_credentials_are_told_as_such(tmp_path: Path) -> None:
    pytest.importorskip("obstore")
    with ThreadingHTTPServer(("127.0.0.1", 0), NoMetadata) as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done = subprocess.run(
            [sys.executable, "-m", "imgsrv", "convert", "s3://raw/a.png", "out.png"],
            cwd=tmp_path,
            env={**environment, "AWS_METADATA_ENDPOINT": f"http://127.0.0.1:{service.server_port}"},
            capture_output=True,
            text=True,
            check=False,
        )
        service.shutdown()
    assert done.returncode == 2
    assert done.stderr.startswith("imgsrv: there are no credentials for s3://raw/a.png: give them in the environment")
