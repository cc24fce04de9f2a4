"""The one place in the way of a request that asks who it is, what it may, and how often: before routing and the body.

    CORS → open routes → key or signature → limits → operator's routes → presets

A request without a valid key or signature is charged to its network before it is refused, so guessing is limited too.
Whoever may read the operator's routes is not charged for them: what watches a server asks all the time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address, ip_network

from falcon.asgi import Request, Response

from imgsrv.errors import MissingKey, MissingSignature, OperatorsOnly, RequestError, UnknownKey
from imgsrv.settings import Settings
from imgsrv.settings_checks import UNIX
from imgsrv.web.access.keys import Key
from imgsrv.web.access.limits import Limiter
from imgsrv.web.access.local import is_local
from imgsrv.web.access.presets import ROUTE
from imgsrv.web.access.rules import Rules
from imgsrv.web.access.signatures import is_signed
from imgsrv.web.access.stores.store import Charge
from imgsrv.web.http.host import Message
from imgsrv.web.pages.serve import PREFIX, wants_page
from imgsrv.web.state import RequestState, state_in, state_of

OPEN = frozenset(("/healthz", "/readyz", "/livez"))
"""Routes that anybody may ask, as often as they like: probes have no keys."""

OPERATORS = frozenset(("/metrics", "/dashboard/events"))
"""Routes of the operator, where keys or signatures are asked for."""

LOCAL = frozenset(("/dashboard/events",))
"""Those of them that only programs of this machine may ask where no keys or signatures are asked for."""

DOCUMENTS = frozenset(("/", "/operations", "/openapi.json", "/docs", "/dashboard"))
"""Routes without a picture, which presets-only does not refuse."""

PAGES = frozenset(("/", "/docs", "/dashboard"))
"""Routes that answer a browser with a page, which is open like the probes."""

PUBLIC = "public"

MAX_AGE = re.compile(r"(max-age=)([0-9]+)")

BEARER = b"bearer "


class Access:
    """Middleware of the app.  clock: Unix time, for `expires`."""

    def __init__(
        self, rules: Rules, limiter: Limiter, settings: Settings, clock: Callable[[], float] = time.time
    ) -> None:
        self._rules, self._limiter, self._clock = rules, limiter, clock
        self._has_pages, self._has_prefaces = settings.pages, settings.proxy_protocol
        self._prefixes = {4: settings.client_prefix_4, 6: settings.client_prefix_6}
        self._network = lru_cache(maxsize=1024)(self._network_of)

    async def process_request(self, req: Request, resp: Response) -> None:
        """Let a request pass, or raise why not; or what it failed with on the short way."""
        state = state_of(req)
        if state.fault is not None:
            raise state.fault
        # The router takes any number of slashes at the beginning for one.
        path = f"/{req.path.lstrip('/')}"
        if self._rules.cors:
            self.greet(req.scope)
            origin = header(req.scope["headers"], b"origin")
            if req.method == "OPTIONS" and origin is not None and _is_preflight(req):
                state.headers += self._rules.cors.preflight(origin)
                resp.status, resp.complete = 204, True
                return
        if path in OPEN or (self._has_pages and _is_page(req, path)):
            return
        req.query_string = await self.admit(req.scope, path, req.query_string)

    def greet(self, scope: Message) -> None:
        """Give the answer the headers that CORS asks for, whatever becomes of the request."""
        if self._rules.cors:
            state_in(scope).headers += self._rules.cors.headers(header(scope["headers"], b"origin"))

    async def admit(self, scope: Message, path: str, query: str) -> str:
        """Let a request pass, or raise why not; gives its query without a signature, and with its presets expanded."""
        rules, state = self._rules, state_in(scope)
        key, signed, refusal = self._who(scope, state)
        is_operator = self._is_operator(scope, state, path, key)
        if not (path in OPERATORS and is_operator and refusal is None):
            await self._limiter.admit(state, self._charges(scope, key))
        if refusal is not None:
            raise refusal
        query = query if signed is None else signed
        if path in OPERATORS:
            if not is_operator:
                raise OperatorsOnly(path, is_local=not rules.asks_who)
        elif path not in DOCUMENTS:
            allowed = None if key is None else key.presets
            rules.presets.check_route(path, allowed)
            state.is_fixed = signed is not None or allowed is not None or rules.presets.only
            if path == ROUTE:
                return rules.presets.expand(query, allowed)
        return query

    async def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:  # noqa: FBT001  as Falcon calls it
        """Say for whom and for how long caches may keep the answer."""
        state, said = state_of(req), resp.get_header("Cache-Control")
        if said is not None:
            resp.set_header("Cache-Control", self.cache_control(state, said))
        elif state.key is not None and req.method in ("GET", "HEAD"):
            # Some proxies keep what says nothing, and do not know that X-API-Key stands for a client.
            resp.set_header("Cache-Control", "private")

    def cache_control(self, state: RequestState, said: str) -> str:
        """The Cache-Control of an answer: one for a key is kept from other clients, and any for no longer than its URL.

        said: what holds for its picture.
        """
        if said.startswith(PUBLIC) and state.key is not None:
            return f"private{said.removeprefix(PUBLIC)}"
        if said.startswith(PUBLIC) and state.expires is not None:
            left_s = max(0, state.expires - int(self._clock()))
            return MAX_AGE.sub(lambda age: f"{age[1]}{min(int(age[2]), left_s)}", said)
        return said

    def _who(self, scope: Message, state: RequestState) -> tuple[Key | None, str | None, RequestError | None]:
        """The key of a request, its query if it is signed, and why it is refused.  A signed request needs no key."""
        rules = self._rules
        try:
            if rules.keys is not None and (token := _token(scope["headers"])) is not None:
                key = rules.keys.find(token)
                if key is None:
                    return None, None, UnknownKey()
                state.key = key.name
                return key, None, None
            if rules.secrets is not None and (rules.keys is None or is_signed(scope["query_string"])):
                return None, self._signed(scope, state), None
            if rules.keys is not None:
                return None, None, MissingKey(takes_signatures=rules.secrets is not None)
        except RequestError as error:
            return None, None, error
        return None, None, None

    def _is_operator(self, scope: Message, state: RequestState, path: str, key: Key | None) -> bool:
        """Whether a request may ask the operator's routes.  Behind a proxy nobody knows whether it is local."""
        if self._rules.asks_who:
            return key is not None and key.is_operator
        is_direct = not (state.has_proxy or self._has_prefaces)
        return path not in LOCAL or (is_direct and is_local(state.peer, scope["headers"]))

    def _signed(self, scope: Message, state: RequestState) -> str:
        """The query of a signed request."""
        secrets = self._rules.secrets
        if secrets is None:
            raise MissingSignature
        signed = secrets.check(scope["method"], scope["raw_path"], scope["query_string"], self._clock())
        state.signer, state.expires = signed.signer, signed.expires
        return signed.query.decode("ascii", "replace")

    def _charges(self, scope: Message, key: Key | None) -> tuple[list[Charge], list[Charge]]:
        """What the request costs, and what its work will cost."""
        limits = self._rules.limits
        rows = []
        if limits.client is not None or limits.client_work is not None:
            rows.append(("client", self._network(_address(scope)), limits.client, limits.client_work))
        if key is not None:
            rows.append(("key", key.id, key.limit or limits.key, key.work or limits.key_work))
        return (
            [Charge(policy, holder, limit) for policy, holder, limit, _work in rows if limit is not None],
            [Charge(f"{policy}-work", holder, work) for policy, holder, _limit, work in rows if work is not None],
        )

    def _network_of(self, address: str) -> str:
        """The network that counts as one client.  An address that is none, of a proxy, counts as it is."""
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return address[:64]
        found = getattr(found, "ipv4_mapped", None) or found
        return str(ip_network((found, self._prefixes[found.version]), strict=False))


def header(headers: list[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The first header of that name."""
    return next((value for each, value in headers if each == name), None)


def _token(headers: list[tuple[bytes, bytes]]) -> str | None:
    """The API key that a request shows: `Authorization: Bearer`, or `X-API-Key`; None if it shows none."""
    given = header(headers, b"authorization")
    if given is not None and given[: len(BEARER)].lower() == BEARER:
        return given[len(BEARER) :].strip().decode("latin-1")
    given = header(headers, b"x-api-key")
    return given.decode("latin-1") if given is not None else None


def _address(scope: Message) -> str:
    return scope["client"][0] if scope["client"] else UNIX


def _is_page(req: Request, path: str) -> bool:
    """A page, or a file of one.  A browser has no key to show when it opens one; the page asks for it."""
    return path.startswith(PREFIX) or (path in PAGES and wants_page(req))


def _is_preflight(req: Request) -> bool:
    return header(req.scope["headers"], b"access-control-request-method") is not None
