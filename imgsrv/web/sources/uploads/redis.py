"""Uploads in Redis or Valkey, whose own clock and scripts keep the bounds exactly over all machines.

Each upload is one value, which Redis removes when it ends.  For each owner a sorted set has the uploads with the time
at which each ends, and a number their bytes.  A large picture comes in pieces: a script first reserves its room, and
another one gives the upload its name when all of it is there.  A reservation ends by itself soon after its machine has
died.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from imgsrv.web.sources.uploads.ids import UploadName
from imgsrv.web.sources.uploads.store import Bounds, Content, Found
from imgsrv.web.stores.redis import Redis, RedisFailed

PREFIX = "imgsrv:upload:1:"

PIECE_BYTES = 1 << 20
"""Most bytes that one command moves."""

MARGIN_S = 5.0
"""A reservation lives for so much longer than an upload may take."""

NOW = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""
"""Milliseconds of the epoch, by the clock of the server."""

LAST = """
local function last(life)
  if redis.call('PTTL', KEYS[1]) < life then redis.call('PEXPIRE', KEYS[1], life) end
  redis.call('PEXPIRE', KEYS[2], redis.call('PTTL', KEYS[1]))
end
"""
"""The set and the number of an owner live as long as the upload of the longest life."""

BEGIN = f"""{NOW}{LAST}
local size, life = tonumber(ARGV[2]), tonumber(ARGV[3])
local function bytes(members)
  local sum = 0
  for _, member in ipairs(members) do sum = sum + tonumber(string.match(member, '%d+$')) end
  return sum
end
local ended = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
local count = redis.call('ZCARD', KEYS[1]) - #ended
local total = tonumber(redis.call('GET', KEYS[2]) or '')
if count == 0 then
  total = 0
elseif total then
  total = total - bytes(ended)
else
  total = bytes(redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf'))
end
if count + 1 > tonumber(ARGV[4]) or total + size > tonumber(ARGV[5]) then return {{0, count + 1, total + size}} end
redis.call('SET', KEYS[3], ARGV[6], 'PX', life)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + life, ARGV[1])
redis.call('SET', KEYS[2], string.format('%.0f', total + size))
last(life)
return {{1, now + life, 0}}
"""
"""Reserve room for an upload, and store its first piece; or give the count and the bytes that it would make.

The first command that writes is the only one that a full Redis refuses, so nothing is half done.
KEYS: set, number, value.  ARGV: member, bytes, milliseconds, most uploads, most bytes, piece.
"""

MORE = """
if redis.call('STRLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
return redis.call('APPEND', KEYS[1], ARGV[2])
"""
"""Append a piece, if what is there has the length it should have; gives the new one.  ARGV: length, piece."""

FINISH = f"""{NOW}{LAST}
local life = tonumber(ARGV[3])
local is_whole = redis.call('STRLEN', KEYS[3]) == tonumber(ARGV[2])
if not is_whole or not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return {{0}} end
redis.call('RENAME', KEYS[3], KEYS[4])
redis.call('PEXPIRE', KEYS[4], life)
redis.call('ZADD', KEYS[1], now + life, ARGV[1])
last(life)
return {{now + life}}
"""
"""Give a whole upload its name; gives when it ends, or 0 if it is not whole.

KEYS: set, number, value with the reservation, value.  ARGV: member, bytes, milliseconds.
"""

FIND = f"""{NOW}
local size = redis.call('STRLEN', KEYS[2])
if size == 0 then return {{0, 0}} end
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1] .. ':' .. size)
return {{size, ends and tonumber(ends) or now + redis.call('PTTL', KEYS[2])}}
"""
"""Give the bytes of an upload, and when it ends.  KEYS: set, value.  ARGV: digest."""

FORGET = """
local size = tonumber(ARGV[2])
if size < 0 then size = redis.call('STRLEN', KEYS[3]) end
local removed = redis.call('UNLINK', KEYS[3], KEYS[4])
if redis.call('ZREM', KEYS[1], string.format('%s:%.0f', ARGV[1], size)) == 1 and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('DECRBY', KEYS[2], size)
end
return {removed}
"""
"""Remove an upload; gives how many values were there.

