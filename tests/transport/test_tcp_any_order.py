"""Conversations from a seed, with many connections on two CPUs: running ahead equals one step at a time, compiled equals plain, to the
byte; the books balance (Lab.close())."""
import random
import struct

import pytest

from rxpath.abi.numbers import Out
from rxpath.user import socket as sockets

from ..frames import eth, ip, tcp
from ..lab import Lab

ACK, FIN, RST, SYN, PSH, URG = 16, 1, 4, 2, 8, 32


def segments(seed, isn, n):
    """Segments of connections, cut, reordered, repeated, overlapping, with odd flags, options and windows."""
    rng = random.Random(seed)
    at = dict.fromkeys(isn, 0)
    for _ in range(n):
        sport = rng.choice(list(isn))
        seq = at[sport] + rng.choice((0, 0, 0, 0, 100, 700, 1448, -50, -1, -700, 5000, 70_000, 1 << 31))
        size = rng.choice((0, 1, 10, 100, 100, 536, 1000, 1448))
        flags = rng.choice((ACK,) * 60 + (ACK | PSH, ACK | URG, ACK | FIN, RST, SYN, 0, RST | ACK))
        stamp = struct.pack(">BBBBII", 1, 1, 8, 10, 1000 + rng.choice((0, 0, 0, 1, -1, -5, 1 << 31)) & 0xFFFFFFFF, 0)
        option = rng.choice((stamp, stamp, stamp, stamp, b"", b"\x08\x00" + bytes(10), rng.randbytes(12)))
        ack = isn[sport] + rng.choice((0, 0, 0, 0, 1, -1, 5, 1 << 31)) & 0xFFFFFFFF
        if seq == at[sport]:
            at[sport] += size
        yield eth(ip(tcp(bytes(size), sport=sport, seq=1001 + seq & 0xFFFFFFFF, ack=ack, flags=flags, options=option,
                         window=rng.choice((500, 500, 0, 65535)), check=rng.choice((None,) * 30 + (1,)),
                         dst="10.0.0.1"), proto=6))


def conversation(seed, plain=False, one_step=False, connections=12, n=400):
    host = Lab(plain=plain, one_step=one_step, cpus=2, queues=2, ring=512, itr_ns=20_000).listen()
    listener = host.boot.tcp_listener(0, 80)
    options = struct.pack(">BBH4sBBBBBBBBII", 2, 4, 1460, b"\1\1\4\2", 1, 3, 3, 7, 1, 1, 8, 10, 1000, 0)
    ports = [40000 + 7 * k for k in range(connections)]
    host.send(*[eth(ip(tcp(sport=p, seq=1000, flags=SYN, options=options), proto=6)) for p in ports], gap=700).run(host.t + 500_000)
    net = host.net
    isn = {r.rport: r.snt_isn + 1 & 0xFFFFFFFF for r in (net.reqs[i] for i in range(net.req_used)) if r.in_use}
    assert sorted(isn) == ports
    host.send(*[eth(ip(tcp(sport=p, seq=1001, ack=isn[p], flags=ACK), proto=6)) for p in ports], gap=700).run(host.t + 500_000)
    accepted = [sockets.accept(host.boot, listener) for _ in ports]
    host.send(*segments(seed, isn, n), gap=400).run(host.t + 2_000_000)
    host.run(host.t + 300_000_000)
    state = [(int(s.state), int(s.rmem_alloc), int(s.forward_alloc), int(s.rcvbuf), int(s.drops), int(s.err))
             for s in map(net.socks.__getitem__, accepted)]
    windows = [(int(t.rcv_nxt), int(t.rcv_wnd), int(t.rcv_ssthresh), int(t.num_sacks), int(t.ack_quick), int(t.ack_ato), int(t.srtt_us))
               for t in map(net.tcp.__getitem__, accepted)]
    left = [(o.t, o.cpu, o.data) for o in host.left(Out.TX)]
    told = (host.ends(), host.mib(), state, windows, left, int(net.tcp_memory))
    host.close()
    return told


@pytest.mark.parametrize("seed", range(6))
def test_running_ahead_equals_one_step_at_a_time(seed):
    assert conversation(seed) == conversation(seed, one_step=True)


@pytest.mark.parametrize("seed", range(2))
def test_compiled_equals_plain(seed):
    assert conversation(seed) == conversation(seed, plain=True)


def test_a_connection_moves_and_much_is_refused():
    ends, mib, *_ = conversation(1)
    assert mib["Tcp.PassiveOpens"] == 12
    assert {"TCP_OFOMERGE", "TCP_OLD_DATA", "TCP_INVALID_SEQUENCE", "TCP_ACK_UNSENT_DATA"} <= set(ends)
