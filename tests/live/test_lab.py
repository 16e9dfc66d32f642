"""`rxpath lab` as a user has it: another terminal's commands are a child in its namespace."""
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from .namespaces import CLONE_NEWNET, OURS, Side, libc, needs_root, until

pytestmark = needs_root


class Running:
    """The command, and the namespace that it names."""

    def __init__(self, *more):
        self.process = subprocess.Popen([sys.executable, "-m", "rxpath.workbench.cli", "lab", *more], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.said = self.process.stderr.readline()
        while "Ctrl-C" not in self.said:
            line = self.process.stderr.readline()
            assert line, self.said
            self.said += line
        self.pid = int(re.search(r"nsenter -t (\d+)", self.said)[1])

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
        assert libc.setns(there, CLONE_NEWNET) == 0
        os.close(there)
        return self

    def __exit__(self, *_):
        assert libc.setns(self.home, CLONE_NEWNET) == 0
        os.close(self.home)
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def test_the_seeds_program_prints_what_comes():
    with Running() as lab:
        Side().ping()
        Side().ping(size=20000, times=1)
        with Side().udp() as client:
            client.sendto(b"hello", (OURS, 5000))
            line = lab.process.stdout.readline()
            assert line == f"5 bytes from 10.9.0.1:{client.getsockname()[1]}: b'hello'\n"
        lab.process.send_signal(signal.SIGINT)
        _, err = lab.process.communicate(timeout=20)
        assert lab.process.returncode == 130
        assert "Icmp.OutEchoReps 4" in err and "Udp.InDatagrams 1" in err and "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_stays_behind(number):
    with Running() as lab:
        pid = lab.pid
        lab.process.send_signal(number)
        lab.process.wait(20)
        assert not os.path.exists(f"/proc/{pid}")
        until(lambda: not any(name == "tap0" for _, name in socket.if_nameindex()))
    assert not any(name.startswith("rxpath") for name in (os.listdir("/run/netns") if os.path.isdir("/run/netns") else []))


def test_it_ends_by_itself():
    begun = time.monotonic()
    with Running("--seconds", "0.3") as lab:
        assert lab.process.wait(20) == 0 and time.monotonic() - begun > 0.3


@pytest.mark.parametrize("wrong, says", [
    (["--addr", "10.9.0.2"], "prefix length"), (["--addr", "10.9.0.0/24"], "network's own address"), (["--addr", "x/24"], "IPv4 address"),
    (["--addr", "224.0.0.1/24"], "no address"), (["--addr", "10.9.0.2/32"], "no room"), (["--peer", "10.8.0.1"], "another address"),
    (["--kernel", "2.6"], "one of"), (["--seconds", "-1"], "more than 0")])
def test_a_mistake_is_one_line(wrong, says):
    done = subprocess.run([sys.executable, "-m", "rxpath.workbench.cli", "lab", *wrong], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and says in done.stderr, done.stderr


def test_as_somebody_who_is_not_root():
    """A user namespace of its own: root in there only."""
    mapped = ["unshare", "-U", "--map-user=1000", "--map-group=1000"]
    if subprocess.run([*mapped, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    done = subprocess.run([*mapped, sys.executable, "-m", "rxpath.workbench.cli", "lab", "--seconds", "0.2"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0 and "nsenter -t" in done.stderr and "-U --preserve-credentials -n ping" in done.stderr, done.stderr
