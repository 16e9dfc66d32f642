"""net.core.busy_poll: who waits in poll() or epoll_wait() polls NAPIs before it sleeps.  fs/select.c, fs/eventpoll.c."""
import select

import pytest

from rxpath.abi.kernels import Sysctl
from rxpath.abi.limits import NCPU
from rxpath.abi.numbers import NAPI_STATE_IN_BUSY_POLL, NAPI_STATE_SCHED, Kind, WaitBy
from rxpath.user.sock import getsockopt, setsockopt
from rxpath.vtime import engine, setup, waiting
from rxpath.vtime.apps import Phase
from rxpath.vtime.program import Programs

from ..frames import udp_frame

GAP, FRAMES = 30_000, 100


def reader(lab, wait_by, ns, ll=0, gap=GAP, timeout=0, napi_id=1, until=10_000_000):
    """A thread on CPU 1 that reads FRAMES datagrams of one socket as they come, `gap` ns apart."""
    host = lab()
    net, call = host.net, host.call
    net.sysctl[Sysctl.busy_poll_ns] = ns
    call(setup.share_rings)(net)
    sk = host.udp(5000)
    net.socks[sk].napi_id = napi_id
    call(setup.set_busy_poll)(net, sk, ll)
    call(engine.add_thread)(net, NCPU, 1, Kind.APP)
    th = net.thread[NCPU]
    th.wait_by, th.service, th.timeout = wait_by, 200, timeout
    call(waiting.watch)(net, NCPU, 1024, sk)
    call(setup.thread_start)(net, NCPU, Phase.WAIT, 500)
    host.send(*[udp_frame() for _ in range(FRAMES)], gap=gap)
    host.run(until)
    assert th.received == FRAMES
    return host, th, net.ring[0].irqs, th.latency_sum / FRAMES


def test_epoll_takes_packets_without_interrupts_and_burns_the_cpu(lab):
    _, asleep, interrupts, latency = reader(lab, WaitBy.EPOLL, 0)
    host, polls, busy_interrupts, busy_latency = reader(lab, WaitBy.EPOLL, 200_000)
    assert busy_interrupts < 10 < 90 < interrupts
    assert busy_latency < latency / 2
    assert polls.woken < 10 < 90 < asleep.woken
    assert host.net.cpu[1].softirq_ns > FRAMES * GAP * 0.5
    assert host.net.napi[0].state & (NAPI_STATE_IN_BUSY_POLL | NAPI_STATE_SCHED) == 0 and not polls.busy_held    # let go at the end


def test_poll_asks_for_sockets_that_busy_poll(lab):
    _, asleep, interrupts, latency = reader(lab, WaitBy.POLL, 200_000)
    assert (asleep.woken, interrupts) == (FRAMES + 1, FRAMES)
    _, polls, _, busy_latency = reader(lab, WaitBy.POLL, 200_000, ll=1)
    assert polls.woken < 10 and busy_latency < latency / 2
    _, same, interrupts, _ = reader(lab, WaitBy.POLL, 0, ll=1)
    assert (same.woken, same.latency_sum) == (asleep.woken, asleep.latency_sum)


@pytest.mark.parametrize("wait_by", [WaitBy.POLL, WaitBy.EPOLL])
def test_who_has_polled_in_vain_for_busy_poll_sleeps(lab, wait_by):
    """5 us of polling do not bridge 30 us: an interrupt wakes it, each time."""
    host, th, interrupts, _ = reader(lab, wait_by, 5_000, ll=1)
    assert th.woken > 90 and interrupts > 90
    longer, *_ = reader(lab, wait_by, 15_000, ll=1)
    assert longer.net.cpu[1].softirq_ns > host.net.cpu[1].softirq_ns > 0
    assert host.net.epolls[0].napi_id == 0, "an instance that polled in vain forgets the NAPI"


def test_an_instance_learns_its_napi_from_who_becomes_ready(lab):
    _, th, interrupts, _ = reader(lab, WaitBy.EPOLL, 200_000, napi_id=0)
    assert interrupts < 10 and th.woken < 10
    without, *_ = reader(lab, WaitBy.EPOLL, 0)
    assert without.net.epolls[0].napi_id == 0


@pytest.mark.parametrize("wait_by", [WaitBy.POLL, WaitBy.EPOLL])
def test_a_time_out_that_passes_meanwhile_ends_the_call(lab, wait_by):
    _, th, *_ = reader(lab, wait_by, 50_000, ll=1, timeout=20_000, gap=80_000, until=9_000_000)
    assert th.timeouts > FRAMES and th.empty_calls > FRAMES


@pytest.mark.parametrize("how", ["poll", "epoll"])
def test_a_python_program_busy_polls(lab, how):
    found = {}
    for ns in (0, 200_000):
        host = lab()
        host.net.sysctl[Sysctl.busy_poll_ns] = ns
        host.call(setup.share_rings)(host.net)
        took = []

        def program(s, took=took):
            sock = s.socket(s.AF_INET, s.SOCK_DGRAM)
            sock.bind(("10.0.0.1", 5000))
            sock.setsockopt(s.SOL_SOCKET, s.SO_BUSY_POLL, 1)
            ready = getattr(s, how)()
            ready.register(sock, select.POLLIN)
            while len(took) < FRAMES:
                assert ready.poll(1000 if how == "poll" else 1)
                sock.recv(2048)
                took.append(s.time_ns())

        with Programs(host.boot) as programs:
            p = programs.add(program, cpu=1)
            host.send(*[udp_frame() for _ in range(FRAMES)], at=10_000, gap=GAP)
            programs.run(10_000_000)
        late = sum(t - 10_000 - GAP * i for i, t in enumerate(took))
        found[ns] = host.net.thread[p.n].woken, late
    assert found[200_000][0] < 10 < 90 < found[0][0]
    assert found[200_000][1] < found[0][1] / 2


def test_busy_read_is_what_a_new_socket_begins_with(lab):
    """sk_ll_usec: net.core.busy_read when it is made, SO_BUSY_POLL after; one that exists already does not change."""
    host = lab()
    before = host.udp(5000)
    host.net.sysctl[Sysctl.busy_read_ns] = 50_000
    after, asked = host.udp(5001), host.udp(5002)
    setsockopt(host.boot, asked, "SO_BUSY_POLL", 0)
    assert [host.net.socks[i].ll_ns for i in (before, after, asked)] == [0, 50_000, 0]
    assert [getsockopt(host.boot, i, "SO_BUSY_POLL") for i in (before, after, asked)] == [0, 50, 0]


@pytest.mark.parametrize("ll", [0, 50_000])
def test_who_does_not_want_to_wait_polls_once(lab, ll):
    """A server on epoll reads until EAGAIN; before that its socket's NAPI is polled once, whatever the time."""
    host, th, interrupts, _ = reader(lab, WaitBy.EPOLL, 0, ll=ll)
    polls = host.net.napi[0].polls
    assert interrupts == FRAMES and th.woken == FRAMES + 1
    assert polls == FRAMES if ll == 0 else 2.9 * FRAMES < polls <= 3 * FRAMES       # one, and the one that lets the NAPI go
