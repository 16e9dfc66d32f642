"""Real losses, made here: a network namespace of its own, a socket with a small buffer and a reader that is too slow, and the doctor beside
them."""
import json
import os
import shutil
import subprocess
import sys
import textwrap

import pytest

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
    done = subprocess.run([sys.executable, "-m", "rxpath.workbench.cli", "doctor", "--seconds", "2", *sys.argv[2:]],
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


pytestmark = [pytest.mark.root, pytest.mark.skipif(not can_unshare(), reason="no network namespace can be made here")]


def beside(reads, *args):
    return subprocess.run([*UNSHARE, sys.executable, "-c", LOAD, reads, *args], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("reads, causes", [("slowly", {"D23", "D23c", "D25", "D25b"}), ("never", {"D28"})])
def test_a_real_loss_is_found_while_it_happens(reads, causes):
    """On a busy machine the reader may not get its CPU: then that is the answer, and a true one."""
    done = beside(reads, "--json")
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    [lost] = [f for f in said["findings"] if f["kind"] == "lost" and f["finding"] == "socket"]
    assert lost["subject"] == "127.0.0.1:8125" and lost["count"] > 100
    assert {c["rule"] for c in lost["causes"]} & causes, lost
    assert any(line.startswith("RcvbufErrors +") for line in lost["seen_in"])
    assert 1.5 < said["seconds"] < 10


def test_the_report_is_80_columns_wide_and_names_program_and_socket():
    done = beside("slowly")
    assert done.returncode == 1, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "127.0.0.1:8125" in done.stdout and "LOST" in done.stdout and " (pid " in done.stdout
