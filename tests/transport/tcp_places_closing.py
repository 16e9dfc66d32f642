"""As tcp_places.py: requests, cookies, TIME_WAIT, an active open."""
from rxpath.abi.kernels import Behaviour, Sysctl
from rxpath.abi.numbers import IPPROTO
from rxpath.user import socket as sockets

from ..frames import PEER, arp, ip4
from ..tcp_peer import Peer
from .stream import ACK, FIN, Stream


def old_in_time_wait(host):
    """Both ends have closed, and the program has read all; then an older time stamp."""
    s = Stream(host)
    sockets.shutdown(s.boot, s.sk, 1)
    s.send(ack=1)
    s.send(flags=ACK | FIN, ack=1)
    s.read()
    s.send(seq=1, ack=1, data=10, ts=900)


def no_record_left(host):
    """The peer's FIN acknowledges ours, and there may be no TIME_WAIT: it goes with the socket."""
    host.net.sysctl[Sysctl.tcp_max_tw_buckets] = 0
    s = Stream(host)
    sockets.close(s.boot, s.sk)
    s.send(flags=ACK | FIN, ack=1)


def wrong_echo(host):
    host.net.behaviour[Behaviour.tsecr_syn_recv] = 1
    s = Stream(host, connect=False)
    s.syn()
    s.send(tsecr=s.tsecr + 100_000)


def unaccepted(host):
    """Data that nobody has read of a connection whose listener closes before it is accepted."""
    s = Stream(host, connect=False)
    s.syn()
    s.send()
    s.send(data=100)
    sockets.close(s.boot, s.listener)


def cookie_without_room(host):
    """A cookie comes back when the accept queue has filled."""
    host.net.sysctl[Sysctl.tcp_syncookies] = 2
    first = Stream(host, backlog=0, connect=False)
    second = Stream(host, sport=40001, listener=first.listener, connect=False)
    first.syn()
    second.syn()
    first.send()
    second.send()


def connecting(host, **recent):
    host.send(arp()).run()
    sk = sockets.create(host.boot, IPPROTO.TCP)
    sockets.bind(host.boot, sk, 0, 50000)
    for name, value in recent.items():
        setattr(host.net.tcp[sk], name, value)
    peer = Peer(host, dport=50000, sport=80)
    try:
        sockets.connect(host.boot, sk, ip4(PEER), 80)
    except BlockingIOError:
        host.run(host.t + 100_000)
    peer.replies()
    return peer


def echoes_another(host):
    peer = connecting(host)
    peer.send("SA", -1, ts=(5, peer.tsecr + 1_000_000))


PLACES = {
    ("TCP_RFC7323_TW_PAWS", "tcp_v4_rcv"): old_in_time_wait,
    ("TCP_RFC7323_TSECR", "tcp_v4_rcv"): wrong_echo,
    ("TCP_INVALID_ACK_SEQUENCE", "tcp_v4_do_rcv"): lambda h: connecting(h).ack(ack=5),
    ("TCP_RFC7323_PAWS", "tcp_v4_do_rcv"): echoes_another,
    ("TCP_RFC7323_PAWS", "tcp_rcv_state_process"): lambda h: connecting(h, ts_recent=1 << 20, ts_recent_stamp=1).syn(),
    ("NO_SOCKET", "cookie_v4_check"): cookie_without_room,
    ("QUEUE_PURGE", "sk_stream_kill_queues"): no_record_left,
    ("QUEUE_PURGE", "tcp_disconnect"): unaccepted,
}
