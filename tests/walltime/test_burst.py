"""Real time from a ring in memory, as the path's benchmark uses it: every datagram is read, in every byte, on one thread and on two."""
import threading

import pytest

from benches.run import Path
from benches.stream import HEAD, MSS, Stream
from benches.workload import NFRAME, Workload
from rxpath.abi.mib import Mib
from rxpath.abi.numbers import NO_SKB
from rxpath.abi.reasons import Drop


@pytest.mark.parametrize("flows", [1, 40])
def test_every_frame_of_a_ring_in_memory_is_read_once(flows):
    work = Workload(64, flows)
    path = Path(work, flows)
    net = path.net
    path.serve(0, NFRAME)
    assert sum(t.sum for t in net.thread) == work.sum_of(NFRAME)
    assert net.snmp[0][Mib.Udp_InDatagrams] == net.drop_stat[0][Drop.RECEIVED] == NFRAME
    assert all(net.socks[s].rmem_alloc == net.socks[s].deficit and net.socks[s].qlen == 0 for s in range(flows))
    assert net.real_time == 1
    before = net.cpu[0].now
    path.serve(0, NFRAME)
    assert 0 < before < net.cpu[0].now, "the clock is on the wall"


def test_a_damaged_frame_is_dropped_by_its_checksum_in_software():
    work = Workload(64, 1)
    for i in range(0, NFRAME, 64):
        work.buffer[i * work.stride + 60] ^= 1
    path = Path(work, 1)
    good = NFRAME - NFRAME // 64
    assert path.burst.rt_serve(path.net, 0, NFRAME, path.first[0], work.stride, NFRAME, work.length, 64, work.rss) >= good
    assert path.net.snmp[0][Mib.Udp_InCsumErrors] == path.net.drop_stat[0][Drop.UDP_CSUM] >= NFRAME // 64


def test_two_queues_on_two_threads_read_their_own():
    from benches.run import two_queues
    path = two_queues()
    threads = [threading.Thread(target=path.serve, args=(q, 20 * NFRAME)) for q in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert path.net.real_time == 2, "then locks are locks"
    assert [path.net.snmp[q][Mib.Udp_InDatagrams] for q in range(2)] == [21 * NFRAME] * 2


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("gro", [False, True])
def test_a_stream_of_segments_is_read_to_the_byte_and_acknowledged(gro, copied):
    n = 256
    s = Stream(gro, frames=n, copied=copied)
    net, laps = s.net, 4 + 3                                                 # four to warm up, three here
    where = [s.first + i * s.stride + HEAD for i in range(n)]
    for i, at in enumerate(where):                                           # behind their numbers, which lap() adds up
        s.boot.memory[at + 8:at + MSS] = bytes((i + k) & 0xFF for k in range(MSS - 8))
    s.as_sent[:] = s.begin
    for _ in range(3):
        s.lap()
        assert bytes(s.keep[:MSS]) == bytes(s.boot.memory[where[-1]:where[-1] + MSS]), "the last one that was read"
    sk = next(k for k in net.socks if k.dport)
    tp = net.tcp[sk.idx]
    assert (tp.bytes_received, tp.segs_in - 1) == (laps * n * MSS, laps * n)
    assert (sk.qlen, sk.rmem_alloc, sk.receive_queue.head) == (0, 0, NO_SKB)
    assert laps * n // 50 < tp.segs_out <= laps * n                        # at most one each: how quick this machine is decides
    assert net.snmp[0][Mib.TcpExt_TCPRcvCoalesce] > (0 if gro else laps * n // 4)
    assert net.drop_stat[0][Drop.RECEIVED] == laps * n and sum(net.drop_stat[0][r] for r in Drop if r > Drop.CONSUMED) == 0


def test_between_laps_every_packet_and_every_descriptor_has_a_buffer_of_its_own():
    s = Stream(gro=True, frames=256)
    s.lap()
    net, ring, pool = s.net, s.net.ring[0], s.net.pool[0]
    held = [net.skb[i].head for i in range(pool.untaken)] + [net.desc[0][k].buf for k in range(ring.size)]
    assert len(set(held)) == len(held) and max(held) < s.first
