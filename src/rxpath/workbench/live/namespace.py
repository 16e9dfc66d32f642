"""A network namespace of this process alone: it has no name, so that the kernel takes it and its devices away when the process ends,
however it ends.  Others enter it by the process's number (nsenter)."""
from __future__ import annotations

import ctypes
import errno
import os

from rxpath.workbench.words.mistakes import BadInput

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
WHY = {errno.EPERM: "this kernel lets only root make network namespaces (sudo rxpath lab)",
       errno.ENOSPC: "there are as many namespaces as sysctl user.max_net_namespaces allows",
       errno.EINVAL: "this kernel has no network namespaces",
       errno.EUSERS: "namespaces are nested too deeply"}


def unshare() -> bool:
    """This thread, and those that it starts, are in a new network namespace.  Not root: in a new user namespace, too, in which it is root.
    Was it root?  BadInput says what is missing."""
    uid, gid, root = os.getuid(), os.getgid(), os.geteuid() == 0
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET | (0 if root else CLONE_NEWUSER)):
        number = ctypes.get_errno()
        raise BadInput(f"a network namespace of its own: {WHY.get(number, os.strerror(number))}")
    if not root:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    return root


def enter(root: bool, pid: int | None = None) -> str:
    """The words before a command that is to run in there."""
    pid = os.getpid() if pid is None else pid
    return f"sudo nsenter -t {pid} -n" if root else f"nsenter -t {pid} -U --preserve-credentials -n"
