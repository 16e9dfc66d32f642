"""A dozen whole hosts, made of samples of real ones: the answer to each is a golden text, whose change is a reviewed diff.

RXPATH_GOLDEN=write pytest tests/workbench/doctor/test_whole.py    writes them anew

The samples are real texts (../shared/facts/host/samples; skipped where they are missing); where only one reading of a host is at hand the
second is the same text with the counters moved that HOSTS names.  CPU times are made up: nobody published them."""
import os
import re
from pathlib import Path

import pytest

from rxpath.workbench.doctor import inputs
from rxpath.workbench.doctor.verdict import examine
from rxpath.workbench.readings import read_text
from rxpath.workbench.views import doctor as view
from rxpath.workbench.views import terminal

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / ".." / "shared" / "facts" / "host" / "samples"
GOLDEN = ROOT / "tests" / "golden" / "doctor"
SECONDS = 10
TIMES = ("user", "nice", "sys", "idle", "wait", "hard", "soft", "steal")


def stat(at, *cpus):
    """/proc/stat: shares of each CPU's time."""
    rows = ["$ cat /proc/stat"]
    for n, share in enumerate(cpus):
        ticks = [100_000 + int(100 * SECONDS * at * share.get(k, 0)) for k in TIMES]
        rows.append(f"cpu{n} {' '.join(map(str, ticks))} 0 0")
    return "\n".join(rows)


def text(command, path):
    return f"$ {command}\n{(SAMPLES / path).read_text()}"


def bumped(sample, moves):
    """The same text, so and so many counters later: {name: increase}."""
    for name, n in moves.items():
        sample, found = re.subn(rf"(?m)^(\s*{re.escape(name)}:\s*)(\d+)", lambda m, n=n: m[1] + str(int(m[2]) + n), sample, count=1)
        assert found, name
    return sample


def interrupts(sample, moves):
    """The same: {row: {CPU: increase}}."""
    out = []
    for line in sample.splitlines():
        cells = re.split(r"(\s+)", line.strip())
        for cpu, n in moves.get(cells[0].rstrip(":"), {}).items():
            cells[2 + 2 * cpu] = str(int(cells[2 + 2 * cpu]) + n)
        out.append("".join(cells))
    return "\n".join(out) + "\n"


def softnet(at, *cpus):
    """softnet_stat of 11 columns: (processed, dropped, time_squeeze, received_rps) of each CPU."""
    rows = [f"{1_000_000 + at * p:08x} {at * d:08x} {5 + at * q:08x} " + "00000000 " * 6 + f"{at * r:08x} 00000000" for p, d, q, r in cpus]
    return "$ cat /proc/net/softnet_stat\n" + "\n".join(rows)


def snmp(at, **udp):
    names = ("InDatagrams", "NoPorts", "InErrors", "OutDatagrams", "RcvbufErrors", "SndbufErrors", "InCsumErrors")
    return f"$ cat /proc/net/snmp\nUdp: {' '.join(names)}\nUdp: {' '.join(str(100 + at * udp.get(n, 0)) for n in names)}"


def card(at, device, statistics, moves, settings=""):
    """ethtool of one card; settings: the end of the names of -i, -g, -c and -l samples."""
    parts = [f"$ ethtool -S {device}\n" + (bumped(statistics, moves) if at else statistics)]
    if settings:
        parts += [text(f"ethtool -{o} {device}", f"ethtool-{o}/netutils-{settings}.txt") for o in "igc"]
    return "\n".join(parts)


def sample(path):
    return (SAMPLES / path).read_text()


MIXED = "1xE3-1271.I217_and_X710.L2_mixed.masterconf"
IDLE, BUSY = {"user": 0.1, "idle": 0.8, "soft": 0.1}, {"soft": 0.97, "hard": 0.02, "idle": 0.01}
I40E = {"33": {0: 90_000}, "34": {1: 88_000}, "35": {2: 91_000}, "36": {3: 90_500}}


def i40e(at, moves, cpus, softs):
    return "\n".join((card(at, "eth0", sample("ethtool-S/ethq-i40e.txt"), moves, f"{MIXED}-eth0"), "$ cat /proc/interrupts",
                      interrupts(sample(f"interrupts/netutils-{MIXED}-interrupts.txt"), I40E if at else {}), stat(at, *cpus),
                      softnet(at, *softs), snmp(at, InDatagrams=4_000_000)))


