"""A connection from its SYN to close(), as Linux 6.18 does it: replies, counters, drop reasons, what the program reads.  The rows are those
that were measured; longer conversations are the judge's (tests/kernel)."""
import random

import pytest

from rxpath.abi.numbers import MSG_PEEK, MSG_TRUNC, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM, TCP
from rxpath.transport.inet_connection_sock import msecs_to_jiffies
from rxpath.user import socket as sockets
from rxpath.user.wait import sock_poll

from .stream import ACK, FIN, PSH, RST, SYN, Stream


@pytest.fixture
def veth(lab):
    """A host at the end of a veth, whose peer is a raw socket: nobody has verified a checksum."""
    def make(**options):
        host = lab(driver="veth", **options)
        host.net.nic[0].rx_csum = 0
        return host
    return make


def rows(s, *expected):
    """(what the peer sends, the replies, the counters, the drops, what a read says)."""
    for n, (sent, replies, counters, drops, read) in enumerate(expected):
        s.mark()
        got = s.send(**sent) if isinstance(sent, dict) else s.send(*sent)
        saw = s.try_read() if read != "unread" else read
        got += s.replies()
        assert (got, s.moved(), s.drops(), saw) == (replies, counters, drops, read), (n, sent)


AGAIN = "BlockingIOError"
OLD = {"DelayedACKLost": 1, "TCPDSACKOldSent": 1}
OLD_AT = {"TCP_OLD_DATA@tcp_rcv_established": 1}


def test_a_handshake_makes_a_connection(veth):
    s = Stream(veth(), connect=False)
    assert s.syn() == "win 65160 ws 10 mss 1460 sack True ts True"
    assert s.send() == []
    s.accept()
    assert s.host.mib() == {"Ip.InReceives": 2, "Ip.InDelivers": 2, "Tcp.InSegs": 2, "Tcp.OutSegs": 1, "Tcp.PassiveOpens": 1,
                            "Tcp.CurrEstab": 1, "TcpExt.TCPPureAcks": 1}
    tp = s.tp()
    assert (s.sock().state, s.sock().port, s.sock().dport) == (TCP.ESTABLISHED, 80, 40000)
    assert (tp.rcv_ssthresh, tp.window_clamp, tp.advmss, tp.rcvq_space, s.sock().sndbuf) == (64088, 64088, 1448, 14480, 46080)


@pytest.mark.parametrize("rcvbuf, sk_rcvbuf, win, wscale, ssthresh", [
    (1, 2304, 1152, 0, 1152), (4096, 8192, 2896, 0, 2896), (8192, 16384, 7240, 0, 6744), (32768, 65536, 31856, 0, 31320),
    (65536, 131072, 65160, 1, 64088), (131072, 262144, 65535, 2, 129624), (1 << 20, 2 << 20, 65535, 5, 1047128),
    (4 << 20, 8 << 20, 65535, 7, 4192856)])
def test_the_first_window_follows_from_the_buffer(veth, rcvbuf, sk_rcvbuf, win, wscale, ssthresh):
    s = Stream(veth(), rcvbuf=rcvbuf, connect=False)
    assert s.syn() == f"win {win} ws {wscale} mss 1460 sack True ts True"
    s.send()
    s.accept()
    assert (s.sock().rcvbuf, s.tp().rcv_ssthresh) == (sk_rcvbuf, ssthresh)


def test_options_that_were_not_offered_are_not_used(veth):
    s = Stream(veth(), ts=False, sack=False, wscale=None, mss=0, connect=False)
    assert s.syn() == "win 64240 ws None mss 1460 sack False ts False"
    s.send()
    s.accept()
    rows(s, ((1000, 100), [". seq 0 ack 0 win 64512"[:-5] + "64240"], {"TCPOFOQueue": 1}, {}, AGAIN))


