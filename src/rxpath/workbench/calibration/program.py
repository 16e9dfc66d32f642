"""The C program of c/, compiled when it is needed, and the two network namespaces that it runs in.

    with Program() as program, Pair(program) as pair:
        pair.sender.run("costs", "network", ...)

Nothing has a name and nothing lasts: a namespace lives as long as the process that holds it (`hold`), and that ends with us, whatever ends
us, its standard input being a pipe of ours.  Without root the namespaces are those of a user namespace."""
from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rxpath.workbench.calibration.experiments import rules_text
from rxpath.workbench.judge.kernel.netns import tool
from rxpath.workbench.words.mistakes import BadInput

SOURCE = Path(__file__).parent / "c"
FLAGS = ("-O2", "-pthread")
LIMIT_S = 90                                                # of one call: its own alarm() is earlier
MAC_SENDER, MAC_RECEIVER, MAC_NOBODY = "02:00:00:00:77:01", "02:00:00:00:77:02", "02:00:00:00:77:99"
SENDER, RECEIVER, NOBODY = "10.77.0.1", "10.77.0.2", "10.77.0.9"
SENDS, RECEIVES = "rxm0", "rxm1"                            # the ends of the veth


class NoNamespaces(BadInput):
    """They are not allowed here; the message says what is missing."""


class Program:
    """The program in a folder of its own, which goes with it.  folder: for files of whoever uses it."""

    def __init__(self) -> None:
        compiler = next((found for name in (os.environ.get("CC"), "cc", "gcc", "clang") if name and (found := shutil.which(name))), None)
        if compiler is None:
            raise BadInput("a C compiler is needed to measure calls: apt-get install gcc libc6-dev")
        self._folder = tempfile.TemporaryDirectory(prefix="rxpath-")
        self.folder = Path(self._folder.name)
        self.path = self.folder / "measure"
        sources = sorted(map(str, SOURCE.glob("*.c")))
        done = subprocess.run([compiler, *FLAGS, "-o", str(self.path), *sources], capture_output=True, text=True, check=False)
        if done.returncode == -signal.SIGINT:               # the terminal's Ctrl-C, of which we have taken note
            self.close()
            raise KeyboardInterrupt
        if done.returncode:
            self.close()
            said = next((line for line in done.stderr.splitlines() if "error" in line), f"exit status {done.returncode}")
            raise BadInput(f"{compiler} does not compile the program that measures: {said.strip()}")

    def command(self, *arguments: object) -> list[str]:
        return [str(self.path), *map(str, arguments)]

    def run(self, *arguments: object) -> str:
        """stdout of one call in our own namespaces."""
        return run(self.command(*arguments))

    def close(self) -> None:
        self._folder.cleanup()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def run(command: list[str], text: str = "") -> str:
    """stdout; what it complained of is a BadInput.  It is gone when this returns, however."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)      # a Ctrl-C of the terminal is ours alone: what runs is finished first
    try:
        out, said = process.communicate(text, timeout=LIMIT_S)
    except BaseException as error:
        process.kill()
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise BadInput(f"{_shown(command)}: not done after {LIMIT_S} s") from None
        raise
    if process.returncode:
        lines = said.strip().splitlines()
        raise BadInput(f"{_shown(command)}: {lines[0] if lines else f'exit status {process.returncode}'}")
    return out


def _shown(command: list[str]) -> str:
    """What was run, without how it got into its namespace."""
    words = command[3:] if command[1:2] == ["in"] else command
    words = words[1:] if words[:1] == ["sys"] else words
    return " ".join([Path(words[0]).name, *words[1:4]])


def lines(out: str) -> Iterator[dict[str, Any]]:
    """The program's JSON lines."""
    for line in out.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


class Space:
    """A network namespace, held by a process."""

    def __init__(self, program: Program, inside: Space | None = None) -> None:
        self.program = program
        command = program.command("hold")
        self.process = subprocess.Popen(inside.command(*command) if inside is not None else command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        assert self.process.stdout is not None and self.process.stderr is not None
        if self.process.stdout.readline() != "ready\n":
            said = self.process.stderr.read().strip()
            if said.startswith("unshare") and os.strerror(errno.ENOSPC) in said:
                said = "unshare: as many as sysctl user.max_net_namespaces and user.max_user_namespaces allow"
            self.close()
            raise NoNamespaces(f"network namespaces are not allowed here ({said or 'no answer'})")
        self.pid = self.process.pid

    def command(self, *arguments: object, sys: bool = False) -> list[str]:
        """That command in this namespace."""
        return self.program.command("in", self.pid, *(("sys",) if sys else ()), *arguments)

    def run(self, *arguments: object, text: str = "", sys: bool = False) -> str:
        """A program of the machine in this namespace."""
        return run(self.command(*arguments, sys=sys), text)

    def measure(self, *arguments: object) -> str:
        """Our program in this namespace."""
        return self.run(*self.program.command(*arguments))

    def ip(self, *commands: str) -> None:
        self.run(tool("ip"), "-batch", "-", text="\n".join(commands) + "\n")

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Pair:
    """sender and receiver, joined by a veth, with addresses and fixed neighbours, without IPv6."""

    def __init__(self, program: Program) -> None:
        ip = tool("ip")
        self.sender = Space(program)
        try:
            self.receiver = Space(program, self.sender)
        except BaseException:
            self.sender.close()
            raise
        try:
            try:
                self.sender.run(ip, *(f"link add {SENDS} address {MAC_SENDER} type veth peer name {RECEIVES} address {MAC_RECEIVER} "
                                      f"netns {self.receiver.pid}").split())
            except BadInput as error:
                raise NoNamespaces(f"no veth can be made in a namespace ({error})") from None
            for space, device, own, peer, mac in ((self.sender, SENDS, SENDER, RECEIVER, MAC_RECEIVER),
                                                  (self.receiver, RECEIVES, RECEIVER, SENDER, MAC_SENDER)):
                space.run("sh", "-c", "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do [ ! -e $f ] || echo 1 > $f; done")
                space.ip(f"addr add {own}/24 dev {device}", "link set lo up", f"link set {device} up",
                         f"neigh replace {peer} lladdr {mac} dev {device} nud permanent")
            self.sender.ip(f"neigh replace {NOBODY} lladdr {MAC_NOBODY} dev {SENDS} nud permanent")
        except BaseException:
            self.close()
            raise

    def rps(self, cpus: int) -> None:
        """The mask of the receiver's RPS; BadInput where it cannot be written."""
        text = f"{cpus:x}"
        groups = [text[max(0, end - 8):end] for end in range(len(text), 0, -8)][::-1]           # 32 bits each, with commas
        try:
            self.receiver.run("sh", "-c", f"echo {','.join(groups)} > /sys/class/net/{RECEIVES}/queues/rx-0/rps_cpus", sys=True)
        except BadInput:
            raise BadInput("rps_cpus cannot be written: the kernel wants root of the whole machine for that") from None

    def rules(self, count: int) -> None:
        """So many rules in the receiver's INPUT that nothing fits; 0: none."""
        lock = f"XTABLES_LOCKFILE={self.receiver.program.folder / 'xtables.lock'}"                # the machine's is root's
        self.receiver.run("env", lock, tool("iptables-legacy-restore"), text=rules_text(count))

    def close(self) -> None:
        self.receiver.close()
        self.sender.close()

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
