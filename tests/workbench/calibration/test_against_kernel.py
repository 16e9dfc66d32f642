"""The model loses what a real kernel lost on the same schedules, within stated points (docs/calibration.md has all of them).

What the kernel did is recorded in tests/data/against_kernel.json: least and most of two machines of one kind.  Nothing is timed here: the
sender's times are the schedule's."""
import json
from pathlib import Path

import pytest

from rxpath.workbench.calibration import in_model
from rxpath.workbench.calibration.experiments import EXPERIMENTS
from rxpath.workbench.judge import frames

KERNEL = json.loads((Path(__file__).parents[2] / "data/against_kernel.json").read_text())


def predicted(name, folder, profile="vm"):
    e = EXPERIMENTS[name]
    in_model.write_capture(folder / "x.pcap", e.datagrams, [d.t for d in e.datagrams])
    return in_model.predicted(e, folder / "x.pcap", in_model.host(e, profile, service=e.service + 40))


@pytest.mark.parametrize("name", KERNEL["lost"])
def test_the_model_loses_what_the_kernel_lost(tmp_path, name):
    least, most, within = KERNEL["lost"][name]
    assert least - within <= predicted(name, tmp_path).loss <= most + within


def test_the_model_is_of_the_kernel_beside_which_it_is_set():
    e = EXPERIMENTS["stall-50"]
    assert [in_model.host(e, "vm", release=r).get("kernel") for r in ("6.18.44-x", "6.1.0-18-amd64", "3.10.0-1160.el7", "", "none")] \
        == ["6.18", "6.1", "3.10", None, None]


def test_fragments_are_one_good_datagram():
    parts = in_model.frames(0, 5000, 4000, 7)
    assert [len(p) for p in parts] == [1514, 1514, 14 + 20 + 4008 - 2 * 1480]
    assert all(frames.csum(p[14:34]) == 0 and p[18:20] == b"\0\7" for p in parts)
    datagram = b"".join(p[34:] for p in parts)
    assert frames.csum(parts[0][26:34] + bytes([0, 17]) + len(datagram).to_bytes(2, "big") + datagram) == 0


@pytest.mark.parametrize("name", ["recvmmsg-32", "readers-2-cpus", "reuseport-cpus", "epoll", "programs-2", "hog-10k", "sendmmsg",
                                  "rules-100", "rps-backlog-10", "stall-50", "sleep-5k", "same-10k"])
def test_every_way_to_read_is_a_host_that_receives(tmp_path, name):
    found = predicted(name, tmp_path)
    assert 0 <= found.loss < 65 and found.p50 > 0 and found.wakeups > 0
