"""(reason, station) of TCP: how to give it, by frames to a host at the end of a veth; tests/test_reasons.py compares what moves."""
from rxpath.abi.numbers import TCP
from rxpath.user import filter
from rxpath.user import sock as options
from rxpath.user import socket as sockets

from ..frames import eth, ip, tcp
from . import tcp_places_closing
from .stream import ACK, FIN, RST, SYN, Stream


def connected(host, *sent, **how):
    s = Stream(host, **how)
    for segment in sent:
        s.send(**segment)
    return s


def damaged(host):
    host.net.nic[0].rx_csum = 0
    connected(host, {"data": 600, "check": 1})


def to_listener(host, flags):
    Stream(host, connect=False)
    host.send(eth(ip(tcp(flags=flags), proto=6))).run()


def to_request(host, **segment):
    s = Stream(host, connect=False)
    s.syn()
    s.send(**segment)


def closing(host, *sent):
    """The peer's FIN has come, then what is sent."""
    s = connected(host, {"flags": ACK | FIN})
    s.read()
    for segment in sent:
        s.send(**segment)


def over(host):
    """A segment that waited on the backlog when the one before it reset the connection."""
    s = Stream(host)
    s.boot.call(options.own_sock)(s.net, 0, s.sk, s.t)
    s.send(flags=RST)
    s.send(data=100)
    s.boot.call(options.disown_sock)(s.net, 0, s.sk)
    assert s.sock().state == TCP.CLOSE


def for_an_owner(host):
    """More than the backlog of an owned socket takes."""
    s = Stream(host, rcvbuf=4096)
    s.sock().sndbuf = 0
    s.boot.call(options.own_sock)(s.net, 0, s.sk, s.t)
    for k in range(37):
        s.send(1400 * k, 1400, ts=2000 + k)
    assert s.net.socks[s.sk].drops == 1


def filtered(host):
    """A program that takes nothing (BPF_RET 0)."""
    s = Stream(host)
    filter.sk_attach_filter(s.boot, s.sk, [(6, 0, 0, 0)])
    s.send(0, 100)
    assert s.sock().drops == 1


def full_accept_queue(host):
    """Two wait to be accepted; the third handshake was begun before they did."""
    first = Stream(host, backlog=1, connect=False)
    second, third = (Stream(host, sport=sport, listener=first.listener, connect=False) for sport in (40001, 40002))
    first.syn()
    second.syn()
    first.send()
    third.syn()
    second.send()
    third.send()


def shut(s, *sent):
    """The program will not send any more, and still reads: FIN_WAIT1."""
    sockets.shutdown(s.boot, s.sk, 1)
    for segment in sent:
        s.send(**segment)


def smaller_buffer(host, half_closed=False):
    """SO_RCVBUF is lowered under an open window."""
    s = connected(host, {"data": 1400})
    options.setsockopt(s.boot, s.sk, "SO_RCVBUF", 2304)
    if half_closed:
        shut(s)
    for k in (1, 2, 3):
        s.send(1400 * k, 1400)


def many_islands(host):
    """The buffer is full of them, and one comes before them all."""
    s = Stream(host, rcvbuf=8192, window=10_000)
    s.tp().rcv_wnd = 60_000
    k = 0
    while s.sock().rmem_alloc <= s.sock().rcvbuf:
        s.send(2000 + 1500 * k, 1400)
        k += 1
    s.send(100, 20)


def unread(host):
    s = connected(host, {"data": 100})
    sockets.close(s.boot, s.sk)


def purged(host):
    """Data behind a hole of a connection that is reset, and that its program has closed."""
    s = connected(host, {"seq": 100, "data": 100})
    sockets.close(s.boot, s.sk)
    s.send(flags=RST)


def closed_to_data(host):
    s = Stream(host)
    sockets.close(s.boot, s.sk)
    s.send(data=100)


def window_0(host, fin=False):
    """A repaired connection can have a window of 0 and an empty queue."""
    s = Stream(host)
    if fin:
        sockets.shutdown(s.boot, s.sk, 1)
    s.tp().rcv_wnd, s.tp().rcv_wup, s.tp().pred_flags = 0, s.tp().rcv_nxt, 0
    s.sock().rcvbuf = 0
    s.send(data=100)


def min_ttl(host):
    s = Stream(host)
    s.tp().min_ttl = 100
    s.send(data=100)


