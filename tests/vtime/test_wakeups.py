"""How many wake-ups 1,000 datagrams cost, by the way of waiting: the table of kernel-6.18-rules 4 (one datagram a millisecond)."""
import pytest

from rxpath.abi.numbers import WaitBy
from rxpath.abi.sock import EP_ET, EP_EXCLUSIVE
from rxpath.path import Stage
from rxpath.user import eventpoll, poll
from rxpath.user.wait import wake_up
from rxpath.vtime.apps import Phase
from rxpath.vtime.setup import thread_start

from ..frames import udp_frame

N = 100


def threads(host, sk, n, by, events=0, shared=False):
    one = eventpoll.epoll(host.boot)
    if shared:
        eventpoll.epoll_watch(host.boot, one, sk, events)
    made = []
    for k in range(n):
        t = host.app(sk)
        made.append(t)
        th = host.net.thread[t]
        if by != WaitBy.RECV:
            host.call(wake_up)(host.net, t)           # out of recvfrom(), where Lab.app() put it
            th.wait_by = by
            if by == WaitBy.POLL:
                poll.poll_watch(host.boot, t, sk)
            else:
                th.epoll = one if shared else eventpoll.epoll(host.boot)
                if not shared:
                    eventpoll.epoll_watch(host.boot, th.epoll, sk, events)
            host.call(thread_start)(host.net, t, Phase.WAIT, 500 + 10 * k)
    host.t = 100_000
    host.run(host.t)
    return made


def wakes(host, made, n=N, gap=1_000_000):
    before = [host.net.thread[t].woken for t in made]
    host.send(*[udp_frame(b"x") for _ in range(n)], gap=gap).run()
    assert host.received() == n
    return [host.net.thread[t].woken - b for t, b in zip(made, before, strict=True)]


@pytest.mark.parametrize("n", [1, 2, 4])
def test_recv_rotates(lab, n):
    host = lab()
    assert wakes(host, threads(host, host.udp(5000), n, WaitBy.RECV)) == [N // n] * n


@pytest.mark.parametrize("n", [1, 2, 4])
def test_one_epoll_level(lab, n):
    """The second waker finds nothing and sleeps again inside epoll_wait(): it does not preempt the first, which reads meanwhile.  So two
    wake-ups for each datagram, of however many threads (measured: 990, 1941, 2018 for 1000)."""
    host = lab()
    each = wakes(host, threads(host, host.udp(5000), n, WaitBy.EPOLL, shared=True))
    assert sum(each) == pytest.approx(min(n, 2) * N, abs=2 + n)


@pytest.mark.parametrize("n", [2, 4])
def test_own_epolls_are_a_herd(lab, n):
    host = lab()
    assert wakes(host, threads(host, host.udp(5000), n, WaitBy.EPOLL)) == [N] * n


def test_one_epoll_edge_wakes_one(lab):
    host = lab()
    assert sum(wakes(host, threads(host, host.udp(5000), 2, WaitBy.EPOLL, EP_ET, shared=True))) == N


def test_exclusive_epolls_wake_the_first_added(lab):
    host = lab()
    assert wakes(host, threads(host, host.udp(5000), 2, WaitBy.EPOLL, EP_EXCLUSIVE)) == [N, 0]


@pytest.mark.parametrize("n", [1, 2, 4])
def test_polls_are_a_herd(lab, n):
    host = lab()
    assert wakes(host, threads(host, host.udp(5000), n, WaitBy.POLL)) == [N] * n


@pytest.mark.parametrize("by,events", [(WaitBy.POLL, 0), (WaitBy.EPOLL, 0), (WaitBy.EPOLL, EP_EXCLUSIVE), (WaitBy.EPOLL, EP_ET)])
def test_running_ahead_changes_nothing(lab, by, events):
    seen = []
    for one_step in (False, True):
        host = lab(one_step=one_step)
        made = threads(host, host.udp(5000), 3, by, events, shared=events == EP_ET)
        wakes(host, made, 200, 1300)
        seen.append([(host.net.thread[t].woken, host.net.thread[t].latency_hash, host.net.thread[t].ran_sys_ns) for t in made])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("kernel", ["3.10", "6.18"])
def test_a_call_that_owns_the_socket_fills_its_backlog_under_310(lab, kernel):
    """20 us in setsockopt() after each datagram, one every 3 us meanwhile: 3.10 puts them on the backlog and lets the owner queue them."""
    seen = []
    for one_step in (False, True):
        host = lab(kernel=kernel, one_step=one_step, cpus=3)
        sk = host.udp(5000, rcvbuf=1 << 20)
        made = [host.app(sk, cpu=1), host.app(sk, cpu=2)]
        for t in made:
            host.net.thread[t].own_every, host.net.thread[t].own_ns = 1, 20_000
        host.send(*[udp_frame(b"x") for _ in range(200)], gap=3000).run()
        s = host.net.socks[sk]
        assert host.received() == 200 and (s.backlog_max > 0) == (kernel == "3.10") and (s.owned, s.backlog_qlen) == (-1, 0)
        assert (sum(host.net.stage_count[c][Stage.release_sock] for c in range(3)) > 50) == (kernel == "3.10")
        seen.append([(host.net.thread[t].woken, host.net.thread[t].latency_hash, host.net.thread[t].ran_sys_ns) for t in made])
    assert seen[0] == seen[1]
