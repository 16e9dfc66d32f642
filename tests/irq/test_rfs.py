"""RFS: a flow of a connected socket goes to the CPU where it was read last, once its old CPU's backlog has let it go."""
import pytest

from rxpath.abi.limits import NCPU
from rxpath.link import setup
from rxpath.path import Stage
from rxpath.user.socket import connect
from rxpath.vtime.costs import BM36

from ..frames import PEER, ip4, udp_frame

SPORT = 40000
ENQUEUE = Stage["__udp_enqueue_schedule_skb"]
US = 1000


def rfs_host(lab, entries=1024, count=256, rps=(), **options):
    host = lab(**({"cpus": 4} | options))
    setup.set_rfs(host.boot, entries, {0: count}, 4)
    if rps:
        setup.set_rps(host.boot, 0, list(rps))
    return host


def connected(host, sport=SPORT, port=5000):
    sk = host.udp(port)
    connect(host.boot, sk, ip4(PEER), sport)
    return sk


def processed(host):
    return [setup.softnet_stat(host.boot, c)["processed"] for c in range(host.cpus)]


def flow(n, sport=SPORT, port=5000):
    return [udp_frame(b"x", sport=sport, dport=port) for _ in range(n)]


def test_a_flow_follows_its_reader(lab):
    host = rfs_host(lab)
    host.app(connected(host), cpu=2)
    host.send(*flow(1)).run()
    assert processed(host) == [1, 0, 0, 0]                                  # nobody has read it yet
    host.send(*flow(20), gap=30 * US).run()
    assert processed(host) == [1, 0, 20, 0] and host.ends() == {"RECEIVED": 21}
    assert host.net.stage_count[0][Stage.set_rps_cpu] == 1


def test_two_flows_follow_two_readers(lab):
    host = rfs_host(lab)
    for k, cpu in ((0, 2), (1, 3)):
        host.app(connected(host, SPORT + k, 5000 + k), cpu=cpu)
    for _ in range(11):
        host.send(*flow(1), *flow(1, SPORT + 1, 5001), gap=30 * US)
    host.run()
    assert processed(host) == [2, 0, 10, 10]


def test_a_socket_that_is_not_connected_leaves_no_trace(lab):
    """sk_rxhash is kept for connected sockets only, so a UDP server's flows stay where RPS, or the interrupt, puts them."""
    host = rfs_host(lab, rps=(1,))
    host.app(host.udp(5000), cpu=2)
    host.send(*flow(10), gap=30 * US).run()
    assert processed(host) == [0, 10, 0, 0]
    assert sum(host.net.stage_count[c][Stage.rps_record_sock_flow] for c in range(4)) == 0


def test_what_has_not_been_read_goes_where_rps_says(lab):
    host = rfs_host(lab, rps=(1,))
    host.app(connected(host), cpu=2)
    host.send(*flow(5), gap=30 * US).run()
    assert processed(host) == [0, 1, 4, 0]


@pytest.mark.parametrize("entries,count", [(0, 256), (1024, 0)])
def test_both_tables_are_needed(lab, entries, count):
    host = rfs_host(lab, entries, count)
    host.app(connected(host), cpu=2)
    host.send(*flow(5), gap=30 * US).run()
    assert processed(host) == [5, 0, 0, 0] and host.net.rps_ncpu == 0


def test_a_flow_changes_its_cpu_only_when_the_old_backlog_has_let_it_go(lab):
    """CPU 1 is slow, and the flow's packets stand in its backlog when its reader moves to CPU 2: the next ones still go to CPU 1, behind
    them.  After a pause there is nothing left to overtake, and the flow moves."""
    host = rfs_host(lab)
    for stage, ns in BM36.items():
        host.net.cost[1][stage] = ns * 40
    sk = connected(host)

    def read_on(cpu):                                                       # as if recvmsg() had run there
        h = host.net.socks[sk].rxhash
        host.net.rps_sock_flow[h & host.net.rps_sock_flow_mask] = h & ~host.net.rps_cpu_mask | cpu
    host.send(*flow(1)).run()
    read_on(1)
    host.net.trail = 1
    host.send(*flow(20), gap=2 * US).run(host.t)
    read_on(2)
    host.send(*flow(20), gap=2 * US)
    host.send(*flow(5), gap=2000 * US).run()
    host.collect(last=True)
    up = [m.frame for m in sorted((m for m in host.trail if m.stage == ENQUEUE), key=lambda m: m.t)]
    assert up == sorted(up) and len(up) == 45                               # in order
    assert processed(host) == [1, 40, 5, 0] and host.net.stage_count[0][Stage.set_rps_cpu] == 2


def test_310_follows_whoever_shares_the_entry(lab):
    """One entry for all: 3.10 does not ask whose it is, so the flow of an unconnected socket follows a connected one's reader."""
    for kernel, where in (("3.10", [1, 0, 15, 0]), ("6.18", [6, 0, 10, 0])):
        host = rfs_host(lab, entries=1, kernel=kernel)
        host.app(connected(host), cpu=2)
        host.app(host.udp(5001), cpu=3)
        host.send(*flow(11), gap=30 * US).run()
        host.send(*flow(5, SPORT + 9, 5001), gap=30 * US).run()
        assert processed(host) == where, kernel


def test_it_costs_its_stations(lab):
    host = rfs_host(lab)
    host.app(connected(host), cpu=2)
    for c in range(4):
        host.net.cost[c][Stage.rps_record_sock_flow] = 10_000
    host.send(*flow(3), gap=100 * US).run()
    assert host.net.thread[NCPU].ran_sys_ns > 30_000


def test_running_ahead_changes_nothing(lab):
    seen = []
    for one_step in (False, True):
        host = rfs_host(lab, rps=(1,), one_step=one_step, queues=2)
        setup.set_rfs(host.boot, 64, {0: 16, 1: 16}, 4)
        for k in range(6):
            host.app(connected(host, SPORT + k, 5000 + k), cpu=1 + k % 3)
        for r in range(30):
            host.send(*[flow(1, SPORT + k, 5000 + k)[0] for k in range(6)], gap=700 + 13 * r)
        host.run()
        seen.append((host.ends(), processed(host), [host.net.thread[NCPU + k].latency_hash for k in range(6)],
                     [host.net.cpu[c].softirq_ns for c in range(4)]))
    assert seen[0] == seen[1]


def test_what_does_not_fit_is_refused(lab):
    host = lab()
    for args in ((1 << 18, {0: 1}), (1, {0: 1 << 16}), (1, {99: 1})):
        with pytest.raises(ValueError, match="0 to"):
            setup.set_rfs(host.boot, *args)
