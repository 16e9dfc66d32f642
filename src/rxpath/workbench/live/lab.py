"""`rxpath lab`: a live host beside a network namespace of its own, joined by a TAP, and the seeds' UDP program on it.

    namespace: tap0, the kernel's side (10.9.0.1/24)  <->  our host (10.9.0.2/24): ARP, ping, the program's socket

Nothing is made outside the namespace, and it goes with this process."""
from __future__ import annotations

import ipaddress
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

from rxpath import live
from rxpath import socket as live_socket
from rxpath.backends.face import BackendError
from rxpath.backends.tap import Tap, configure
from rxpath.examples import seed_program
from rxpath.workbench.live.namespace import enter, unshare
from rxpath.workbench.live.watch import Look, Watch
from rxpath.workbench.words.mistakes import BadInput

DEVICE, PORT = "tap0", 5000
QUIET = ("/proc/sys/net/ipv6/conf/tap0/disable_ipv6", "1")


class Ended(Exception):
    """number: the signal; SIGALRM: the time is up."""

    def __init__(self, number: int) -> None:
        self.number = number


class Lab:
    """The host, its TAP and the other side.  BadInput says what is missing."""

    def __init__(self, address: str, peer: str | None, kernel: str = "6.18") -> None:
        self.address, self.peer = addresses(address, peer)
        self.root = unshare()
        try:
            tap = Tap(DEVICE)
            try:
                with open(QUIET[0], "w") as file:
                    file.write(QUIET[1])
            except OSError:                          # a kernel without IPv6
                pass
            configure(tap.name, str(self.peer))
            configure("lo")
        except BackendError as error:
            raise BadInput(f"a TAP device: {error.strerror}") from None
        except OSError as error:
            raise BadInput(f"{DEVICE}: {error.strerror}") from None
        self.tap = tap
        self.host = live.Host(tap, str(self.address), str(self.peer.ip), kernel=kernel)
        live_socket.use(self.host)

    def what_to_type(self) -> str:
        before, ip = enter(self.root), self.address.ip
        return (f"rxpath is {ip} on {self.tap.name}, {self.peer.ip} is Linux. In another terminal:\n"
                f"  {before} ping {ip}\n"
                f"  {before} ping -s 20000 {ip}\n"
                f"  {before} nc -u {ip} {PORT}\n"
                f"  {before} tcpdump -ni {self.tap.name}\n"
                f"UDP port {PORT} is served by the program of the seeds. Ctrl-C ends it; nothing stays behind.")

    def serve(self, seconds: float | None) -> bool:
        """The program, until a signal comes (True) or the time is up."""
        end_by_signals(seconds)
        try:
            seed_program.program(live_socket)
        except Ended as end:
            return end.number != signal.SIGALRM
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return False

    def close(self) -> None:
        live_socket.use(None)
        self.host.close()


def addresses(address: str, peer: str | None) -> tuple[ipaddress.IPv4Interface, ipaddress.IPv4Interface]:
    """Ours and the other side's; the first other address of the network if none is given."""
    ours = interface("--addr", address)
    if peer is None:
        other = next((h for h in ours.network.hosts() if h != ours.ip), None)
        if other is None:
            raise BadInput(f"--addr {address}: no room for another host in {ours.network}")
        return ours, ipaddress.IPv4Interface(f"{other}/{ours.network.prefixlen}")
    theirs = interface("--peer", peer if "/" in peer else f"{peer}/{ours.network.prefixlen}")
    if theirs.ip == ours.ip or theirs.network != ours.network:
        raise BadInput(f"--peer {peer}: another address of {ours.network}")
    return ours, theirs


def interface(option: str, text: str) -> ipaddress.IPv4Interface:
    try:
        found = ipaddress.IPv4Interface(text)
    except ValueError:
        raise BadInput(f"{option} {text}: an IPv4 address with its prefix length, such as 10.9.0.2/24") from None
    if "/" not in text or found.network.prefixlen < 1:
        raise BadInput(f"{option} {text}: with a prefix length of 1 to 32, such as 10.9.0.2/24")
    if found.ip.is_multicast or found.ip.is_loopback or found.ip.is_unspecified or found.ip.is_reserved:
        raise BadInput(f"{option} {text}: no address that a host on a cable can have")
    if found.network.prefixlen < 31 and found.ip in (found.network.network_address, found.network.broadcast_address):
        raise BadInput(f"{option} {text}: that is the network's own address, or its broadcast address")
    return found


def end_by_signals(seconds: float | None) -> None:
    """SIGINT, SIGTERM and SIGHUP end what runs in the main thread, and so does the time."""
    def end(number: int, frame: FrameType | None) -> None:
        raise Ended(number)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, end)
        if seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, seconds)


class ShowsLooks(Protocol):
    """What views/live.py has of this."""

    def show(self, look: Look) -> None: ...

    def __enter__(self) -> Any: ...

    def __exit__(self, *_: Any) -> None: ...


def watched(lab: Lab, seconds: float | None, view: ShowsLooks) -> bool:
    """Served in view of the user."""
    with view:
        watch = Watch(lab.host, view.show)
        watch.start()
        try:
            return lab.serve(seconds)
        finally:
            watch.close()


def lab(address: str, peer: str | None, kernel: str, seconds: float | None, done: Callable[[live.Host], None],
        view: ShowsLooks | None = None) -> bool:
    """The whole command.  done: what is said at the end, while the host is still there.  view: what is shown meanwhile.  True: a signal
    ended it."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    made = Lab(address, peer, kernel)
    try:
        print(made.what_to_type(), file=sys.stderr, flush=True)
        interrupted = made.serve(seconds) if view is None else watched(made, seconds, view)
        done(made.host)
        return interrupted
    finally:
        made.close()
