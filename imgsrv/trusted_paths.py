"""Paths that a server started as root may follow, because no other user can lead it elsewhere.

Another user who may write to a folder can put a link, a pipe or a file of somebody else in the place of a name there.
Root would follow the link, wait for the pipe, or give the file away.  So root reads code and configuration only where
nobody else can write (`weakness`), and works in folders of other users without following links (`steady`, `open_here`).
For a server of another user nothing here is stricter than the kernel.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

ROOT = 0

MOST_LINKS = 40
"""As many as the kernel follows in one path."""


def weakness(path: Path) -> str | None:
    """Say which part of a path others may write to or replace, and what to change; None if root may believe it.

    Always None if this process is not root.  If the path holds, nobody else can change it before it is used either.
    Raises OSError if the path is broken; the last part may be missing.
    """
    if os.geteuid() != ROOT:
        return None
    real = Path("/")
    for folder, real in _steps(path):
        try:
            entry = real.lstat()
        except FileNotFoundError:
            return None if _is_guarded(folder.lstat(), None) else _described(folder)
        if not _is_guarded(folder.lstat(), entry):
            return _described(folder)
    return _described(real) if _others_may_write(real.lstat()) else None


def real_path(path: Path) -> Path:
    """Return the path without links; the last part may be missing.

    Raises OSError for a link in a folder that others may write to, if this process is root.
    """
    if os.geteuid() != ROOT:
        return Path(os.path.realpath(path))
    real = Path("/")
    for folder, real in _steps(path):
        if real.is_symlink() and not _is_guarded(folder.lstat(), real.lstat()):
            raise OSError(errno.ELOOP, f"{real} is a symbolic link in a folder that others may write to")
    return real


@contextlib.contextmanager
def steady(folder: Path) -> Iterator[Path]:
    """Give a path to a folder that stays the same folder while the block runs, whatever others rename.

    Raises OSError if there is no such folder, or if root would have to follow a link of another user.
    """
    if os.geteuid() != ROOT:
        yield folder
        return
    descriptor = _opened_folder(real_path(folder))
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def open_here(path: Path, flags: int, mode: int) -> tuple[int, bool]:
    """Open a file for writing, and make it if it is missing; return its descriptor and whether it is this process's.

    It is this process's if it was made now, or if nobody else can put a file into its folder.  Never waits for a pipe,
    and follows no link in the last part.  If others can write to the folder, root gets plain files with one name only:
    a second name may be that of somebody else's file.  Raises OSError.
    """
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with steady(path.parent) as folder:
        is_guarded = os.geteuid() != ROOT or _is_guarded(folder.stat(), None)
        for _ in range(MOST_LINKS):
            with contextlib.suppress(FileExistsError):
                return os.open(folder / path.name, flags | os.O_CREAT | os.O_EXCL, mode), True
            with contextlib.suppress(FileNotFoundError):
                descriptor = os.open(folder / path.name, flags)
                found = os.fstat(descriptor)
                if is_guarded or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1):
                    return descriptor, is_guarded
                os.close(descriptor)
                reason = "it is no plain file with one name, and others may write to its folder"
                raise OSError(errno.EPERM, reason)
    raise OSError(errno.EAGAIN, "it was removed after each attempt to open it")


def _steps(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each part of a path below its folder, links and their targets too.  Raises OSError."""
    here, todo, links = Path("/"), list(path.absolute().parts[1:]), 0
    while todo:
        name = todo.pop(0)
        if name == "..":
            here = here.parent
            continue
        yield here, here / name
        if (here / name).is_symlink():
            links += 1
            if links > MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = (here / name).readlink()
            here = Path("/") if target.is_absolute() else here
            todo = [*(part for part in target.parts if part != "/"), *todo]
        else:
            here /= name
            if todo and not here.is_dir():
                code = errno.ENOTDIR if here.exists() else errno.ENOENT
                raise OSError(code, os.strerror(code), str(here))


def _opened_folder(path: Path) -> int:
    """Open a folder, following no link at all.  Raises OSError."""
    descriptor = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in path.parts[1:]:
        try:
            below = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def _is_guarded(folder: os.stat_result, entry: os.stat_result | None) -> bool:
    """Return whether nobody but root can replace an entry of a folder, or make it if there is none.

    In a folder with the sticky bit, such as /tmp, a file can be replaced only by its owner.
    """
    is_sticky = bool(folder.st_mode & stat.S_ISVTX) and folder.st_uid == ROOT
    return not _others_may_write(folder) or (is_sticky and entry is not None and entry.st_uid == ROOT)


def _others_may_write(found: os.stat_result) -> bool:
    is_of_group = bool(found.st_mode & stat.S_IWGRP) and found.st_gid != ROOT
    return found.st_uid != ROOT or bool(found.st_mode & stat.S_IWOTH) or is_of_group


def _described(path: Path) -> str:
    found = path.lstat()
    if found.st_uid != ROOT:
        return f"{path} belongs to {_name(found.st_uid)} and root believes only what is its own: chown root {path}"
    return f"others may write to {path} (mode {stat.S_IMODE(found.st_mode):04o}): chmod go-w {path}"


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
