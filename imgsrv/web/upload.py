"""From a request's body to the picture and the further parts in it."""

from __future__ import annotations

import codecs
import mmap
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from falcon.asgi import Request

from imgsrv.errors import (
    BadMultipart,
    EmptyBody,
    LineEndsLost,
    RequestError,
    Undecodable,
    UnsupportedEncoding,
    UnsupportedFormat,
)
from imgsrv.imaging.codecs.header_check import check_header
from imgsrv.imaging.codecs.sniff import SNIFF_BYTES, UNKNOWN, has_lost_line_ends
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.cost import glanced
from imgsrv.imaging.pipelines.facts import Facts
from imgsrv.jobs.job import Input, Place
from imgsrv.shortages import needing
from imgsrv.web.http.body import Body
from imgsrv.web.multipart import FILE_PART, BodyText, find_parts
from imgsrv.web.state import Prediction, RequestState, state_of

CURL_TYPE = "application/x-www-form-urlencoded"
"""The Content-Type that curl sends with -d and --data-binary."""

LEAST_CUT = 512
"""Random bytes of this length hold a line end with a probability of 98 %: (254/256)^512 = 0.02."""

LONGEST_CODING = 64
"""Characters of a Content-Encoding that an error repeats."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A received picture whose header has been checked.

    facts: of the picture, for an estimate.  is_sure: its size is known; else it is guessed from the bytes.
    prediction: what its job will cost, where that is remembered from an equal one.
    """

    input: Input
    facts: Facts
    is_sure: bool
    prediction: Prediction | None = None

    @property
    def format(self) -> str:
        """The format by the first bytes."""
        return self.facts.format


async def receive_parts(req: Request, max_body: int, fields: Collection[str] = ()) -> dict[str, Place]:
    """Receive the body and find its parts, by their names; a raw picture is a part named `file`.

    fields: names of parts that may be empty.  The body is received once: who asks again gets the parts that the state
    has.  Raises BadMultipart, and what `receive_picture` raises.
    """
    state = state_of(req)
    if state.parts is not None:
        return dict(state.parts)
    parts = await receive_picture(state, max_body)
    if not is_form(req):
        return parts
    with needing("the form"), BodyText(state.body.file, state.body.received, prot=mmap.PROT_READ) as text:
        try:
            return find_parts(text, req.content_type or "", fields)
        except BadMultipart as error:
            _refuse_coding(req, error)
            raise


def is_form(req: Request) -> bool:
    """True for a body of several parts."""
    return (req.content_type or "").lower().startswith("multipart/form-data")


async def receive_picture(state: RequestState, max_body: int) -> dict[str, Place]:
    """Receive a body that is the picture, and give its place as that of a part named `file`.

    Raises EmptyBody, OutOfResources, and what `Body.receive` raises.
    """
    body = state.body
    if body.expected == 0:
        raise EmptyBody
    await body.receive(max_body)
    state.received = time.monotonic()
    if not body.received:
        raise EmptyBody
    return {FILE_PART: (0, body.received)}


def check_upload(body: Body, parts: Mapping[str, Place], limits: Limits) -> Upload:
    """Check the header of the picture.  Raises what `check_header` raises.

    A picture that its header condemns is refused here, before it waits behind heavy jobs.
    """
    start, size = parts[FILE_PART]
    further = {name: place for name, place in parts.items() if name != FILE_PART}
    checked = check_header(body.file, start, size, limits)
    facts = glanced(checked, size, limits)
    # What a drawing costs, its header does not tell.
    is_sure = checked.size is not None and not facts.form.is_vector
    return Upload(Input(start, size, further), facts, is_sure)


@contextmanager
def naming_the_mistake(req: Request) -> Iterator[None]:
    """Raise UnsupportedEncoding or LineEndsLost in place of the error of what is no picture for one of these reasons.

    The bytes decide: a picture that comes with a wrong header is a picture.
    """
    try:
        yield
    except UnsupportedFormat as error:
        _refuse_coding(req, error)
        if error.found == UNKNOWN:
            _refuse_lost_line_ends(req, error)
        raise
    except Undecodable as error:
        _refuse_lost_line_ends(req, error)
        raise


def _refuse_coding(req: Request, error: RequestError) -> None:
    """Raise UnsupportedEncoding if the body comes in a content coding."""
    coding = (req.get_header("Content-Encoding") or "").strip()
    if coding.lower() not in ("", "identity") and state_of(req).body.expected != 0:
        raise UnsupportedEncoding(coding[:LONGEST_CODING]) from error


def _refuse_lost_line_ends(req: Request, error: RequestError) -> None:
    """Raise LineEndsLost if `curl -d` has removed the line ends.

    A short file may have none by chance, so that then only its signature tells.
    """
    body = state_of(req).body
    if req.content_type != CURL_TYPE or not body.came:
        return
    with needing("the body"), BodyText(body.file, body.received, prot=mmap.PROT_READ) as text:
        head = text[:SNIFF_BYTES]
        is_cut = not _is_text(head) and text.find(b"\n") < 0 and text.find(b"\r") < 0
        if is_cut and (has_lost_line_ends(head) or len(text) >= LEAST_CUT):
            raise LineEndsLost from error


def _is_text(head: bytes) -> bool:
    """Whether bytes are UTF-8, which those of a picture never are; the last character may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True
