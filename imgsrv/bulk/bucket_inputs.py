"""The pictures in buckets that the inputs of `imgsrv convert` stand for."""

from __future__ import annotations

from pathlib import PurePosixPath

from imgsrv.bulk import buckets
from imgsrv.bulk.clerk import Clerk
from imgsrv.bulk.globs import Glob, is_glob, parse_glob
from imgsrv.bulk.inputs import Found, Source, checked
from imgsrv.bulk.places import Blob, Place, is_url, parse_blob
from imgsrv.errors import BadArgument
from imgsrv.imaging.formats import SUFFIXES


def object_of(text: str, clerk: Clerk) -> Source:
    """The object of a URL.  Raises BadArgument if there is none, or if its bucket cannot be asked."""
    if (found := _single(text, clerk)) is None:
        raise BadArgument(f"there is no object {text}")
    return found


def objects_of(text: str, out: Place, clerk: Clerk, *, is_recursive: bool, has_format: bool) -> Found:
    """Find the pictures that a URL stands for: an object for itself, a folder or a pattern for those in it.

    A picture has the suffix of a format; an object without a suffix is taken if has_format, as its content is not asked
    for before it is converted.  Hidden names and the folder `out` are passed over.  Raises BadArgument if there is no
    picture, or if the bucket cannot be asked.
    """
    if (single := _single(text, clerk)) is not None:
        return Found([single])
    glob = parse_glob(text) if is_glob(text) else None
    if glob is not None and not is_url(glob.folder):
        raise BadArgument(f"{text} has a pattern in the name of its bucket; name the bucket")
    folder = parse_blob(glob.folder if glob else text)
    is_deep = glob.depth != 0 if glob else is_recursive
    objects, folders = clerk.ask(buckets.listed, folder.store, folder.path, is_recursive=is_deep)
    found = Found(folders=[] if glob else [Blob(folder.store, one) for one in folders])
    for one in objects:
        inside = PurePosixPath(one.path).relative_to(folder.path)
        place = Blob(folder.store, one.path)
        if _is_passed_over(inside, glob) or _is_result(place, folder, out):
            continue
        if place.file.suffix.lower() in SUFFIXES or (has_format and one.size and not place.file.suffix):
            found.sources.append(Source(place, inside.parent, one.version))
        else:
            found.no_pictures.append(place)
    return checked(found, text, is_pattern=glob is not None)


def _single(text: str, clerk: Clerk) -> Source | None:
    """The object of exactly this name; None if there is none, or if the text names a folder."""
    buckets.check_installed(text)
    if text.endswith("/") or not is_url(text.rpartition("/")[0]):
        return None
    blob = parse_blob(text)
    found = clerk.ask(buckets.head, blob.store, blob.path)
    return Source(blob, version=found.version) if found else None


def _is_passed_over(inside: PurePosixPath, glob: Glob | None) -> bool:
    is_hidden = any(part.startswith(".") for part in inside.parts)
    return is_hidden or (glob is not None and not glob.matches(inside.parts))


def _is_result(place: Blob, folder: Blob, out: Place) -> bool:
    """Whether it lies in OUT, which lies in the folder that is read."""
    if not isinstance(out, Blob) or out.store != folder.store or out.path == folder.path:
        return False
    return place.path.startswith(f"{out.path}/") and (not folder.path or out.path.startswith(f"{folder.path}/"))