KEYS: set, number, value, value with the reservation.  ARGV: digest, bytes or -1 for those of the value.
"""


class RedisUploads:
    """Uploads in Redis.  timeout_s: in which an upload must be whole."""

    name = "redis"

    def __init__(self, redis: Redis, bounds: Bounds, timeout_s: float) -> None:
        self._redis, self._bounds = redis, bounds
        self._lease_ms = round((timeout_s + MARGIN_S) * 1000)

    async def keep(self, name: UploadName, content: Content) -> float:
        """Keep an upload; gives when it ends.  Raises UploadsFull, ServerFailed and ServerFull."""
        bounds, first = self._bounds, content.piece(0, PIECE_BYTES)
        of_owner, value, reserved = _keys(name)
        ttl_ms, is_whole = max(1, round(bounds.ttl_s * 1000)), len(first) == content.size
        member, life_ms = f"{name.digest}:{content.size}", ttl_ms if is_whole else self._lease_ms
        keys = [*of_owner, value if is_whole else reserved]
        begun = await self._redis.script(
            BEGIN, keys, member, content.size, life_ms, bounds.max_count, bounds.max_size, first
        )
        is_kept, count_or_end, size = _numbers(begun, 3)
        if not is_kept:
            bounds.check(count_or_end, size)
            raise RedisFailed(f"it refuses an upload of {content.size} bytes and says {begun!r:.60}")
        if is_whole:
            return count_or_end / 1000
        at = len(first)
        while at < content.size:
            piece = content.piece(at, PIECE_BYTES)
            if await self._redis.script(MORE, [reserved], at, piece) != at + len(piece):
                raise RedisFailed("what was stored of the upload is gone")
            at += len(piece)
        finished = await self._redis.script(FINISH, [*of_owner, reserved, value], member, content.size, ttl_ms)
        (ends,) = _numbers(finished, 1)
        if not ends:
            raise RedisFailed("what was stored of the upload is gone")
        return ends / 1000

    async def forget(self, name: UploadName, size: int) -> None:
        """Remove what a failed `keep` may have left.  Raises ServerFailed."""
        of_owner, value, reserved = _keys(name)
        await self._redis.script(FORGET, [*of_owner, value, reserved], name.digest, size)

    async def find(self, name: UploadName) -> Found | None:
        """What is known of an upload; None if there is none.  Raises ServerFailed."""
        (of_owner, _number), value, _reserved = _keys(name)
        size, ends = _numbers(await self._redis.script(FIND, [of_owner, value], name.digest), 2)
        return Found(size, ends / 1000) if size else None

    async def open(self, name: UploadName) -> tuple[Found, AsyncIterator[bytes]] | None:
        """As `find`, with its bytes in pieces.  Raises ServerFailed."""
        found = await self.find(name)
        return None if found is None else (found, self._pieces(name, found.size))

    async def remove(self, name: UploadName) -> bool:
        """Remove an upload; False if there is none.  Raises ServerFailed."""
        of_owner, value, reserved = _keys(name)
        (removed,) = _numbers(await self._redis.script(FORGET, [*of_owner, value, reserved], name.digest, -1), 1)
        return bool(removed)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.close()

    async def _pieces(self, name: UploadName, size: int) -> AsyncIterator[bytes]:
        _of_owner, value, _reserved = _keys(name)
        for at in range(0, size, PIECE_BYTES):
            wanted = min(PIECE_BYTES, size - at)
            piece = await self._redis.call("GETRANGE", value, at, at + wanted - 1)
            if not isinstance(piece, bytes):
                raise RedisFailed(f"the server answers {str(piece)[:80]!r} in place of a piece")
            yield piece
            if len(piece) < wanted:
                return


def _keys(name: UploadName) -> tuple[list[bytes], bytes, bytes]:
    """The set and the number of the owner, the value of the upload, and its value while it comes in pieces."""
    owner, one = f"{PREFIX}{name.owner}:", f"{PREFIX}{name.owner}:{name.digest}"
    return [f"{owner}uploads".encode(), f"{owner}bytes".encode()], one.encode(), f"{one}:new".encode()


def _numbers(answer: Any, count: int) -> Sequence[int]:
    """The answer of a script, if it is one.  Raises RedisFailed."""
    if not (isinstance(answer, list) and len(answer) == count and all(type(each) is int for each in answer)):
        raise RedisFailed(f"the answer is not that of the script: {answer!r:.60}")
    return answer
