"""The backlog: RPS, netdev_max_backlog, flow limit, dev_weight."""
import pytest

from rxpath import path
from rxpath.abi.kernels import Sysctl
from rxpath.abi.limits import NQ
from rxpath.irq import backlog
from rxpath.link import setup

from ..frames import fragments, udp, udp_frame


def rps_host(lab, cpus, **options):
    host = lab(cpus=4, **options)
    setup.set_rps(host.boot, 0, cpus)
    return host


def processed(host):
    return [setup.softnet_stat(host.boot, c)["processed"] for c in range(host.cpus)]


def test_rps_moves_packets_to_another_cpu_by_ipi(lab):
    host = rps_host(lab, [2])
    host.app(host.udp(5000), cpu=1)
    host.send(*[udp_frame() for _ in range(20)])
    host.run()
    assert host.ends() == {"RECEIVED": 20}
    assert processed(host) == [0, 0, 20, 0]
    assert 1 <= setup.softnet_stat(host.boot, 2)["received_rps"] <= 20


def test_rps_to_its_own_cpu_needs_no_ipi(lab):
    host = rps_host(lab, [0])
    host.app(host.udp(5000), cpu=1)
    host.send(*[udp_frame() for _ in range(20)])
    host.run()
    assert processed(host) == [20, 0, 0, 0] and setup.softnet_stat(host.boot, 0)["received_rps"] == 0


def test_flows_spread_and_a_flow_stays_on_its_cpu(lab):
    host = rps_host(lab, [1, 2, 3])
    host.udp(5000, rcvbuf=1 << 22)
    for round_ in range(3):
        host.send(*[udp_frame(sport=1000 + k) for k in range(60)])
        host.run()
        share = processed(host)
        assert [n % (round_ + 1) for n in share] == [0] * 4                 # every round falls alike
    assert share[0] == 0 and min(share[1:]) > 20


def test_fragments_of_a_datagram_go_to_one_cpu(lab):
    host = rps_host(lab, [1, 2, 3])
    host.app(host.udp(5000), cpu=0)
    for k in range(12):
        host.send(*fragments(udp(b"x" * 3000, sport=2000 + k), [1400, 1400], ident=100 + k))
    host.run()
    assert sorted(processed(host)) == [0, 0, 0, 36]                         # no ports in the hash of a fragment


@pytest.mark.parametrize("limit", [0, 1, 5, 10, 30])
def test_one_more_than_netdev_max_backlog_is_admitted(lab, limit):
    """Exact on 6.18: bursts of 40 into a CPU that does not come to poll meanwhile."""
    host = rps_host(lab, [1], costs={path.Stage.IPI_LATENCY: 500_000, path.Stage.NIC_LATENCY: 10_000})
    host.net.sysctl[Sysctl.netdev_max_backlog] = limit
    host.udp(5000, rcvbuf=1 << 22)
    host.send(*[udp_frame() for _ in range(40)], gap=1)
    host.run()
    assert host.ends() == {"CPU_BACKLOG": 40 - limit - 1}
    assert setup.softnet_stat(host.boot, 1)["dropped"] == 40 - limit - 1
    assert host.dev_stats()["rx_dropped"] == 40 - limit - 1
    assert host.net.input[1].len_max == limit + 1


def test_a_veth_counts_only_what_the_backlog_takes(lab):
    """40 frames while nobody polls, limit 10: /sys/class/net/*/statistics of the receiving end say 11 rx_packets, 29 rx_dropped."""
    host = rps_host(lab, [1], driver="veth", costs={path.Stage.IPI_LATENCY: 50_000_000})
    host.net.sysctl[Sysctl.netdev_max_backlog] = 10
    host.udp(5000, rcvbuf=1 << 22)
    host.send(*[udp_frame() for _ in range(40)], gap=1).run()
    stats = host.dev_stats()
    assert (stats["rx_packets"], stats["rx_dropped"]) == (11, 29) and stats["rx_bytes"] == 11 * len(udp_frame())


def test_the_flow_limit_drops_the_flow_that_has_too_much(lab):
    def run(limited):
        host = rps_host(lab, [1], costs={path.Stage.IPI_LATENCY: 50_000_000, path.Stage.NIC_LATENCY: 100_000}, ring=1024)
        host.net.sysctl[Sysctl.netdev_max_backlog] = 400
        host.udp(5000, rcvbuf=1 << 22)
        setup.set_flow_limit(host.boot, [0] if limited else [])
        host.send(*[udp_frame(sport=1 if k % 8 else 1000 + k) for k in range(400)], gap=10)
        host.run()
        return host
    free, limited = run(False), run(True)
    assert "CPU_BACKLOG" not in free.ends()
    dropped = limited.ends()["CPU_BACKLOG"]
    assert dropped == setup.softnet_stat(limited.boot, 0)["flow_limit_count"] > 50
    assert dropped < 200 * 7 // 8                                           # only from half a backlog on, and only the big flow
    assert setup.softnet_stat(limited.boot, 1)["dropped"] == dropped


def test_flow_limit_needs_a_power_of_two_and_a_kernel_that_has_it(lab):
    host = lab()
    with pytest.raises(ValueError, match="power of two"):
        setup.set_flow_limit(host.boot, [0], 1000)
    with pytest.raises(ValueError, match="not in this kernel"):
        setup.set_flow_limit(lab(kernel="3.10").boot, [0])


def test_dev_weight_reaches_the_backlog_with_its_next_poll(lab):
    """Exact on 6.18: the first poll still takes 64, then 16."""
    host = rps_host(lab, [1], costs={path.Stage.IPI_LATENCY: 500_000, path.Stage.NIC_LATENCY: 10_000})
    napi = host.net.napi[NQ + 1]
    host.net.sysctl[Sysctl.dev_weight] = 16
    host.udp(5000, rcvbuf=1 << 22)
    host.send(*[udp_frame() for _ in range(64 + 32)], gap=1)
    host.run()
    assert (napi.polls, napi.full_polls, napi.work) == (4, 3, 96)           # 64, 16, 16, and the one that finds nothing
    host.net.sysctl[Sysctl.dev_weight] = 64                                 # ... and one of 16 before it is 64 again
    host.send(*[udp_frame() for _ in range(40)], gap=1)
    host.run()
    assert napi.work == 136 and napi.polls == 6 and napi.full_polls == 4


def test_a_device_that_is_down_takes_nothing(lab):
    host = rps_host(lab, [1])
    host.send(udp_frame())
    host.net.dev[0].up = 0
    host.run()
    assert sum(host.ends().values()) == 1 and set(host.ends()) <= {"DEV_READY", "LINK_DOWN"}


def test_rps_refuses_what_is_not_there(lab):
    host = lab()
    with pytest.raises(ValueError, match="rps_cpus"):
        setup.set_rps(host.boot, 0, [64])
    with pytest.raises(ValueError, match="queue"):
        setup.set_rps(host.boot, 64, [0])
    setup.set_rps(host.boot, 0, [0, 1])
    setup.set_rps(host.boot, 0, [])
    assert host.net.rps_ncpu == 0


def test_the_backlog_is_polled_and_emptied(lab):
    host = rps_host(lab, [1, 2])
    host.udp(5000, rcvbuf=1 << 22)
    host.send(*[udp_frame(sport=k) for k in range(100)], gap=50)
    host.run()
    assert all(setup.softnet_stat(host.boot, c)["backlog_len"] == 0 for c in range(4))
    assert backlog.FLOW_LIMIT_HISTORY == 128