EVEN = [(1_000_000, 0, 0, 0)] * 4
HOSTS = {
    "i40e_burst": lambda at: i40e(at, {"rx_dropped": 31_000, "rx-1.rx_packets": 1_200_000}, [IDLE] * 4, EVEN),
    "i40e_saturated": lambda at: i40e(at, {"rx_dropped": 310_000}, [BUSY] * 4, [(3_000_000, 0, 900, 0)] * 4),
    "i40e_squeezed_without_loss": lambda at: i40e(at, {}, [IDLE] * 4, [(1_000_000, 0, 40, 0)] * 4),
    "e1000e_missed": lambda at: "\n".join((
        card(at, "eth2", sample("ethtool-S/issue-e1000e-netdata988.txt"), {"rx_missed_errors": 4954, "rx_no_buffer_count": 527},
             f"{MIXED}-eth2"), "$ cat /proc/interrupts",
        interrupts(sample(f"interrupts/netutils-{MIXED}-interrupts.txt"), {"60": {0: 50_000}} if at else {}),
        stat(at, BUSY, IDLE, IDLE, IDLE), softnet(at, (3_000_000, 0, 0, 0), *EVEN[:3]))),
    "be2net_fragments": lambda at: "\n".join((
        card(at, "eth0", sample("ethtool-S/ethq-be2net.txt"), {"rxq0: rx_drops_no_frags": 12_000, "rxq0: rx_pkts": 900_000}),
        stat(at, IDLE, IDLE), softnet(at, *EVEN[:2]))),
    "mlx5_port": lambda at: "\n".join((
        card(at, "ens1", sample("ethtool-S/ethq-mlx5_core.txt"), {"rx_discards_phy": 700_000, "rx_buffer_passed_thres_phy": 90}),
        "$ cat /proc/interrupts\n           CPU0       CPU1\n" + "\n".join(
            f" {50 + n}:  {9_000 + at * (n == 0) * 40_000}   {at * (n == 1) * 41_000}   PCI-MSI   mlx5_comp{n}@pci:0000:3b:00.0"
            for n in (0, 1)),
        "$ ethtool -i ens1\ndriver: mlx5_core\nversion: 5.15.0\nbus-info: 0000:3b:00.0", stat(at, IDLE, IDLE), softnet(at, *EVEN[:2]))),
    "bnxt_rings": lambda at: "\n".join((
        card(at, "p1p1", sample("ethtool-S/ethq-bnxt_en.txt"), {f"[{n}]: rx_discards": 9_000 + n for n in range(8)}),
        stat(at, *[{"idle": 0.15, "soft": 0.6, "user": 0.25}] * 4), softnet(at, *EVEN))),
    "ena_allowance": lambda at: card(
        at, "eth0", sample("ethtool-S/ethq-ena.txt") + "".join(f"{n}_allowance_exceeded: 17\n" for n in ("pps", "bw_in", "bw_out")),
        {"pps_allowance_exceeded": 4_400, "bw_out_allowance_exceeded": 900, "queue_0_rx_cnt": 100_000}),
    "virtio_guest": lambda at: "\n".join((
        text("ethtool -i eth0", "ethtool-i/netutils-vscale-vm-eth0.txt"), text("ethtool -g eth0", "ethtool-g/netutils-vscale-vm-eth0.txt"),
        f"$ ip -s -s link\n2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP\n    RX: bytes  packets  errors  dropped "
        f"missed  mcast\n    {9_000_000 + at * 90_000_000} {9_000 + at * 100_000} 0 0 0 0\n",
        "$ cat /proc/interrupts", interrupts(sample("interrupts/netutils-vscale-vm-interrupts.txt"), {"27": {0: 60_000}} if at else {}),
        stat(at, {"idle": 0.4, "soft": 0.2, "user": 0.3, "steal": 0.1}), softnet(at, (100_500, 0, 0, 0)),
        snmp(at, InDatagrams=90_000, InErrors=9_500, RcvbufErrors=9_500))),
    "rps_target": lambda at: "\n".join((
        stat(at, IDLE, BUSY), softnet(at, (2_000_000, 0, 0, 0), (1_900_000, 77_000, 300, 40_000)), snmp(at, InDatagrams=1_800_000))),
    "router": lambda at: "\n".join((
        text("cat /proc/net/softnet_stat", f"softnet_stat/netutils-softnet_stat{5 if at else 1}.txt"),
        text("cat /proc/net/snmp", f"proc_net_snmp/netutils-snmp{2 if at else 1}.txt"))),
    "lldp": lambda at: "\n".join((
        text("ip -d -s link", "ip-s-link/insights-ip_s_link_all_2.txt").replace(
            "108341661705196 87334303936 0       5632499 ",
            f"{108341661705196 + at * 9000000} {87334303936 + at * 10_000} 0 {5632499 + at * 5} "),
        "$ ethtool -i eno1\ndriver: igb", "$ ethtool -S eno1\nNIC statistics:\n     rx_queue_0_drops: 0\n     rx_missed_errors: 0",
        softnet(at, (5_000, 0, 0, 0), (6_000, 0, 0, 0)), snmp(at))),
}


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples of real hosts are not beside this checkout")
@pytest.mark.parametrize("name", HOSTS)
def test_the_answer_to_a_whole_host(name):
    readings = [read_text(f"$ date +%s\n{1_764_000_000 + SECONDS * at}\n{HOSTS[name](at)}\n") for at in (0, 1)]
    said = terminal.plain(view.render(examine(inputs.checked(readings)), readings), view.WIDTH)
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("RXPATH_GOLDEN") == "write":
        golden.write_text(said)
    assert said == golden.read_text()
    assert max(map(len, said.splitlines())) <= view.WIDTH


def test_every_golden_is_of_a_host():
    assert {p.stem for p in GOLDEN.glob("*.txt")} == set(HOSTS)
