"""`rxpath run`: an unmodified Python program whose sockets are those of a live host.

The program is started as it stands; startup/sitecustomize.py brings the host up inside its process, which is where its sockets are."""
from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from rxpath.abi.limits import NQ
from rxpath.backends.tap import NAME_MOST
from rxpath.workbench.live.lab import interface
from rxpath.workbench.words.mistakes import BadInput

STARTUP = Path(__file__).parent / "startup"
NO_STARTUP = {"-I": "isolated", "-E": "without PYTHONPATH", "-S": "without site"}


def run(dev: str, addr: str, peer: str | None, gateway: str | None, backend: str, queues: int, kernel: str, stats: bool,
        command: list[str]) -> None:
    """Becomes the program; BadInput before that."""
    ours = interface("--addr", addr)
    if peer is not None:
        theirs = interface("--peer", peer if "/" in peer else f"{peer}/{ours.network.prefixlen}")
        if theirs.network != ours.network or theirs.ip == ours.ip:
            raise BadInput(f"--peer {peer}: another address of {ours.network}")
        peer = str(theirs)
    if gateway is not None and interface("--gateway", f"{gateway}/{ours.network.prefixlen}").network != ours.network:
        raise BadInput(f"--gateway {gateway}: not in {ours.network}")
    if not 0 < len(dev.encode()) <= NAME_MOST or "/" in dev:
        raise BadInput(f"--dev {dev}: an interface's name has 1 to {NAME_MOST} characters")
    if not 1 <= queues <= NQ:
        raise BadInput(f"--queues {queues}: 1 to {NQ}")
    program = python_of(command)
    settings = {"dev": dev, "addr": addr, "peer": peer, "gateway": gateway, "backend": backend, "queues": queues, "kernel": kernel,
                "stats": stats}
    environment = {**os.environ, "RXPATH_RUN": json.dumps(settings), "RXPATH_RUN_ROOT": str(STARTUP.parents[3]),
                   "PYTHONPATH": os.pathsep.join([str(STARTUP), *filter(None, [os.environ.get("PYTHONPATH")])])}
    os.execve(program, command, environment)


def python_of(command: list[str]) -> str:
    """Where the Python of that command is.  BadInput: it is none, or one that would not read our start-up file."""
    if not command:
        raise BadInput("a program after --: rxpath run --dev tap0 --addr 10.9.0.2/24 -- python server.py")
    program = shutil.which(command[0])
    if program is None:
        raise BadInput(f"{command[0]}: no such program")
    if not Path(command[0]).name.startswith(("python", "pypy")) and not python_script(program):
        raise BadInput(f"{command[0]}: only sockets of Python programs can be replaced: -- python server.py")
    for word in command[1:]:
        if not word.startswith("-") or word in ("-c", "-m", "-"):
            break
        for flag, what in NO_STARTUP.items():
            if not word.startswith("--") and flag[1] in word[1:]:
                raise BadInput(f"{' '.join(command[:2])}: Python is {what} ({flag}), and its sockets could not be replaced")
    return program


def python_script(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            first = file.readline(200)
    except OSError:
        return False
    return first.startswith(b"#!") and b"python" in first