def test_data_in_order_old_and_behind_holes(veth):
    rows(Stream(veth()),
         ((0, 1000), [". seq 0 ack 1000 win 64512"], {}, {}, 1000),
         ((0, 1000), [". seq 0 ack 1000 win 64512 sack 0:1000"], OLD, OLD_AT, AGAIN),
         ((500, 1000), [". seq 0 ack 1500 win 64512 sack 500:1000"], {"TCPDSACKOldSent": 1}, {}, 500),
         ((1499, 1), [". seq 0 ack 1500 win 64512 sack 1499:1500"], OLD, OLD_AT, AGAIN),
         ((1499, 0), [". seq 0 ack 1500 win 64512"], {}, {"TCP_OLD_SEQUENCE@tcp_validate_incoming": 1}, AGAIN),
         ((2000, 500), [". seq 0 ack 1500 win 64512 sack 2000:2500"], {"TCPOFOQueue": 1}, {}, AGAIN),
         ((3000, 500), [". seq 0 ack 1500 win 64512 sack 3000:3500,2000:2500"], {"TCPOFOQueue": 1}, {}, AGAIN),
         ((3500, 500), [". seq 0 ack 1500 win 64512 sack 3000:4000,2000:2500"], {"TCPOFOQueue": 1}, {}, AGAIN),
         ((3100, 300), [". seq 0 ack 1500 win 64512 sack 3100:3400,3000:4000,2000:2500"],
          {"TCPDSACKOfoSent": 1, "TCPOFOQueue": 1, "TCPOFOMerge": 1}, {"TCP_OFOMERGE@tcp_data_queue": 1}, AGAIN),
         ((3900, 300), [". seq 0 ack 1500 win 64512 sack 3900:4000,3000:4200,2000:2500"], {"TCPDSACKOfoSent": 1, "TCPOFOQueue": 1}, {},
          AGAIN),
         ((1900, 800), [". seq 0 ack 1500 win 64512 sack 2000:2500,1900:2700,3000:4200"],
          {"TCPDSACKOfoSent": 1, "TCPOFOQueue": 1, "TCPOFOMerge": 1}, {"TCP_OFOMERGE@tcp_data_queue": 1}, AGAIN),
         ((5000, 10), [". seq 0 ack 1500 win 64512 sack 5000:5010,1900:2700,3000:4200"], {"TCPOFOQueue": 1}, {}, AGAIN),
         ((6000, 10), [". seq 0 ack 1500 win 64512 sack 6000:6010,5000:5010,1900:2700"], {"TCPOFOQueue": 1}, {}, AGAIN),
         ((7000, 10), [". seq 0 ack 1500 win 64512 sack 7000:7010,6000:6010,5000:5010"], {"TCPOFOQueue": 1}, {}, AGAIN),
         ((1500, 400), [". seq 0 ack 2700 win 63488 sack 7000:7010,6000:6010,5000:5010"], {}, {}, 1200),
         ((2600, 500), [". seq 0 ack 4200 win 62464 sack 2600:2700,7000:7010,6000:6010"], {"TCPDSACKOldSent": 1}, {}, 1500))


def test_segments_that_cannot_be_are_refused(veth):
    s = Stream(veth())
    rows(s,
         ({"data": 600, "check": 1}, [], {"Tcp.InErrs": 1, "Tcp.InCsumErrors": 1}, {"TCP_CSUM@tcp_v4_do_rcv": 1}, AGAIN),
         ({"data": 100, "flags": PSH}, [], {}, {"TCP_FLAGS@tcp_v4_do_rcv": 1}, AGAIN),
         ({"data": 100, "flags": 0}, [], {}, {"TCP_FLAGS@tcp_v4_do_rcv": 1}, AGAIN),
         ({"data": 100, "opt": b"\x13\x12" + bytes(16) + b"\1\1"}, [], {"TCPMD5Unexpected": 1}, {"TCP_MD5UNEXPECTED@tcp_v4_rcv": 1}, AGAIN),
         ({"data": 100, "opt": b"\x08\x00" + bytes(10)}, [". seq 0 ack 100 win 65536"], {}, {}, 100),
         ({"seq": 100, "data": 100, "opt": b"\x05\x28" + bytes(10)}, [". seq 0 ack 200 win 65536"], {}, {}, 100),
         ({"seq": 200, "data": 100, "ts": False}, [". seq 0 ack 300 win 65536"], {}, {}, 100))