HALF = {"data": 100}
PLACES = {
    ("TCP_CSUM", "tcp_v4_do_rcv"): damaged,
    ("TCP_FLAGS", "tcp_v4_do_rcv"): lambda h: to_listener(h, ACK),
    ("TCP_FLAGS", "tcp_rcv_state_process"): lambda h: to_listener(h, FIN),
    ("TCP_RESET", "tcp_rcv_state_process"): lambda h: to_listener(h, RST),
    ("TCP_RESET", "tcp_validate_incoming"): lambda h: connected(h, {"seq": 100, "flags": RST}),
    ("TCP_CLOSE", "tcp_rcv_state_process"): over,
    ("TCP_MD5UNEXPECTED", "tcp_v4_rcv"): lambda h: connected(h, {"data": 100, "opt": b"\x13\x12" + bytes(16) + b"\1\1"}),
    ("TCP_MINTTL", "tcp_v4_rcv"): min_ttl,
    ("TCP_LISTEN_OVERFLOW", "tcp_v4_rcv"): full_accept_queue,
    ("TCP_OLD_DATA", "tcp_rcv_established"): lambda h: connected(h, HALF, HALF),
    ("TCP_OLD_DATA", "tcp_rcv_state_process"): lambda h: closing(h, {"flags": ACK | FIN}),
    ("TCP_OVERWINDOW", "tcp_rcv_established"): lambda h: connected(h, {"seq": 7240, "data": 10}, rcvbuf=8192),
    ("TCP_OVERWINDOW", "tcp_rcv_state_process"): lambda h: shut(connected(h, rcvbuf=8192), {"seq": 7240, "data": 10}),
    ("TCP_OVERWINDOW", "tcp_v4_rcv"): lambda h: to_request(h, seq=1 << 20),
    ("TCP_OFOMERGE", "tcp_data_queue"): lambda h: connected(h, {"seq": 100, "data": 100}, {"seq": 100, "data": 100}),
    ("TCP_OFO_DROP", "tcp_data_queue"): lambda h: connected(h, {"seq": 50, "data": 20}, {"data": 100}),
    ("TCP_OFO_QUEUE_PRUNE", "tcp_prune_ofo_queue"): many_islands,
    ("TCP_ZEROWINDOW", "tcp_rcv_established"): window_0,
    ("TCP_ZEROWINDOW", "tcp_rcv_state_process"): lambda h: window_0(h, True),
    ("TCP_RFC7323_PAWS", "tcp_validate_incoming"): lambda h: connected(h, HALF, {"seq": 100, "data": 100, "ts": 900}),
    ("TCP_RFC7323_PAWS", "tcp_v4_rcv"): lambda h: to_request(h, ts=900),
    ("TCP_RFC7323_PAWS_ACK", "tcp_validate_incoming"): lambda h: connected(h, HALF, {"seq": 0, "ts": 900}),
    ("TCP_OLD_SEQUENCE", "tcp_validate_incoming"): lambda h: connected(h, {"seq": -1}),
    ("TCP_INVALID_SEQUENCE", "tcp_validate_incoming"): lambda h: connected(h, {"seq": 1 << 20, "data": 10}),
    ("TCP_INVALID_END_SEQUENCE", "tcp_validate_incoming"): lambda h: connected(h, HALF, {"seq": 7000, "data": 1000}, rcvbuf=8192),
    ("TCP_INVALID_SYN", "tcp_validate_incoming"): lambda h: connected(h, {"flags": SYN}),
    ("TCP_ACK_UNSENT_DATA", "tcp_v4_do_rcv"): lambda h: connected(h, {"ack": 9}),
    ("TCP_ACK_UNSENT_DATA", "tcp_rcv_state_process"): lambda h: closing(h, {"seq": 1, "ack": 9}),
    ("TCP_TOO_OLD_ACK", "tcp_v4_do_rcv"): lambda h: connected(h, {"ack": -1 << 20, "data": 100}),
    ("TCP_TOO_OLD_ACK", "tcp_rcv_state_process"): lambda h: closing(h, {"seq": 1, "ack": -1 << 20}),
    ("TCP_ABORT_ON_DATA", "tcp_v4_do_rcv"): closed_to_data,
    ("TCP_UNREAD", "tcp_close"): unread,
    ("NOT_SPECIFIED", "skb_rbtree_purge"): purged,
    ("NOT_SPECIFIED", "tcp_rcv_state_process"): lambda h: closing(h, {"seq": 1, "data": 10}),
    ("SOCKET_FILTER", "tcp_v4_rcv"): filtered,
    ("SOCKET_BACKLOG", "tcp_v4_rcv"): for_an_owner,
    ("PROTO_MEM", "tcp_rcv_established"): smaller_buffer,
    ("PROTO_MEM", "tcp_rcv_state_process"): lambda h: smaller_buffer(h, True),
} | tcp_places_closing.PLACES
