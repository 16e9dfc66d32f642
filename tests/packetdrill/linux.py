"""Our own scripts on the kernel that runs here, in real time: the judge of what they expect.  As root:
python -m tests.packetdrill.linux FILE...

Two network namespaces and a veth pair, gone when it ends; the peer's kernel has no address and hears nothing."""
import ctypes
import os
import select
import socket
import subprocess
import sys
import threading
import time

from rxpath.workbench.packetdrill import host, parse, play, shell, tcp_info, wire
from rxpath.workbench.packetdrill.calls import Calls

US, PEER = "rx_drill_us", "rx_drill_peer"
LIBC = ctypes.CDLL(None, use_errno=True)
NS = 1_000_000_000


def sh(*commands):
    for c in commands:
        subprocess.run(c.split(), check=True)


def enter(name):
    with open(f"/var/run/netns/{name}") as f:
        assert LIBC.setns(f.fileno(), 0) == 0


class Modules:
    """socket and select under one name, as a simulated program sees them."""
    socket, poll, epoll = staticmethod(socket.socket), select.poll, select.epoll


class WithIoctl(Calls):
    def fd(self, e):
        return Socket(super().fd(e))


class Socket:
    """What the calls ask of a socket beyond the standard library's."""

    def __init__(self, s):
        self.s = s

    def __getattr__(self, name):
        return getattr(self.s, name)

    def ioctl(self, request, arg=0):
        import fcntl
        return int.from_bytes(fcntl.ioctl(self.s, request, bytes(4)), "little")


class OnLinux(play.Player):
    """The same events, against a kernel: time is real, calls are made in threads of this namespace."""

    def __init__(self, script):
        super().__init__(script, None)
        self.calls = WithIoctl(self.ends.local, self.ends.remote)
        self.tolerance = max(self.tolerance, 12_000_000)

    @property
    def now(self):
        return time.monotonic_ns() - self.zero + play.START_NS

    def play(self):
        self.raw = None
        try:
            sh(f"ip netns add {US}", f"ip netns add {PEER}", f"ip link add e0 netns {US} type veth peer name e0 netns {PEER}",
               f"ip -n {US} link set e0 address {host.LOCAL_MAC}", f"ip -n {US} addr add {host.LOCAL}/{host.PREFIX} dev e0",
               f"ip -n {PEER} link set e0 arp off", f"ip -n {US} link set e0 up", f"ip -n {PEER} link set e0 up",
               f"ip -n {US} neigh add {host.LOCAL[:-1]}254 lladdr {host.REMOTE_MAC} dev e0 nud permanent",
               f"ip -n {US} route add default via {host.LOCAL[:-1]}254 dev e0")
            self._sysctls({"net.ipv4.tcp_no_metrics_save": "1"})
            time.sleep(0.3)
            enter(PEER)
            self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.raw.bind(("e0", 0))
            enter(US)
            return self._play()
        finally:
            if self.raw:
                self.raw.close()
            for name in (US, PEER):
                subprocess.run(["ip", "netns", "del", name], check=False)

    def _play(self):
        try:
            if self.script.init is not None:
                self._sysctls(shell.settings(self.script.init[1], self.folder, []))
            self.zero = time.monotonic_ns()
            for event in self.script.events:
                self.line = event.line
                self._event(event)
                self.base = max(self.base, self.now)     # what this takes on a busy machine does not add up
            self._await()
        except (play.Missing, play.Differs) as e:
            self.result.line, self.result.what = self.line, str(e)
        return self.result

    def _sysctls(self, texts):
        for name, text in texts.items():
            subprocess.run(["ip", "netns", "exec", US, "sysctl", "-q", f"{name}={text}"], check=False, stderr=subprocess.DEVNULL)

    # ------------------------------------------------------------ what a simulation does
    def _collect(self):
        while select.select([self.raw], [], [], 0)[0]:
            data, where = self.raw.recvfrom(65536)
            seen = wire.frame_in(self.now, data) if where[2] != socket.PACKET_OUTGOING else None
            if seen is not None:
                self.left.append(seen)

    def _until(self, t):
        while self.now < t:
            select.select([self.raw], [], [], max(min((t - self.now) / NS, 0.05), 0))
            self._collect()
            if self.now < t and t - self.now < 1_000_000:
                time.sleep(max((t - self.now) / NS, 0))
        self._collect()

    def _wait(self, limit, done):
        while not done() and self.now < limit:
            select.select([self.raw], [], [], 0.0005)
            self._collect()

    def _send(self, frame):
        self.raw.send(frame)
        time.sleep(0.0005)
        self._collect()

    def _start(self, function):
        threading.Thread(target=function, args=(Modules(),), daemon=True).start()

    def _clock(self, s):
        return self.now

    def _names(self):
        return tcp_info.names(self.calls.newest)

    def _shell(self, text):
        self._sysctls(shell.settings(text, self.folder, []))


def main():
    bad = 0
    for name in sys.argv[1:]:
        got = OnLinux(parse.read(name)).play()
        bad += not got.passed
        print("passed" if got.passed else f"DIFFERS {got.line}: {got.what}", os.path.basename(name), flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(main())
