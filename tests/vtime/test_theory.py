"""Loss against queueing theory, where theory knows it: a simulator that agrees with itself may still be wrong.

M/D/1/K at the ring: one station costs time, everything else none.  The ring must lose exactly when K are in the system.  So NAPI's weight
is 1: each poll takes one packet and, at its end, posts that one descriptor again; the descriptor of the packet in service is not posted.
A ring of N posts N - 1: K = N - 1.
M/M/1/K at the socket: receiving gives its memory back at once (forward_threshold 1, the kernel gives it back in quarters), service is
exponential and begins with the read: K is what the buffer holds, and one in service."""
import math

import numpy as np
import pytest

from rxpath.drivers.igb_open import igb_setup_rx_ring
from rxpath.path import Stage
from rxpath.vtime import engine, feed, setup
from rxpath.vtime.apps import SERVICE_EXPONENTIAL
from rxpath.vtime.dice import seeded

from ..frames import udp_frame
from ..lab import Lab

SERVICE, N, SEEDS = 2000, 40_000, 8


def md1k_loss(rho: float, k: int) -> float:
    """The embedded chain at departures; a departure leaves 0 .. K-1 behind."""
    a = np.array([math.exp(-rho + j * math.log(rho) - math.lgamma(j + 1)) for j in range(k + 1)])
    p = np.zeros((k, k))
    for i in range(k):
        first = max(i - 1, 0)
        for j in range(first, k - 1):
            p[i, j] = a[j - first]
        p[i, k - 1] = 1 - p[i, :k - 1].sum()
    pi = np.linalg.lstsq(np.vstack([p.T - np.eye(k), np.ones(k)]), np.append(np.zeros(k), 1), rcond=None)[0]
    return float(1 - 1 / (pi[0] + rho))


def mm1k_loss(rho: float, k: int) -> float:
    return 1 / (k + 1) if rho == 1 else (1 - rho) * rho ** k / (1 - rho ** (k + 1))


def poisson(host: Lab, gap: int, seed: int, n: int = N) -> None:
    net, call, f = host.net, host.call, udp_frame(bytes(64))
    host.feed[:len(f)] = f
    net.ring[0].feed_time, net.ring[0].rng = 1000, seeded(seed)
    left = n
    while left:
        left -= call(feed.feed_poisson)(net, 0, left, gap, 0, len(f), 0, 0)
        until = net.ring[0].feed_time - 20_000 if left else net.ring[0].feed_time + 10_000_000
        if until > net.sim.now:
            call(engine.run)(net, until, 0)
    host.sent = n
    host.close()


def z_of(losses: list[float], theory: float) -> float:
    return float((np.mean(losses) - theory) / (np.std(losses, ddof=1) / math.sqrt(len(losses)) + 1e-7))


@pytest.mark.parametrize("rho", [0.5, 0.8, 1.0, 1.3, 2.0])
@pytest.mark.parametrize("k", [8, 32])
def test_md1k_at_the_ring(rho, k):
    losses = []
    for seed in range(SEEDS):
        host = Lab(costs={Stage.igb_clean_rx_irq: SERVICE})
        host.call(igb_setup_rx_ring)(host.net, 0, host.net.nskb, k + 1)      # ethtool would not make it so small
        host.net.napi[0].weight = 1
        host.udp(5000, rcvbuf=1 << 30)
        host.app(0, cpu=1, service=0)
        poisson(host, round(SERVICE / rho), 100 * k + seed)
        losses.append(host.net.ring[0].missed / N)
    assert abs(z_of(losses, md1k_loss(rho, k))) < 3, (losses, md1k_loss(rho, k))


@pytest.mark.parametrize("rho", [0.5, 0.8, 1.0, 1.3, 2.0])
@pytest.mark.parametrize("k", [8, 32])
def test_mm1k_at_the_socket(rho, k):
    losses = []
    for seed in range(SEEDS):
        host = Lab(costs={}, ring=1024)
        sk = host.udp(5000, rcvbuf=2304 * (k - 1))
        host.net.socks[sk].forward_threshold = 1
        app = host.app(sk, cpu=1, service=SERVICE)
        host.net.thread[app].service_kind, host.net.thread[app].rng = SERVICE_EXPONENTIAL, seeded(7777 + seed)
        poisson(host, round(SERVICE / rho), 300 * k + seed)
        losses.append(host.net.socks[sk].drops / N)
    assert abs(z_of(losses, mm1k_loss(rho, k))) < 3, (losses, mm1k_loss(rho, k))


def test_utilisation_law():
    """The softirq's share is the packets delivered so far, times the cost of one; the packet under way counts in part."""
    host = Lab(costs={Stage.igb_clean_rx_irq: 505})
    host.udp(5000, rcvbuf=1 << 30)
    host.app(0, cpu=1, service=0)
    f = udp_frame(bytes(64))
    host.feed[:len(f)] = f
    host.net.ring[0].feed_time, host.net.ring[0].rng = 1000, seeded(5)
    host.sent = host.call(feed.feed_poisson)(host.net, 0, 8000, 1000, 0, len(f), 0, 0)
    for t in range(100_000, 5_000_000, 10_007):
        host.call(engine.run)(host.net, t, 0)
        assert abs(setup.cpu_time(host.net, 0, t).softirq - host.net.ring[0].packets * 505) <= 505, t
    host.run(20_000_000)
    host.close()


def test_books_balance_at_any_cut():
    host = Lab(ring=64)
    host.app(host.udp(5000, rcvbuf=20_000), cpu=0)
    f = udp_frame(bytes(64))
    host.feed[:len(f)] = f
    host.net.ring[0].feed_time, host.net.ring[0].rng = 1000, seeded(6)
    host.sent = host.call(feed.feed_poisson)(host.net, 0, 3000, 700, 0, len(f), 0, 0)
    for t in range(5_000, 3_000_000, 20_011):
        host.call(engine.run)(host.net, t, 0)
        host.close()


def test_livelock_shape():
    """Same CPU: what is delivered rises to the capacity, then falls towards nothing; with the application on another CPU it stays."""
    delivered: dict[int, list[int]] = {0: [], 1: []}
    for cpu, got in delivered.items():
        for rate in (0.3e6, 0.7e6, 3e6):
            host = Lab(itr_ns=20_000)
            app = host.app(host.udp(5000), cpu=cpu)
            host.call(engine.run)(host.net, 1, 0)
            poisson(host, int(1e9 / rate), 3, 20_000)
            got.append(round(host.net.thread[app].received / 20_000 * 100))
    assert delivered[0][0] > 99 and delivered[0][1] > 85 and delivered[0][2] < 15, delivered
    assert delivered[1][1] > 95 and delivered[1][2] > 40, delivered