def test_time_stamps_that_run_backwards_are_refused(veth):
    s = Stream(veth())
    refused = {"TCP_RFC7323_PAWS@tcp_validate_incoming": 1}
    s.send(0, 100)
    assert s.read() == 100
    rows(s,
         ({"seq": 100, "data": 100, "ts": 999}, [". seq 0 ack 200 win 65536"], {}, {}, 100),
         ({"seq": 200, "data": 100, "ts": 998}, [". seq 0 ack 200 win 65536"], {"PAWSEstab": 1}, refused, AGAIN),
         ({"seq": 0, "data": 100, "ts": 998}, [". seq 0 ack 200 win 65536 sack 0:100"], {"PAWSEstab": 1, **OLD}, refused, AGAIN),
         ({"seq": 100, "ts": 998}, [], {"PAWSOldAck": 1}, {"TCP_RFC7323_PAWS_ACK@tcp_validate_incoming": 1}, AGAIN),
         ({"seq": 200, "ts": 998, "flags": RST}, [], {"Tcp.EstabResets": 1, "Tcp.CurrEstab": -1}, {}, "ConnectionResetError"))


def test_acks_of_what_was_never_sent_are_challenged(veth):
    s = Stream(veth())
    rows(s,
         ({"ack": 5}, [". seq 0 ack 0 win 65536"], {"TCPChallengeACK": 1}, {"TCP_ACK_UNSENT_DATA@tcp_v4_do_rcv": 1}, "unread"),
         ({"ack": 5, "data": 100}, [], {"TCPACKSkippedChallenge": 1}, {"TCP_ACK_UNSENT_DATA@tcp_v4_do_rcv": 1}, AGAIN))


@pytest.mark.parametrize("sent, replies, counters, drops, read", [
    ({"flags": RST}, [], {"Tcp.EstabResets": 1, "Tcp.CurrEstab": -1}, {}, "ConnectionResetError"),
    ({"flags": RST | ACK}, [], {"Tcp.EstabResets": 1, "Tcp.CurrEstab": -1}, {}, "ConnectionResetError"),
    ({"flags": RST, "data": 20}, [], {"Tcp.EstabResets": 1, "Tcp.CurrEstab": -1}, {}, "ConnectionResetError"),
    ({"seq": 100, "flags": RST}, [". seq 0 ack 0 win 65536"], {"TCPChallengeACK": 1}, {"TCP_RESET@tcp_validate_incoming": 1}, AGAIN),
    ({"seq": -100, "flags": RST}, [], {}, {"TCP_OLD_SEQUENCE@tcp_validate_incoming": 1}, AGAIN),
    ({"seq": 1 << 20, "flags": RST}, [], {}, {"TCP_INVALID_SEQUENCE@tcp_validate_incoming": 1}, AGAIN),
    ({"seq": 100, "flags": SYN}, [". seq 0 ack 0 win 65536"], {"Tcp.InErrs": 1, "TCPChallengeACK": 1, "TCPSYNChallenge": 1},
     {"TCP_INVALID_SYN@tcp_validate_incoming": 1}, AGAIN),
    ({"seq": -1, "flags": SYN | ACK}, [". seq 0 ack 0 win 65536"], {"Tcp.InErrs": 1, "TCPChallengeACK": 1, "TCPSYNChallenge": 1},
     {"TCP_INVALID_SYN@tcp_validate_incoming": 1}, AGAIN),
])
def test_rst_and_syn_within_a_connection(veth, sent, replies, counters, drops, read):
    rows(Stream(veth()), (sent, replies, counters, drops, read))


def test_a_window_is_a_window(veth):
    s = Stream(veth(), rcvbuf=8192)
    s.send(7240, 10)
    rows(s,
         ((7340, 10), [". seq 0 ack 0 win 7240"], {"BeyondWindow": 1}, {"TCP_INVALID_SEQUENCE@tcp_validate_incoming": 1}, AGAIN),
         ((1 << 20, 10), [". seq 0 ack 0 win 7240"], {"BeyondWindow": 1}, {"TCP_INVALID_SEQUENCE@tcp_validate_incoming": 1}, AGAIN),
         ((7240, 0), [], {"TCPPureAcks": 1}, {}, AGAIN))
    assert s.drops_now()["TCP_OVERWINDOW@tcp_rcv_established"] == 1


