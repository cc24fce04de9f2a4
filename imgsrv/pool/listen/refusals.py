"""Why an address cannot be had, in words that tell the operator what to change."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from socket import AI_PASSIVE, SOCK_STREAM, getaddrinfo

from imgsrv.errors import CannotListen


@dataclass(frozen=True, slots=True)
class Wish:
    """An address that an operator asks for, and what to do if it cannot be had.

    text: as messages name it.  setting: the flag of the host.  if_taken, if_low: advice where another process listens
    there, and where the port needs privileges.
    """

    text: str
    setting: str
    if_taken: str
    if_low: str

    def resolve(self, host: str, port: int) -> tuple[int, tuple[object, ...]]:
        """The family and address to bind.  Raises CannotListen."""
        try:
            family, _kind, _protocol, _name, address = getaddrinfo(host, port, type=SOCK_STREAM, flags=AI_PASSIVE)[0]
        except (OSError, UnicodeError) as error:
            reason = f"{host} is no address of this machine ({error}); choose one with {self.setting}"
            raise CannotListen(self.text, reason) from error
        return family, address

    def refused(self, error: OSError) -> CannotListen:
        """The error for one of the kernel."""
        reasons = {
            errno.EADDRINUSE: f"another process already listens there; {self.if_taken}",
            errno.EACCES: f"ports below 1024 need privileges; {self.if_low}",
            errno.EMFILE: "the master may open no more files; raise the limit (ulimit -n) or have fewer workers",
            errno.EADDRNOTAVAIL: f"no interface of this machine has that address; choose another {self.setting}",
        }
        return CannotListen(self.text, reasons.get(error.errno or 0, str(error)), error.errno == errno.EADDRINUSE)
