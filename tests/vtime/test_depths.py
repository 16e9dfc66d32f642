"""High-water marks of a window, and its busiest millisecond."""
from rxpath._compile import forget, new, pages, region
from rxpath.abi.depths import DEPTH_ROW, burst_t
from rxpath.abi.record import Recorded
from rxpath.vtime.depths import bursts_count, depths_take

from ..frames import udp_frame

MS = 1_000_000


def taken(host, room=64):
    memory = pages(8 * DEPTH_ROW * room)
    at = region(memory)
    n = host.call(depths_take)(host.net, at, room)
    words = memoryview(memory).cast("B").cast("q").tolist()
    forget(at)
    return {(Recorded(words[i]), words[i + 1]): (words[i + 2], words[i + 3]) for i in range(0, n * DEPTH_ROW, DEPTH_ROW)}


def test_each_window_has_its_own_high_water_marks(lab):
    host = lab()
    sk = host.udp(5000)
    for _ in range(5):
        host.send(udp_frame())
    host.run()
    first = taken(host)
    memory, limit = first[Recorded.SOCK_MEM, sk]
    assert memory == host.net.socks[sk].rmem_alloc > 0 and limit == host.net.socks[sk].rcvbuf
    fill, size = first[Recorded.RING_FILL, 0]
    assert 0 < fill <= 5 and size == 256
    again = taken(host)
    assert again == {(Recorded.SOCK_MEM, sk): (memory, limit)}, "what still stands there, and nothing of the window before"
    host.send(udp_frame())
    host.run()
    assert taken(host)[Recorded.SOCK_MEM, sk][0] == memory // 5 * 6


def test_sockets_without_a_row_of_their_own_are_told_by_the_fullest(lab):
    host = lab()
    sockets = [host.udp(5000 + k) for k in range(4)]
    for k in range(4):
        for _ in range(k + 1):
            host.send(udp_frame(dport=5000 + k))
    host.run()
    found = taken(host, room=3)
    assert [owner for kind, owner in found if kind == Recorded.SOCK_MEM] == [sockets[0], sockets[3]]


def test_the_busiest_millisecond_of_all_queues_together(lab):
    host = lab(queues=2)
    b = new(burst_t)
    frames = [udp_frame(src=f"10.0.0.{10 + k}") for k in range(12)]
    start = 10 * MS
    for k in range(2):
        host.send(frames[k], at=start + k)
    for k in range(2, 9):                                    # seven, on both queues
        host.send(frames[k], at=start + 3 * MS + k * 1000)
    for k in range(9, 12):
        host.send(frames[k], at=start + 5 * MS + k)
    host.run()
    assert all(host.net.ring[q].feed_tail for q in range(2)), "both queues got some"
    host.call(bursts_count)(host.net, b, start + 5 * MS)
    assert (b.frames, b.most, b.most_bin) == (9, 7, (start + 3 * MS) // MS)
    assert b.most_octets == sum(map(len, frames[2:9])) and b.frame_octets == sum(map(len, frames[:9]))
    host.call(bursts_count)(host.net, b, 1 << 60)
    assert (b.frames, b.most) == (12, 7)