def test_the_peer_closes_and_so_do_we(veth):
    s = Stream(veth())
    rows(s, ((0, 100, ACK | FIN), [], {}, {}, 100))
    assert s.read() == 0
    assert poll(s) == POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM
    rows(s,
         ((101, 10), [], {}, {"NOT_SPECIFIED@tcp_rcv_state_process": 1}, 0),
         ((100, 0, ACK | FIN), [". seq 0 ack 101 win 65536 sack 100:101"], OLD, {"TCP_OLD_DATA@tcp_rcv_state_process": 1}, 0))
    s.mark()
    sockets.close(s.boot, s.sk)
    assert s.replies() == ["F. seq 0 ack 101 win 65536"]
    assert s.moved() == {"Tcp.CurrEstab": -1, "TCPOrigDataSent": 1}
    assert s.sock().state == TCP.LAST_ACK
    s.mark()
    assert s.send(101, 0, ack=1) == []
    assert s.moved() == {"TCPPureAcks": 1, "TCPDelivered": 1}
    assert s.sock().in_use == 0
    assert s.send(101, 0, ack=1) == ["R seq 1 ack 0 win 0"]


def test_closing_with_unread_data_resets(veth):
    s = Stream(veth())
    s.send(0, 100)
    s.mark()
    sockets.close(s.boot, s.sk)
    assert s.replies() == ["R. seq 0 ack 100 win 65536"]
    assert s.moved() == {"Tcp.EstabResets": 1, "Tcp.CurrEstab": -1, "Tcp.OutRsts": 1, "TCPAbortOnClose": 1}
    assert s.drops() == {"TCP_UNREAD@tcp_close": 1}


def test_the_delayed_ack_comes_after_40_ms(veth):
    s = Stream(veth())
    s.tp().ack_quick, s.tp().ack_ato = 0, 10
    s.mark()
    assert s.send(0, 100) == []
    assert s.send(wait=30_000_000, seq=100, data=0) == []
    s.host.run(s.host.t + 20_000_000)
    assert s.replies() == [". seq 0 ack 100 win 65536"]
    assert s.moved()["DelayedACKs"] == 1


