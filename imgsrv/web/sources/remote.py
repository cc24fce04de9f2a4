"""`http:` and `https:` sources: fetched from the servers that the operator allows, and from public addresses only.

Each URL, that of a redirect too, must begin as one of `source_http` does; `connecting.py` checks the addresses.  The
body is asked for as it is (`Accept-Encoding: identity`), and an answer that is compressed all the same is refused, so
that nothing is unpacked here.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from email.utils import parsedate_to_datetime

from imgsrv import __version__
from imgsrv.allowed_places import Prefix, parse_prefixes
from imgsrv.environment import flag_name
from imgsrv.errors import (
    BadSource,
    ImgsrvError,
    SourceFailed,
    SourceForbidden,
    SourceNotAllowed,
    SourceNotFound,
    SourceTimeout,
)
from imgsrv.settings import Settings
from imgsrv.web.http.body import Body
from imgsrv.web.sources.addresses import parse_networks
from imgsrv.web.sources.connecting import Connector, RefusedAddress, Unreachable
from imgsrv.web.sources.conversation import BadAnswer, Conversation, Head
from imgsrv.web.sources.kept import KeptConnections
from imgsrv.web.sources.naming import Source
from imgsrv.web.sources.opened import Asker, Validators, control_header, plain_header
from imgsrv.web.sources.urls import Url, parse_url

OK, NOT_MODIFIED = 200, 304

REDIRECTS = (301, 302, 303, 307, 308)

MISSING, FORBIDDEN = (404, 410), (401, 403, 451)

RATE_PERIOD_S = 5.0
"""The lowest rate of a source is measured over each such period, as that of a body is."""

LONGEST_AGE_S = 1 << 31
"""A larger Age counts as this (RFC 9111, section 1.2.2)."""

LENGTH = re.compile(r"[0-9]{1,18}")


class OpenedUrl:
    """An answer whose head is here."""

    def __init__(
        self, origin: Remote, source: Source, url: Url, conversation: Conversation, head: Head, known: Validators | None
    ) -> None:
        self._origin, self._source, self._url, self._conversation = origin, source, url, conversation
        self._head, self.is_unchanged = head, head.status == NOT_MODIFIED
        found = _validators(source, url, head)
        if self.is_unchanged and known is not None:
            found = replace(known, cache_control=found.cache_control or known.cache_control, age_s=found.age_s)
        self.validators = found

    async def read_into(self, body: Body, limit: int) -> int:
        """Append the body of the answer.  Raises SourceFailed, SourceTimeout, and what `Body.put` raises."""
        before, length = body.received, self._head.headers.get("content-length", "")
        body.expect(int(length) if LENGTH.fullmatch(length) else None, limit)
        rate = self._origin.rate
        try:
            await self._conversation.read(body.put, most=limit, rate=rate, period_s=RATE_PERIOD_S)
        except BadAnswer as error:
            raise SourceFailed(str(self._source), error.reason) from error
        except TimeoutError as error:
            raise SourceTimeout(str(self._source), f"{rate} bytes a second", flag_name("body_rate")) from error
        body.put(b"", is_last=True)
        return body.received - before

    async def close(self) -> None:
        """Keep the connection if the answer was read to its end."""
        self._origin.connections.release(self._url, self._conversation)


class Remote:
    """The servers that sources may come from."""

    def __init__(self, settings: Settings) -> None:
        self._prefixes: tuple[Prefix, ...] = parse_prefixes(settings.source_http)
        self._most_redirects, self.rate = settings.source_redirects, settings.body_rate
        allowed = parse_networks(settings.source_private_addresses)
        self.connections = KeptConnections(Connector(allowed, settings.source_ca_file))

    async def open(self, source: Source, known: Validators | None, _asker: Asker) -> OpenedUrl:
        """The answer of the server, after its redirects.

        known: the server is asked if these still hold.  Raises BadSource, SourceNotAllowed, SourceNotFound,
        SourceForbidden and SourceFailed.
        """
        url = self.check(source)
        for redirects in range(self._most_redirects + 1):
            if redirects:
                self._check(source, url, is_redirected=True)
            conversation, head = await self._ask(source, url, known)
            if head.status in (OK, NOT_MODIFIED if known else OK):
                if (coding := head.headers.get("content-encoding", "identity").lower()) not in ("identity", ""):
                    conversation.close()
                    raise SourceFailed(str(source), f"its server compresses the answer ({coding[:32]}) unasked")
                return OpenedUrl(self, source, url, conversation, head, known)
            conversation.close()
            url = _target(source, url, head)
        raise SourceFailed(
            str(source), f"it is redirected more than {self._most_redirects} times ({flag_name('source_redirects')})"
        )

    def check(self, source: Source) -> Url:
        """The URL of a source that may be asked for.  Raises BadSource and SourceNotAllowed."""
        if not self._prefixes:
            raise SourceNotAllowed(str(source), "this server fetches no URLs", flag_name("source_http"))
        try:
            url = parse_url(source.text)
        except ValueError as error:
            raise BadSource(str(source), str(error)) from error
        self._check(source, url, is_redirected=False)
        return url

    def _check(self, source: Source, url: Url, *, is_redirected: bool) -> None:
        if not any(prefix.matches(url.scheme, url.host, url.port, url.path) for prefix in self._prefixes):
            what = (
                "it is redirected to a URL that is not allowed"
                if is_redirected
                else "it begins with none of the allowed URLs"
            )
            raise SourceNotAllowed(str(source), what, flag_name("source_http"))

    async def _ask(self, source: Source, url: Url, known: Validators | None) -> tuple[Conversation, Head]:
        try:
            return await self.connections.ask(url, _request(url, known))
        except RefusedAddress as error:
            raise SourceNotAllowed(
                str(source), "its host has an address that is not public", flag_name("source_private_addresses")
            ) from error
        except (Unreachable, BadAnswer) as error:
            raise SourceFailed(str(source), error.reason) from error


def _request(url: Url, known: Validators | None) -> bytes:
    lines = [
        f"GET {url.target} HTTP/1.1",
        f"Host: {url.authority}",
        f"User-Agent: imgsrv/{__version__}",
        "Accept: image/*, */*;q=0.5",
        "Accept-Encoding: identity",
    ]
    if known is not None and known.etag:
        lines.append(f"If-None-Match: {known.etag}")
    elif known is not None and known.last_modified:
        lines.append(f"If-Modified-Since: {known.last_modified}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _target(source: Source, url: Url, head: Head) -> Url:
    """Where a redirect leads.  Raises the error of every other status."""
    if head.status in REDIRECTS and (location := head.headers.get("location")):
        try:
            target = url.joined(location.encode("latin-1").decode("utf-8", "replace"))
        except ValueError as error:
            raise SourceFailed(str(source), "it is redirected to what is no plain URL") from error
        if (url.scheme, target.scheme) == ("https", "http"):
            raise SourceFailed(str(source), "it is redirected from https to http")
        return target
    raise _refused(source, head.status)


def _refused(source: Source, status: int) -> ImgsrvError:
    if status in MISSING:
        return SourceNotFound(str(source))
    if status in FORBIDDEN:
        return SourceForbidden(str(source))
    return SourceFailed(str(source), f"its server answers {status}")


def _validators(source: Source, url: Url, head: Head) -> Validators:
    """What the head says.  Only a strong ETag tells that the bytes are the same (RFC 9110, section 8.8.1)."""
    etag, changed, kind = (plain_header(head.headers.get(name)) for name in ("etag", "last-modified", "content-type"))
    control = control_header(head.headers.get("cache-control"))
    if control is None and (end := head.headers.get("expires")) is not None:
        control = f"max-age={_seconds_until(end)}"
    is_strong = etag is not None and etag.startswith('"')
    identity = f"{source.text}\n{url}\n{etag}" if is_strong else None
    return Validators(identity, etag, changed, control, kind, _age(head.headers.get("age", "")))


def _age(text: str) -> int:
    """The seconds of an Age header; of several the first, and 0 for what is no number (RFC 9111, section 5.1)."""
    first = text.partition(",")[0].strip()
    return min(int(first), LONGEST_AGE_S) if LENGTH.fullmatch(first) else 0


def _seconds_until(end: str) -> int:
    """The seconds until the date of an Expires header; 0 for what is no date, as `0` (RFC 9111, section 5.3)."""
    try:
        return max(0, int(parsedate_to_datetime(end[:64]).timestamp() - time.time()))
    except (ValueError, TypeError, OverflowError, LookupError):
        return 0
