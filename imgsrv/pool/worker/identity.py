"""The user and group of the workers, for which root gives up its rights.

The master stays root, as that of nginx does: it runs no image code and serves no client, and it has to bind further
sockets when the pool grows.
"""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass

from imgsrv.errors import BadArgument


@dataclass(frozen=True, slots=True)
class Identity:
    """A user and a group by their numbers, -1 for none.  name: of the user, for its supplementary groups."""

    name: str = ""
    user: int = -1
    group: int = -1

    def take(self) -> None:
        """Become this user and group for good; the first act of a worker.  Raises BadArgument if root may not."""
        try:
            self._take()
        except PermissionError as error:
            raise BadArgument(
                "root itself may not become another user or group here: grant CAP_SETUID and CAP_SETGID, "
                "or leave out --user and --group"
            ) from error

    def _take(self) -> None:
        if self.group >= 0:
            if self.name:
                os.initgroups(self.name, self.group)
            else:
                os.setgroups([self.group])
            os.setresgid(self.group, self.group, self.group)
        if self.user >= 0:
            os.setresuid(self.user, self.user, self.user)


def identity(user: str, group: str) -> Identity:
    """Look up names that exist; empty for none.  Raises BadArgument if this process may not become them."""
    if not user and not group:
        return Identity()
    wanted = Identity(
        user,
        pwd.getpwnam(user).pw_uid if user else -1,
        grp.getgrnam(group).gr_gid if group else pwd.getpwnam(user).pw_gid,
    )
    if os.geteuid() == 0:
        return wanted
    if wanted.user in (-1, os.geteuid()) and wanted.group == os.getegid():
        return Identity()  # this process is already that user and group
    raise BadArgument(
        f"only root can become another user or group, and this is {_name(os.geteuid())}: "
        "start it as root, or leave out --user and --group"
    )


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
