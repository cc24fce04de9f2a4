"""From a request's body to the picture and the further parts in it."""

from __future__ import annotations

import mmap
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from falcon.asgi import Request

from imgsrv.errors import EmptyBody, LineEndsLost, Undecodable, UnsupportedFormat
from imgsrv.imaging.codecs.header_check import check_header
from imgsrv.imaging.codecs.sniff import SNIFF_BYTES
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.cost import glanced
from imgsrv.imaging.pipelines.facts import Facts
from imgsrv.jobs.job import Input, Place
from imgsrv.shortages import needing
from imgsrv.web.http.body import Body
from imgsrv.web.multipart import FILE_PART, BodyText, find_parts
from imgsrv.web.state import RequestState, state_of

CURL_TYPE = "application/x-www-form-urlencoded"
"""The Content-Type that curl sends with -d and --data-binary."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A received picture whose header has been checked.

    facts: of the picture, for an estimate.  is_sure: its size is known; else it is guessed from the bytes.
    """

    input: Input
    facts: Facts
    is_sure: bool

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
        return find_parts(text, req.content_type or "", fields)


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
def detecting_lost_line_ends(req: Request) -> Iterator[None]:
    """Raise LineEndsLost in place of the error of a broken picture if `curl -d` has removed the line ends from it."""
    try:
        yield
    except (Undecodable, UnsupportedFormat) as error:
        if req.content_type != CURL_TYPE:
            raise
        body = state_of(req).body
        with needing("the body"), BodyText(body.file, body.received, prot=mmap.PROT_READ) as text:
            # The first bytes of a picture are not all ASCII; a text never was one.
            is_text = text[:SNIFF_BYTES].isascii()
            if not is_text and text.find(b"\n") < 0 and text.find(b"\r") < 0:
                raise LineEndsLost from error
        raise
