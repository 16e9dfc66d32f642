"""Real losses, made here: a network namespace of its own, a socket with a small buffer and a reader that is too slow, and the doctor beside
them."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import pytest

from rxpath.workbench.readings.records import DriverInfo, Link

UNSHARE = ["unshare", "--net", "--fork", "--kill-child"] + ([] if os.geteuid() == 0 else ["--user", "--map-root-user"])
LOAD = textwrap.dedent("""
    import fcntl, os, socket, struct, subprocess, sys, threading, time
    reads = sys.argv[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:          # lo is down in a new namespace
        fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x8 | 0x40))
    program = '''
    import socket, sys, time
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    s.bind(("127.0.0.1", 8125))
    print("ready", flush=True)
    while True:
        if sys.argv[1] != "never":
            s.recv(2048)
        end = time.monotonic() + 0.005
        if sys.argv[1] == "slowly":
            while time.monotonic() < end:
                pass
        else:
            time.sleep(0.005)
    '''
    import textwrap
    reader = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), reads], stdout=subprocess.PIPE)
    reader.stdout.readline()
    stop = threading.Event()
    def send():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while not stop.is_set():
            for _ in range(5):
                s.sendto(b"x" * 100, ("127.0.0.1", 8125))
            time.sleep(0.005)
    sender = threading.Thread(target=send)
    sender.start()
    done = subprocess.run([sys.executable, "-m", "rxpath.workbench.cli", "doctor", "--seconds", "1.2", *sys.argv[2:]],
                          capture_output=True, text=True)
    stop.set()
    sender.join()
    reader.kill()
    print(done.stdout)
    print(done.stderr, file=sys.stderr)
    sys.exit(done.returncode)
""")


def can_unshare():
    return shutil.which("unshare") and subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0


in_a_namespace = pytest.mark.skipif(not can_unshare(), reason="no network namespace can be made here")


def beside(reads, *args):
    return subprocess.run([*UNSHARE, sys.executable, "-c", LOAD, reads, *args], capture_output=True, text=True, timeout=60)


@pytest.mark.root
@in_a_namespace
def test_a_reader_that_is_too_slow_is_found_while_it_loses():
    """On a busy machine the reader may not get its CPU: then that is the answer, and a true one."""
    done = beside("slowly", "--json")
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    [lost] = [f for f in said["findings"] if f["kind"] == "lost" and f["finding"] == "socket"]
    assert lost["subject"] == "127.0.0.1:8125" and lost["count"] > 100
    assert {c["rule"] for c in lost["causes"]} & {"D23", "D23c", "D25", "D25b"}, lost
    assert any(line.startswith("RcvbufErrors +") for line in lost["seen_in"])
    assert 1 < said["seconds"] < 10


@pytest.mark.root
@in_a_namespace
def test_a_socket_that_nobody_reads_is_found_and_its_program_named():
    done = beside("never")
    assert done.returncode == 1, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    said = " ".join(done.stdout.split())
    assert "LOST" in said and "at 127.0.0.1:8125, a socket of python" in said and "[D28]" in said
    assert "a larger buffer: it fills up too" in said


# ---------------------------------------------------------------- this host: needs no namespace and no root
@pytest.fixture
def here():
    started = []

    def start(*args):
        started.append(subprocess.Popen([sys.executable, "-m", "rxpath.workbench.cli", "doctor", *args], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_watch_prints_a_line_for_each_interval_until_ctrl_c(here):
    watch = here("--watch", "--seconds", "0.3")
    lines = [watch.stdout.readline() for _ in range(2)]
    watch.send_signal(signal.SIGINT)
    _, err = watch.communicate(timeout=30)
    assert watch.returncode == 130 and err == ""
    for line in lines:
        assert re.match(r"\d\d:\d\d:\d\d  \S", line)


def test_ctrl_c_prints_what_was_seen_until_then(here):
    reading = here("--seconds", "60", "--json")
    while not reading_has_begun(reading.pid):
        assert reading.poll() is None
        time.sleep(0.05)
    reading.send_signal(signal.SIGINT)
    out, err = reading.communicate(timeout=30)
    assert reading.returncode == 130 and err == ""
    assert json.loads(out)["seconds"] < 30


def reading_has_begun(pid):
    """It has looked at its queues, so the files are open."""
    try:
        return sum("softnet_stat" in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")) == 2
    except OSError:
        return False


def test_the_loss_counters_of_a_card_are_read_between_the_readings(monkeypatch):
    """lo takes the part of a card whose driver reads it when it is asked."""
    from rxpath.workbench.doctor import live

    whole = live.Watch._read

    def with_a_card(self):
        reading = whole(self)
        others = (r for r in reading.records if not isinstance(r, DriverInfo))
        return replace(reading, records=(*others, DriverInfo(device="lo", driver="igb")))

    monkeypatch.setattr(live.Watch, "_read", with_a_card)
    with live.Watch() as watch:
        if not watch._losses:
            pytest.skip("/sys is of another network namespace")
        assert set(watch._losses.values()) == {("lo", "rx_missed_errors"), ("lo", "rx_fifo_errors")}
        between = watch.readings(0.2)[1:-1]
    assert between and all(r.first(Link).stats == {"rx_missed_errors": 0, "rx_fifo_errors": 0} for r in between)
