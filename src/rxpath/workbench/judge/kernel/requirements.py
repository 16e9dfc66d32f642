"""What the judge needs of a machine, looked at before anything is changed: each thing that is missing is one line with what mends it.

Whatever changes something - a namespace, a veth, rules - is tried in a child, in a namespace of its own that goes with it."""
from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

from rxpath.workbench.judge.kernel import tracing
from rxpath.workbench.judge.kernel.netns import CLONE_NEWNET, PACKAGES, libc
from rxpath.workbench.judge.kernel.undo import STATE, TRACEFS

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
RULES = "*filter\n-A INPUT -p udp -m udp --dport 9 -j DROP\nCOMMIT\n"


def missing(rules: bool = True) -> list[str]:
    """In the order in which it is mended; none: everything is there.  rules: cases with iptables rules will be judged."""
    if os.uname().sysname != "Linux":
        return [f"this is {os.uname().sysname}: only Linux can be asked"]
    if os.geteuid() != 0:
        return ["not root: sudo rxpath judge"]
    found = [*_tracing(), *_tools(rules)]
    if not found:
        found = _namespaces(rules)
    return found + _state()


def _tracing() -> list[str]:
    if not (TRACEFS / "events").is_dir():
        return [f"no tracefs at {TRACEFS}: mount -t tracefs none {TRACEFS}"]
    found = [f"the kernel has no tracepoint {event.replace('/', ':')}: one with CONFIG_TRACEPOINTS and CONFIG_EVENT_TRACING is needed"
             for event in tracing.EVENTS if not (TRACEFS / "events" / event / "format").exists()]
    if not os.access(TRACEFS / "instances", os.W_OK):
        found.append(f"{TRACEFS}/instances cannot be written: leave the container, or the kernel's lockdown mode")
    addresses, _ = tracing.symbols()
    if not addresses or addresses[-1] == 0:
        found.append("addresses of functions are hidden: sysctl -w kernel.kptr_restrict=1")
    return found


def _tools(rules: bool) -> list[str]:
    return [f"{name} is not installed: apt-get install {PACKAGES[name]}" for name in ("ip", "iptables-legacy-restore")
            if (name == "ip" or rules) and shutil.which(name, path=PATH) is None]


def _namespaces(rules: bool) -> list[str]:
    """Tried: a namespace, a veth in it, rules in it."""
    if _in_child(lambda: ""):
        return ["network namespaces are not allowed here: a container needs CAP_SYS_ADMIN, the kernel CONFIG_NET_NS"]
    found = []
    if said := _in_child(lambda: _run("ip link add rxjtry0 type veth peer name rxjtry1".split())):
        found.append(f"no veth can be made ({said}): modprobe veth")
    if rules and (said := _in_child(lambda: _run(["iptables-legacy-restore"], RULES))):
        found.append(f"iptables' legacy tables do not work ({said}): modprobe iptable_filter, or a kernel with "
                     "CONFIG_IP_NF_IPTABLES_LEGACY; the other backend, iptables-nft, has hooks of its own")
    return found


def _state() -> list[str]:
    try:
        STATE.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return [f"{STATE} cannot be made ({error.strerror}): what is changed is written down there first"]
    return [] if os.access(STATE, os.W_OK) else [f"{STATE} cannot be written: what is changed is written down there first"]


def _run(arguments: list[str], text: str = "") -> str:
    """What a program complained of, "" if it did not."""
    program = shutil.which(arguments[0], path=PATH) or arguments[0]
    done = subprocess.run([program, *arguments[1:]], input=text, capture_output=True, text=True, timeout=30, check=False)
    said = (done.stderr or done.stdout).strip().splitlines()
    return "" if done.returncode == 0 else (said[0] if said else f"exit status {done.returncode}")


def _in_child(attempt: Callable[[], str]) -> str:
    """The attempt in a network namespace of its own; what it says, through a pipe."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = "unshare"
        try:
            if libc.unshare(CLONE_NEWNET) == 0:
                said = attempt()
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        finally:
            os.write(into, said.encode()[:4000])
            os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as file:
        said = file.read().decode(errors="replace")
    os.waitpid(pid, 0)
    return said

