"""Counters that rise without a loss: frames of unknown protocols, of other hosts, passes that end early."""
import pytest

import rxpath
from rxpath.workbench.advice.facts import measure
from rxpath.workbench.advice.rules import load
from rxpath.workbench.host import file as hostfile

from ...cable.captures import pcap
from ...frames import udp_frame

LLDP = bytes.fromhex("0180c200000e020000000099" "88cc") + bytes(60)
HOMEPLUG = bytes.fromhex("ffffffffffff020000000099" "88e1") + bytes(46)
ELSEWHERE = bytes.fromhex("020000000077") + udp_frame()[6:]


def replayed(tmp_path, frames, *overrides):
    file = tmp_path / "x.pcap"
    file.write_bytes(pcap([(i * 1_000_000, f, len(f)) for i, f in enumerate(frames)]))
    host = hostfile.apply_overrides(hostfile.build({"nic": {"addresses": ["10.0.0.1/24"], "multicast": ["all"]},
                                                    "socket": [{"name": "in", "bind": "*:5000"}]}, "host"), overrides)
    return rxpath.whatif(str(file), host, jobs=1)


@pytest.mark.parametrize("frames, overrides, rule, reason", [
    ([LLDP, HOMEPLUG], [], "R38", "UNHANDLED_PROTO"),
    ([ELSEWHERE], [], "R39", "NIC_FILTER"),
    ([ELSEWHERE], ["nic.promiscuous=true"], "R39", "OTHERHOST"),
])
def test_frames_that_nobody_here_waits_for_are_no_loss(tmp_path, frames, overrides, rule, reason):
    run = replayed(tmp_path, [udp_frame() for _ in range(5)] + frames * 3, *overrides)
    assert run.dropped[reason] == 3 * len(frames)
    assert rule in [number for number, *_ in run.whatif.fired] and "no loss" in str(run)
    assert run.knobs == () and run.whatif.settings == len(run.whatif.sensitivity) == run.whatif.runs - 4 and run.whatif.recommended is None
    others = {"R38", "R39"} - {rule}
    assert not others & {r.id for r in load().fired(measure(run))}


def test_without_such_frames_nothing_is_said_of_them(tmp_path):
    run = replayed(tmp_path, [udp_frame() for _ in range(5)])
    assert not run.whatif.asked and run.knobs == ()
