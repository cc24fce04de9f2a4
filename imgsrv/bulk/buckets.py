"""Objects of S3, Google Cloud Storage and Azure, by obstore.

It has threads of its own, so a process that has asked it anything must not fork: `clerk` asks for the process that
starts others.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar

from imgsrv.errors import BadArgument
from imgsrv.installed import install_command
from imgsrv.object_stores import open_bucket, says_missing, says_refused

Given = TypeVar("Given")

CONNECT_S, ANSWER_S, RETRIES, RETRY_S = 5, 300, 5, 60

LONGEST_REASON = 300

NO_BUCKET = "NoSuchBucket"

NO_CREDENTIALS = ("/latest/api/token", "/latest/meta-data/", "/computeMetadata/", "/metadata/identity/")
"""Paths of the services of machines in three clouds, which are asked if nothing else has credentials."""

REFUSALS = ("403 Forbidden", "401 Unauthorized")


class BucketRefused(OSError):
    """The bucket does not allow it, or cannot be reached; every further picture would meet the same."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object as a listing has it.  version: what differs when it has changed."""

    path: str
    size: int
    version: str


def check_installed(url: str) -> None:
    """Raise BadArgument if the extra is not installed."""
    if find_spec("obstore") is None:
        raise BadArgument(f"{url} needs the extra `s3`: {install_command('s3')}")


def read(store: str, path: str) -> tuple[memoryview, str]:
    """The bytes of an object and their version.  Raises OSError with the reason."""

    def get() -> tuple[memoryview, str]:
        found = _store(store).get(path)
        return memoryview(found.bytes()), _version(found.meta)

    return _asked(f"{store}/{path}", "read", get)


def write(store: str, path: str, data: bytes, media_type: str, *, overwrites: bool) -> None:
    """Write an object, in one request.  Raises FileExistsError, BucketRefused and OSError.

    Without overwrites, an object that is there already and has the same bytes counts as written.
    """

    def put() -> None:
        attributes = {"Content-Type": media_type} if media_type else None
        mode = "overwrite" if overwrites else "create"
        _store(store).put(path, data, attributes=attributes, mode=mode, use_multipart=False)

    try:
        _asked(f"{store}/{path}", "write", put)
    except FileExistsError:
        # A request whose answer is lost is sent again, and the bucket refuses it for the object that the first one
        # made.  findings/obstore-says-its-own-upload-was-there-before.sh
        if not _holds(store, path, data):
            raise


def head(store: str, path: str) -> Object | None:
    """The facts of an object; None if there is none.  Raises OSError with the reason."""
    try:
        return _asked(f"{store}/{path}", "read", lambda: _object(_store(store).head(path)))
    except FileNotFoundError:
        return None


def listed(store: str, path: str, *, is_recursive: bool) -> tuple[list[Object], list[str]]:
    """The objects below a folder, sorted, and without is_recursive those in it and its folders.

    Raises OSError with the reason.
    """

    def ask() -> tuple[list[Object], list[str]]:
        prefix = f"{path}/" if path else None
        if is_recursive:
            return [_object(meta) for part in _store(store).list(prefix) for meta in part], []
        found = _store(store).list_with_delimiter(prefix)
        return [_object(meta) for meta in found["objects"]], sorted(found["common_prefixes"])

    objects, folders = _asked(f"{store}/{path}", "list", ask)
    return sorted(objects, key=lambda one: one.path), folders


def _holds(store: str, path: str, data: bytes) -> bool:
    """Whether the object has these bytes; they are compared only if their number is the same."""
    try:
        found = head(store, path)
        return found is not None and found.size == len(data) and read(store, path)[0] == data
    except OSError:
        return False


@functools.cache
def _store(url: str) -> Any:
    return open_bucket(url, answer_s=ANSWER_S, connect_s=CONNECT_S, retries=RETRIES, retry_s=RETRY_S)


def _asked(url: str, verb: str, call: Callable[[], Given]) -> Given:
    """What a call of obstore gives.  Its errors become those of the system, with a reason that a user can act on."""
    try:
        return call()
    except Exception as error:  # obstore raises classes of its own and of Python
        reason = " ".join(str(error).partition("Debug source:")[0].split())[:LONGEST_REASON]
        if NO_BUCKET in reason:
            raise BucketRefused(f"there is no bucket for {url}; make it, or mend its name") from error
        if says_missing(error):
            raise FileNotFoundError(f"there is no {url}") from error
        if type(error).__name__ == "AlreadyExistsError":
            raise FileExistsError(url) from error
        if any(path in reason for path in NO_CREDENTIALS):
            raise BucketRefused(
                f"there are no credentials for {url}: give them in the environment, such as AWS_ACCESS_KEY_ID and "
                f"AWS_SECRET_ACCESS_KEY; this machine was asked for some, and has none ({reason})"
            ) from error
        # A listing that is refused is an error without a class of its own.
        if says_refused(error) or any(status in reason for status in REFUSALS):
            raise BucketRefused(
                f"the bucket does not let these credentials {verb} {url}: {reason}; give them the right to, or give "
                "others in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ) from error
        raise BucketRefused(f"{url} cannot be {_past(verb)}: {reason}") from error


def _past(verb: str) -> str:
    return {"write": "written", "list": "listed"}.get(verb, verb)


def _object(meta: Any) -> Object:
    return Object(str(meta["path"]), int(meta["size"]), _version(meta))


def _version(meta: Any) -> str:
    etag = meta.get("e_tag")
    return str(etag).strip('"') if etag else f"{meta['size']}-{meta['last_modified'].isoformat()}"
