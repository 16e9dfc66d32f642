"""A twin of a real device: a veth in a namespace of the test, frames from its other end."""
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rxpath.backends.face import BackendError
from rxpath.backends.packet import Packet
from rxpath.backends.tap import configure
from rxpath.workbench.readings.case import open_recorded
from rxpath.workbench.run.replay import replay

from ..frames import udp_frame
from .namespaces import Side, needs_root, until

pytestmark = needs_root
OURS, THEIRS = "10.77.0.2", "10.77.0.1"
COMMAND = [sys.executable, "-m", "rxpath.workbench.cli", "twin"]


class Wire:
    """A veth, vb with an address and va, the other end, from which frames are sent as they are."""

    def __init__(self):
        subprocess.run(["ip", "link", "add", "va", "type", "veth", "peer", "name", "vb"], check=True)
        for name in ("va", "vb"):
            with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w") as file:
                file.write("1")
        configure("va")
        configure("vb", f"{OURS}/24")
        with open("/proc/sys/net/ipv4/conf/vb/rp_filter", "w") as file:
            file.write("0")
        self.out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.out.bind(("va", 0))
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
            s.bind(("vb", 0))
            self.mac = s.getsockname()[4]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.out.close()

    def send(self, n, size=64, gap=0.0):
        for k in range(n):
            self.out.send(udp_frame(b"%d" % k + bytes(size), src=THEIRS, dst=OURS, mac=self.mac))
            if gap:
                time.sleep(gap)


class Running:
    """The command on vb, from the moment at which frames count."""

    def __init__(self, *args):
        self.process = subprocess.Popen([*COMMAND, "vb", "--json", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        first = self.process.stdout.readline()
        assert first, self.process.stderr.read()
        self.lines = [json.loads(first)]
        assert "began" in self.lines[0]
        time.sleep(0.3)

    def until(self, key):
        while True:
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            self.lines.append(json.loads(line))
            if key(self.lines[-1]):
                return self.lines[-1]

    def end(self):
        out, err = self.process.communicate(timeout=60)
        self.lines += [json.loads(line) for line in out.splitlines()]
        return self.lines[-1]["summary"], self.process.returncode, err


def test_frames_losses_and_the_kernels_counters_side_by_side(tmp_path):
    """A socket that nobody reads: the kernel loses what its buffer does not hold, and so does the twin, whose program stands still."""
    case = tmp_path / "worst.rxcase"
    with Side(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, Wire() as wire:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
        s.bind((OURS, 5000))
        name = Path("/proc/self/comm").read_text().strip()
        running = Running("--window", "0.5", "--headroom", "0", "--record", str(case), "--set", f"app.{name}.service=100s")
        wire.send(500)
        wire.out.send(b"\xff" * 6 + b"\x02" * 6 + b"\x08\x00" + bytes(46))
        running.until(lambda line: line.get("frames", 0) == 0 and any(w.get("frames") for w in running.lines))
        running.process.send_signal(2)
        total, code, err = running.end()
        rows = Path("/proc/thread-self/net/udp").read_text().splitlines()
        lost = int(next(row.split()[12] for row in rows if ":1388" in row.split()[1]))
    assert (code, err) == (130, "") and total["ended"] == "interrupted" and total["not_whole"] == 0
    assert total["frames"] == 501 and total["own"] == 0 and total["device"] == "vb"
    assert lost > 400 and total["real"]["socket"] == lost
    assert abs(total["ours"]["socket"] - lost) <= 2 and total["lost"]["SOCKET_RCVBUFF"] == total["ours"]["socket"], "one has been read"
    nearest = total["nearest"][0]
    assert nearest["name"].startswith("socket ") and nearest["limit"] == 40_000 and nearest["share"] > 0.9
    assert "around the window that lost most" in total["kept"]
    recorded = open_recorded(case)
    assert len(recorded.samples) > 1 and recorded.devices[0]["name"] == "vb" and not recorded.problems
    assert replay(case, case).offered >= 500


@pytest.mark.parametrize("how, said", [("set vb down", "the device went down"), ("del vb", "the device is gone")])
def test_a_device_that_goes_down_or_away_is_a_clean_end(how, said):
    with Side(), Wire() as wire:
        running = Running("--headroom", "0")
        wire.send(50)
        time.sleep(0.3)
        subprocess.run(["ip", "link", *how.split()], check=True)
        total, code, err = running.end()
    assert (code, err) == (0, "") and total["ended"] == said and total["frames"] == 50


def test_what_the_host_sends_is_no_arrival_and_silence_ends_in_time():
    with Side(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, Wire() as wire:
        subprocess.run(["ip", "neigh", "add", THEIRS, "lladdr", "02:00:00:00:00:09", "dev", "vb"], check=True)
        running = Running("--seconds", "2.5", "--headroom", "0")
        for _ in range(20):
            s.sendto(b"x", (THEIRS, 9))
        wire.send(1)
        total, code, _ = running.end()
    assert code == 0 and 20 <= total["own"] <= 23 and total["frames"] == 1 and total["ended"] == "--seconds 2.5"
    assert total["windows"] >= 2 and total["ends_ns"] - total["began_ns"] > 1.5e9


def test_without_cap_net_raw_it_says_so_and_only_a_card_has_a_twin():
    with Side(), Wire():
        out = subprocess.run(["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", *COMMAND, "vb"], capture_output=True, text=True)
        assert (out.returncode, out.stderr) == (2, "rxpath: vb: CAP_NET_RAW is missing (sudo)\n")
        out = subprocess.run([*COMMAND, "lo"], capture_output=True, text=True)
        assert out.returncode == 2 and "lo: not a card of this host's snapshot, which has" in out.stderr


def test_blocks_of_a_mirror_have_both_directions_and_are_cut():
    with Side(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, Wire() as wire:
        subprocess.run(["ip", "neigh", "add", THEIRS, "lladdr", "02:00:00:00:00:09", "dev", "vb"], check=True)
        with Packet("vb", promiscuous=False, mirror=64, blocks=4, retire_ms=5) as device:
            wire.send(3, size=1000)
            s.sendto(b"y" * 500, (THEIRS, 9))
            found = []

            def come():
                while (block := device.take_block()) is not None:
                    found.append(bytes(block))
                    device.give_back()
                return device.counted.rx_frames >= 4

            until(come)
            assert sum(map(len, found)) < 48 * len(found) + 256 * device.counted.rx_frames, "64 bytes of each, and their headers"
            assert device.statistics().lost["tp_drops"] == 0
            subprocess.run(["ip", "link", "del", "va"], check=True)
            with pytest.raises(BackendError, match="vb: the device is gone"):
                until(lambda: device.take_block() is not None)
