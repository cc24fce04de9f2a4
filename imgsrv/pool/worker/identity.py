"""Who the workers are: a user and a group that root gives its rights up for.

The master stays root, as nginx's does: it runs no image code and serves no client, and it has to bind a further socket
when the pool grows.
"""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass

from imgsrv.errors import BadArgument


@dataclass(frozen=True, slots=True)
class Identity:
    """A user and a group by their numbers, -1 for none; name: the user's, for the groups that it is in besides."""

    name: str = ""
    user: int = -1
    group: int = -1

    def take(self) -> None:
        """Become it, for good.  In a worker, before anything else.  Raises BadArgument where root may not."""
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
    """The identity of names that exist; empty for none.  Raises BadArgument where this process may not take it."""
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
        return Identity()  # it is what it is to become
    raise BadArgument(
        f"only root can become another user or group, and this is {_name(os.geteuid())}: "
        "start it as root, or leave out --user and --group"
    )


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