@pytest.mark.parametrize("hz", [100, 250, 300, 1000])
def test_a_connection_counts_in_jiffies_whatever_hz_is(veth, hz):
    s = Stream(veth(hz=hz))
    jiffy_ns = 1_000_000_000 // hz
    s.host.run(s.host.t + 1_234_567_890)
    s.tp().ack_ato, began = 0, s.host.t
    s.send(0, 100)
    assert began // jiffy_ns <= s.tp().ack_lrcvtime <= s.net.cpu[0].now // jiffy_ns < (began + 100_000_000) // jiffy_ns
    assert s.tp().ack_ato == -(-40_000_000 // jiffy_ns), "40 ms, rounded up"
    assert [msecs_to_jiffies(s.net, ms) for ms in (0, 1, 39, 41)] == [-(-ms * 1_000_000 // jiffy_ns) for ms in (0, 1, 39, 41)]


def test_peek_and_trunc(veth):
    s = Stream(veth())
    s.send(0, 600)
    assert s.read(100, MSG_PEEK) == 100 and s.read(1000, MSG_PEEK) == 600
    assert s.read(200, MSG_TRUNC) == 200
    assert s.read(400) == 400 and bytes(s.buffer[:3]) == bytes([200, 201, 202])


def poll(s):
    return sock_poll(s.net, 0, s.sock())


def test_a_reset_is_an_end_for_poll(veth):
    s = Stream(veth())
    s.send(flags=RST)
    assert poll(s) & POLLHUP


def test_a_pruned_buffer(veth):
    """SO_RCVBUF lowered under an open window."""
    s = Stream(veth())
    s.send(0, 1400)
    from rxpath.user import sock as options
    options.setsockopt(s.boot, s.sk, "SO_RCVBUF", 2304)
    s.mark()
    s.send(1400, 1400)
    s.send(2800, 1400)
    assert s.send(4200, 1400) == [". seq 0 ack 4200 win 0"]
    moved = s.moved()
    assert (moved["PruneCalled"], moved["RcvPruned"], moved["TCPRcvQDrop"], moved["TCPWantZeroWindowAdv"]) == (1, 1, 1, 1)
    assert s.drops() == {"PROTO_MEM@tcp_rcv_established": 1}


def test_many_islands_are_told_apart(veth):
    """A thousand of them, in an order that is none, then all holes are filled."""
    s = Stream(veth(nskb=8192))
    frames = [s.frame(2 * k + 1, 1) for k in sorted(range(1000), key=lambda k: k * 7919 % 1000)]
    s.raw(*frames, wait=10_000_000)
    order, i = [], s.net.skb[s.tp().ooo_root].idx
    from rxpath.abi.skbuff import TCP_SKB_CB
    while TCP_SKB_CB(s.net.skb[i]).left >= 0:
        i = TCP_SKB_CB(s.net.skb[i]).left
    while i >= 0:
        order.append((TCP_SKB_CB(s.net.skb[i]).seq - s.peer) & 0xFFFFFFFF)
        i = s.net.skb[i].next
    assert order == sorted(order) and len(order) == len(set(order)) > 100


def test_a_full_buffer_is_collapsed_before_anything_is_lost(veth):
    """Seven segments of 500 bytes weigh 8,960; copied together 4,352.  Their frames keep their own ends, and the bytes are the same."""
    s = Stream(veth(), rcvbuf=4096)
    for k in range(7):
        s.send(500 * k, 500)
    assert s.sock().rmem_alloc == 8960 > s.sock().rcvbuf
    s.tp().rcv_wnd = 5000                            # it had been promised before
    s.mark()
    s.send(3400, 150)
    moved = s.moved()
    assert (moved["PruneCalled"], moved["TCPRcvCollapsed"], moved["TCPDSACKOldSent"]) == (1, 7, 1) and s.drops() == {}
    assert s.sock().rmem_alloc == 4096 + 256 + 832
    assert s.read() == 3550 and bytes(s.buffer[:3550]) == bytes(n & 0xFF for n in range(3550))
    assert s.host.ends()["RECEIVED"] == 8


@pytest.mark.parametrize("mss, small", [(1448, False), (1448, True), (8948, False)], ids=["merged", "a small buffer", "jumbo"])
def test_reads_of_any_size_go_on_where_the_last_one_ended(lab, mss, small):
    """Of segments that GRO or coalescing made one, or collapsing made anew; after a hole; with looks ahead (MSG_PEEK)."""
    host = lab()
    s, rng, sent, got = Stream(host, mss=mss + 12, **({"rcvbuf": 20_000} if small else {})), random.Random(mss + small), 0, 0
    merged, data = 0, rng.randbytes(4_000_000)
    if mss > 1448:
        host.boot.netdev.ndo("ndo_change_mtu", 9000)
    for step in range(150):
        if step % 3 == 0 and sent - got < 20_000:
            pieces = []
            for _ in range(rng.randrange(20, 60) if small else rng.randrange(1, 9)):
                n = rng.randrange(1, 200) if small else mss if rng.random() < 0.8 else rng.randrange(1, mss)
                pieces.append((sent, data[sent:sent + n]))
                sent += n
            s.raw(*(s.frame(*piece) for piece in ([*pieces[1:], pieces[0]] if step % 9 == 0 else pieces)))
            sent = s.tp().rcv_nxt - s.peer & 0xFFFFFFFF                          # a small buffer takes what it can
        head = s.sock().receive_queue.head
        merged += head >= 0 and host.net.skb[head].frag_list >= 0
        n, peek = rng.randrange(1, 200 if small else 3 * mss), rng.random() < 0.2
        read = s.try_read(n, MSG_PEEK if peek else 0)
        if got == sent:
            assert read == AGAIN
            continue
        assert read == min(n, sent - got) and bytes(s.buffer[:read]) == data[got:got + read], step
        got += 0 if peek else read
    assert sent > (20_000 if small else 100_000) and merged > 30
    assert ("TcpExt.TCPRcvCollapsed" in host.mib()) == small
