"""The part of the API's description about who may ask: keys, signed URLs, presets and limits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

Json = dict[str, Any]

SCHEMES: Mapping[str, Json] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, where the server has keys."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key, in another header."},
    "signature": {
        "type": "apiKey",
        "in": "query",
        "name": "signature",
        "description": "The last parameter of a signed URL, where the server has secrets: HMAC-SHA256 of the method "
        "and of the target up to it, in base64 for URLs; `signer` and perhaps `expires` stand before it.",
    },
}

SECURITY: list[Json] = [{}, *({name: []} for name in SCHEMES)]
"""Each of the schemes is enough, and a server without keys and secrets wants none."""


def preset_parameter(presets: Collection[str]) -> list[Json]:
    """The parameter of /pipeline; none if the server has no preset."""
    if not presets:
        return []
    return [
        {
            "name": "preset",
            "in": "query",
            "required": False,
            "description": "Presets of the server, one after another.  Steps of `ops` follow theirs, and other "
            "parameters replace theirs.",
            "schema": {"type": "array", "items": {"type": "string", "enum": list(presets)}, "minItems": 1},
            "style": "form",
            "explode": False,
        }
    ]
