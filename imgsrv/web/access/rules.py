"""The rules of who may ask, read from the settings and the files that they name, before the workers are forked."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from imgsrv.environment import flag_name
from imgsrv.errors import BadSetting
from imgsrv.settings import Settings
from imgsrv.settings_checks import UNIX_PREFIX, split
from imgsrv.trusted_paths import weakness
from imgsrv.web.access.cors import Cors
from imgsrv.web.access.keys import BadKeyLine, Key, Keys, parse_keys
from imgsrv.web.access.presets import BadPreset, Presets
from imgsrv.web.access.rates import Limit, parse_limit
from imgsrv.web.access.signatures import BadSecretLine, Secrets, parse_secrets

Read = TypeVar("Read")

LARGEST_FILE = 64 << 20
"""Bytes of a file of keys or secrets."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of requests and of engine seconds, for each client network and each API key; None for no limit."""

    client: Limit | None = None
    client_work: Limit | None = None
    key: Limit | None = None
    key_work: Limit | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may ask for what, and how often.  keys, secrets: None where the settings name no file."""

    keys: Keys | None = None
    secrets: Secrets | None = None
    presets: Presets = field(default_factory=lambda: Presets({}))
    cors: Cors = field(default_factory=lambda: Cors((), 0))
    limits: Limits = field(default_factory=Limits)
    has_limits: bool = False

    @property
    def asks_who(self) -> bool:
        """Not everybody may ask."""
        return self.keys is not None or self.secrets is not None

    @property
    def is_open(self) -> bool:
        """Anybody may ask for anything."""
        return not self.asks_who and not self.presets.only


MAKERS = {
    "keys_file": "`imgsrv keys add NAME --file {}` makes one",
    "secrets_file": "`imgsrv sign --new-secret NAME >> {}` makes one",
}
"""How the file of a setting comes to be."""


def read_rules(settings: Settings) -> Rules:
    """The rules.  Raises BadSetting for the first fault, with the line of the file."""
    presets = _presets(settings)
    keys = _keys(settings, presets)
    limits = Limits(*(_limit(settings, name) for name in ("client_limit", "client_work", "key_limit", "key_work")))
    _check_use(settings)
    return Rules(
        keys=None if keys is None else Keys(keys),
        secrets=_secrets(settings),
        presets=presets,
        cors=Cors(split(settings.cors_origins), settings.cors_max_age_s),
        limits=limits,
        has_limits=limits != Limits() or any(key.limit or key.work for key in keys or ()),
    )


def faults_of(settings: Settings) -> Iterator[BadSetting]:
    """The first fault of the rules, if there is one."""
    try:
        read_rules(settings)
    except BadSetting as error:
        yield error


def listens_beyond_loopback(host: str) -> bool:
    """True for an address that other machines can reach.  host: as the setting has it."""
    if host.startswith(UNIX_PREFIX) or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return True


def _presets(settings: Settings) -> Presets:
    try:
        presets = Presets(settings.presets, only=settings.presets_only)
    except BadPreset as error:
        raise BadSetting(flag_name("presets"), str(error)) from None
    if settings.presets_only and not presets:
        raise BadSetting(flag_name("presets_only"), "there are no presets (--presets), so every picture is refused")
    return presets


def _check_use(settings: Settings) -> None:
    """Raise BadSetting for a setting that does nothing without another one."""
    for name in ("key_limit", "key_work"):
        if getattr(settings, name) and not settings.keys_file:
            reason = "it holds for API keys, and there are none: name their file (--keys-file), or use --client-limit"
            raise BadSetting(f"{flag_name(name)}={getattr(settings, name)}", reason)
    if settings.cache_posts and not (settings.cache_dir or settings.cache_url):
        raise BadSetting(flag_name("cache_posts"), "there is no cache to keep results in: name one with --cache-dir")
    if settings.uploads and settings.uploads_dir:
        reason = "uploads lie in a folder or in a store, and --uploads names a store; leave one of the two out"
        raise BadSetting(f"{flag_name('uploads_dir')}={settings.uploads_dir}", reason)


def _keys(settings: Settings, presets: Presets) -> list[Key] | None:
    if not settings.keys_file:
        return None
    keys = _read(settings.keys_file, "keys_file", parse_keys)
    for key in keys:
        if unknown := next((name for name in key.presets or () if name not in presets), None):
            reason = f"the key {key.name} may ask for the preset {unknown!r}, which --presets does not have"
            raise BadSetting(f"{flag_name('keys_file')}={settings.keys_file}", reason)
    return keys


def _secrets(settings: Settings) -> Secrets | None:
    if not settings.secrets_file:
        return None
    return Secrets(_read(settings.secrets_file, "secrets_file", parse_secrets))


def _read(name: str, setting: str, parse: Callable[[str], Read]) -> Read:
    """A file with its lines parsed.  Raises BadSetting."""
    path, given = Path(name), f"{flag_name(setting)}={name}"
    try:
        if (fault := weakness(path)) is not None:
            raise BadSetting(given, f"root does not read it: {fault}")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise BadSetting(given, f"it has more than {LARGEST_FILE >> 20} MiB")
        return parse(data.decode())
    except FileNotFoundError:
        raise BadSetting(given, f"there is no such file; {MAKERS[setting].format(name)}") from None
    except OSError as error:
        raise BadSetting(given, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise BadSetting(given, "it is no text in UTF-8") from None
    except (BadKeyLine, BadSecretLine) as error:
        raise BadSetting(given, str(error)) from None


def _limit(settings: Settings, name: str) -> Limit | None:
    if not (text := getattr(settings, name)):
        return None
    try:
        return parse_limit(text)
    except ValueError as error:
        raise BadSetting(f"{flag_name(name)}={text}", str(error)) from None
