"""Who is woken, and in which order: kernel-6.18-rules 4, datagram by datagram."""
import pytest

from rxpath.abi.sock import EP_ET, EP_EXCLUSIVE, EP_ONESHOT
from rxpath.user import eventpoll, poll
from rxpath.user.wait import sleep_in_recv


def sleep_in(host, kind, t, sk):
    """The thread's call finds nothing and waits, or returns a socket."""
    return host.boot.call({"recv": sleep_in_recv, "epoll": eventpoll.sleep_in_epoll, "poll": poll.sleep_in_poll}[kind])(host.net, 0, t)


def waiting(host, kind, n, events=0, shared=False):
    """n threads asleep on one socket."""
    sk = host.socket()
    threads = [host.thread(sk) for _ in range(n)]
    one = eventpoll.epoll(host.boot) if kind == "epoll" and shared else None
    if one is not None:
        eventpoll.epoll_watch(host.boot, one, sk, events)
    for t in threads:
        if kind == "epoll":
            ep = one if one is not None else eventpoll.epoll(host.boot)
            host.net.thread[t].epoll = ep
            if one is None:
                eventpoll.epoll_watch(host.boot, ep, sk, events)
        elif kind == "poll":
            poll.poll_watch(host.boot, t, sk)
    for t in threads:
        assert sleep_in(host, kind, t, sk) == -1
    return sk, threads


def serve(host, kind, sk, threads, told):
    """Each woken thread in turn: reads until EAGAIN, sleeps again; returns further wake-ups, and how often a call found nothing."""
    found, nothing, order = 0, 0, list(told)
    for k in order:
        t = threads[k]
        while sleep_in(host, kind, t, sk) >= 0:
            found += 1
            order += host.woken()
            while True:
                try:
                    host.read(t)
                except BlockingIOError:
                    break
            if kind == "recv":
                continue
        else:
            nothing += 1
        order += host.woken()
    return order, found


@pytest.mark.parametrize("n", [1, 2, 4])
def test_receivers_are_woken_one_at_a_time_in_rotation(desk, n):
    host = desk()
    sk, threads = waiting(host, "recv", n)
    told = []
    for _ in range(2 * n):
        host.put(sk)
        w = host.woken()
        told += w
        host.read(threads[w[0]])
        assert sleep_in(host, "recv", threads[w[0]], sk) == -1
    assert told == [*range(n)] * 2


@pytest.mark.parametrize("n", [1, 2, 4])
def test_polls_are_a_herd_the_last_first(desk, n):
    host = desk()
    sk, threads = waiting(host, "poll", n)
    for _ in range(2):
        host.put(sk)
        assert host.woken() == [*range(n)][::-1]
        host.put(sk)
        assert host.woken() == []                   # they are awake already
        for t in threads:
            assert sleep_in(host, "poll", t, sk) == sk
        host.read(threads[0])
        host.read(threads[0])
        for t in threads:
            assert sleep_in(host, "poll", t, sk) == -1


@pytest.mark.parametrize("n", [2, 4])
def test_own_epolls_are_a_herd_the_last_added_first(desk, n):
    host = desk()
    sk, _ = waiting(host, "epoll", n)
    host.put(sk)
    assert host.woken() == [*range(n)][::-1]


@pytest.mark.parametrize("n", [2, 4])
def test_own_exclusive_epolls_wake_the_first_added_that_waits(desk, n):
    host = desk()
    sk, threads = waiting(host, "epoll", n, EP_EXCLUSIVE)
    host.put(sk)
    assert host.woken() == [0]
    host.put(sk)
    assert host.woken() == [1]                      # the first is busy
    assert sleep_in(host, "epoll", threads[0], sk) == sk
    host.read(threads[0])
    host.read(threads[0])
    assert sleep_in(host, "epoll", threads[0], sk) == -1
    host.put(sk)
    assert host.woken() == [0]


def test_one_epoll_level_wakes_a_second_that_finds_nothing(desk):
    """Who takes the event leaves it on the ready list and wakes the next; that one finds the socket empty and sleeps again."""
    host = desk()
    sk, threads = waiting(host, "epoll", 2, shared=True)
    for _ in range(4):
        host.put(sk)
        first, = host.woken()
        order, found = serve(host, "epoll", sk, threads, [first])
        assert order == [first, 1 - first] and found == 1


def test_one_epoll_edge_wakes_one(desk):
    host = desk()
    sk, threads = waiting(host, "epoll", 2, EP_ET, shared=True)
    host.put(sk)
    assert host.woken() == [1]                                          # who came last: threads wait in epoll_wait() as on a stack
    assert sleep_in(host, "epoll", threads[1], sk) == sk and host.woken() == []
    assert sleep_in(host, "epoll", threads[1], sk) == -1               # the edge is gone, the datagram is not
    host.put(sk)
    assert host.woken() == [1]                                          # the same one again


def test_oneshot_is_disabled_after_its_event(desk):
    host = desk()
    sk, threads = waiting(host, "epoll", 1, EP_ONESHOT, shared=True)
    host.put(sk)
    assert host.woken() == [0] and sleep_in(host, "epoll", threads[0], sk) == sk
    host.put(sk)
    assert host.woken() == [] and sleep_in(host, "epoll", threads[0], sk) == -1


def test_an_epoll_over_many_sockets_takes_them_in_turn(desk):
    host = desk()
    socks = [host.socket(port=5000 + i) for i in range(3)]
    t = host.thread(socks[0])
    ep = host.net.thread[t].epoll = eventpoll.epoll(host.boot)
    for s in socks:
        eventpoll.epoll_watch(host.boot, ep, s)
    assert sleep_in(host, "epoll", t, 0) == -1
    for s in socks:
        host.put(s)
    assert host.woken() == [0]
    assert [sleep_in(host, "epoll", t, 0) for _ in range(4)] == [*socks, socks[0]]


def test_a_socket_that_has_something_when_it_is_added_is_ready(desk):
    host = desk()
    sk = host.socket()
    t = host.thread(sk)
    host.put(sk)
    ep = host.net.thread[t].epoll = eventpoll.epoll(host.boot)
    eventpoll.epoll_watch(host.boot, ep, sk)
    assert sleep_in(host, "epoll", t, 0) == sk


def test_receivers_and_pollers_together(desk):
    """Polls stand at the head: all of them, then one receiver."""
    host = desk()
    sk, _ = waiting(host, "recv", 2)
    p = host.thread(sk)
    poll.poll_watch(host.boot, p, sk)
    assert sleep_in(host, "poll", p, sk) == -1
    host.put(sk)
    assert host.woken() == [2, 0]
