"""The control plane of sockets: socket(), bind(), connect(), setsockopt(), close(), and what one may ask of one.

`b` is a Booted (boot.py): it has .net and .call (compiled or plain).  Errors are OSError with the kernel's errno.  Each may be called
before a run or between two calls of the engine: then it happens at that moment of virtual time."""
import errno
from typing import Any, NamedTuple

from .._compile import entry, path_function
from ..abi.kernels import Behaviour, Sysctl
from ..abi.limits import NSOCK, NTHREAD
from ..abi.net import NEPOLL, NWAIT, Net
from ..abi.numbers import AF_INET, IPPROTO, NO_ROUTE, NO_SKB, NO_SOCK, NO_THREAD
from ..abi.reasons import Drop
from ..abi.sock import SOCK_CLOSED, SOCK_ESTABLISHED, SOCK_OPEN, sock
from ..record import record_sock_at
from ..skb import alloc_skb, kfree_skb_reason, skb_init
from .checksum import first_packet_length
from .poll import ep_insert, ep_modify, ep_remove, poll_list
from .queue import __udp_enqueue_schedule_skb, lock_sock, release_sock, udp_queue_rcv_locked
from .recvmsg import sys_recvfrom
from .tables import (
    bind_conflict,
    hash2_insert,
    hash2_remove,
    hash4_insert,
    hash4_remove,
    hash_insert,
    hash_remove,
    reuseport_detach_sock,
    reuseport_join,
)
from .wait import __wake_up_sync_key, ep_wait, epoll_add, epoll_create, finish_wait, poll_add, poll_wait, wait_add_tail, wait_remove

SOCK_MIN_RCVBUF = 2304          # 2048 and sizeof(struct sk_buff); measured
RCVBUF_MAX = 2147483646
FIRST_PORT, LAST_PORT = 32768, 60999                # ip_local_port_range


# ---------------------------------------------------------------- entries: they write tables
@entry
def sock_init(net: Net, i: int, family: int, protocol: int) -> None:
    """sock_init_data()"""
    sk = net.socks[i]
    sk.idx, sk.family, sk.protocol, sk.state = i, family, protocol, SOCK_OPEN
    sk.rcv_saddr_lo, sk.rcv_saddr_hi, sk.daddr_lo, sk.daddr_hi, sk.bind_addr_lo = 0, 0, 0, 0, 0
    sk.port, sk.dport, sk.bound_dev, sk.incoming_cpu, sk.reuse, sk.reuseport, sk.group, sk.rxhash = 0, 0, 0, -1, 0, 0, -1, 0
    sk.hnext, sk.hnext2, sk.hnext4 = NO_SOCK, NO_SOCK, NO_SOCK
    sk.head, sk.tail, sk.reader_head, sk.reader_tail, sk.backlog_head, sk.backlog_tail = NO_SKB, NO_SKB, NO_SKB, NO_SKB, NO_SKB, NO_SKB
    sk.qlen, sk.qlen_max, sk.in_packets, sk.packets, sk.drops, sk.readers = 0, 0, 0, 0, 0, 0
    sk.rmem_alloc, sk.rmem_max_seen, sk.forward_alloc, sk.deficit, sk.backlog_len, sk.backlog_max, sk.backlog_qlen = 0, 0, 0, 0, 0, 0, 0
    sk.wq_head, sk.wq_tail, sk.owned, sk.lock_wait, sk.lock.last_cpu = -1, -1, NO_THREAD, NO_THREAD, -1
    sk.mc_list, sk.mc_all, sk.peek_off, sk.gro_enabled, sk.nonblock, sk.napi_id, sk.busy_poll_ns, sk.rcvtimeo_ns = -1, 1, -1, 0, 0, 0, 0, 0
    sk.pktinfo, sk.rxq_ovfl, sk.no_check, sk.encap = 0, 0, 0, 0
    sk.rx_dst, sk.rx_dst_type, sk.rx_dst_gen, sk.rx_dst_cpus = NO_ROUTE, 0, 0, 0
    sk.err, sk.shutdown, sk.recverr, sk.freebind, sk.broadcast, sk.cmsg_flags = 0, 0, 0, 0, 0, 0
    sk.rcvbuf = net.sysctl[Sysctl.rmem_default]
    sk.forward_threshold = sk.rcvbuf >> 2


@entry
def udp_get_port(net: Net, i: int, addr: int, port: int) -> int:
    """udp_lib_get_port(): 0, or an errno.  Port 0: the first free one of ip_local_port_range from a place that the seed says."""
    sk = net.socks[i]
    chosen = port
    if port == 0:
        n = LAST_PORT - FIRST_PORT + 1
        place = (net.udp_hash_seed + 7919 * net.bind_seq) % n
        for k in range(n):
            chosen = FIRST_PORT + (place + k) % n
            if not bind_conflict(net, sk, addr, chosen):
                break
    if bind_conflict(net, sk, addr, chosen):
        return errno_EADDRINUSE
    sk.port, sk.rcv_saddr_lo, sk.bind_addr_lo = chosen, addr, addr
    if sk.reuseport:
        if not reuseport_join(net, sk):
            sk.port = 0
            return errno_EADDRINUSE
    net.bind_seq += 1
    sk.bind_seq = net.bind_seq
    hash_insert(net, sk)
    hash2_insert(net, sk)
    return 0


@entry
def udp_connect(net: Net, i: int, local: int, daddr: int, dport: int) -> None:
    """__ip4_datagram_connect(): the socket leaves its group, takes a local address if it had none, and stands in udp_hash4."""
    sk = net.socks[i]
    if sk.dport:
        hash4_remove(net, sk)
    if sk.group >= 0:
        reuseport_detach_sock(net, sk)
    if sk.rcv_saddr_lo == 0:
        hash2_remove(net, sk)
        sk.rcv_saddr_lo = local
        hash2_insert(net, sk)
    sk.daddr_lo, sk.dport, sk.state = daddr, dport, SOCK_ESTABLISHED
    hash4_insert(net, sk)


@entry
def udp_disconnect(net: Net, i: int) -> None:
    """connect(AF_UNSPEC): any peer again; an address that connect() had filled in is any again."""
    sk = net.socks[i]
    if sk.dport:
        hash4_remove(net, sk)
        sk.daddr_lo, sk.dport, sk.state, sk.rxhash = 0, 0, SOCK_OPEN, 0
    if sk.rcv_saddr_lo != sk.bind_addr_lo:
        hash2_remove(net, sk)
        sk.rcv_saddr_lo = sk.bind_addr_lo
        hash2_insert(net, sk)


@entry
def udp_close(net: Net, cpu: int, i: int) -> None:
    """udp_destroy_sock(), udp_destruct_common(): out of the tables, its datagrams freed (NOT_SPECIFIED, as on 6.18), its memory given back.
    A packet that is on its way to it will find another generation."""
    sk = net.socks[i]
    if sk.port:
        if sk.group >= 0:
            reuseport_detach_sock(net, sk)
        if sk.dport:
            hash4_remove(net, sk)
        hash2_remove(net, sk)
        hash_remove(net, sk)
    sk.gen += 1
    sk.port, sk.dport, sk.state, sk.hnext, sk.hnext2 = 0, 0, SOCK_CLOSED, NO_SOCK, NO_SOCK
    while sk.wq_head >= 0:
        wait_remove(net, sk, sk.wq_head)
    free_queue(net, cpu, sk.reader_head)
    free_queue(net, cpu, sk.head)
    free_queue(net, cpu, sk.backlog_head)
    sk.reader_head, sk.reader_tail, sk.head, sk.tail, sk.backlog_head, sk.backlog_tail = NO_SKB, NO_SKB, NO_SKB, NO_SKB, NO_SKB, NO_SKB
    if net.real_time == 0:
        net.udp_memory -= (sk.rmem_alloc + sk.forward_alloc) >> 12
    sk.rmem_alloc, sk.forward_alloc, sk.deficit, sk.qlen, sk.backlog_len, sk.backlog_qlen = 0, 0, 0, 0, 0, 0
    if net.record and sk.series:
        c = net.cpu[cpu]
        record_sock_at(net, sk, max(c.now, net.sim.now))
        sk.series = 0
    if sk.rxq_ovfl:
        net.rxq_ovfl -= 1
        sk.rxq_ovfl = 0
    if sk.gro_enabled:
        net.udp_encap_needed -= 1
        sk.gro_enabled = 0
    while sk.mc_list >= 0:
        mcast_unlink(net, sk, sk.mc_list)
    sk.hnext4 = net.sock_free - 1
    net.sock_free = i + 1


@entry
def udp_unhash(net: Net, i: int) -> None:
    """Its port is free again: of a socket that connect() has bound and connect(AF_UNSPEC) lets go."""
    sk = net.socks[i]
    if sk.group >= 0:
        reuseport_detach_sock(net, sk)
    hash2_remove(net, sk)
    hash_remove(net, sk)
    sk.port, sk.hnext, sk.hnext2 = 0, NO_SOCK, NO_SOCK


@entry
def sock_rxq_ovfl(net: Net, i: int, on: int) -> None:
    """SO_RXQ_OVFL: from now on each datagram remembers the drops before it."""
    sk = net.socks[i]
    net.rxq_ovfl += on - sk.rxq_ovfl
    sk.rxq_ovfl = on
    zero_dropcount(net, sk.reader_head)
    zero_dropcount(net, sk.head)


@path_function
def zero_dropcount(net: Net, first: int) -> None:
    i = first
    while i >= 0:
        skb = net.skb[i]
        skb.dropcount = 0
        i = skb.next


@path_function
def free_queue(net: Net, cpu: int, first: int) -> None:
    i = first
    while i >= 0:
        skb = net.skb[i]
        i = skb.next
        kfree_skb_reason(net, cpu, skb, Drop.NOT_SPECIFIED)


@path_function
def mcast_unlink(net: Net, sk: sock, m: int) -> None:
    gone = net.mcast[m]
    if sk.mc_list == m:
        sk.mc_list = gone.next
    else:
        before = net.mcast[sk.mc_list]
        while before.next != m:
            before = net.mcast[before.next]
        before.next = gone.next
    gone.next = net.mcast_free - 1
    net.mcast_free = m + 1


@entry
def mcast_leave(net: Net, i: int, m: int) -> None:
    mcast_unlink(net, net.socks[i], m)


@entry
def sock_fionread(net: Net, cpu: int, i: int) -> int:
    """SIOCINQ: looks at the queue as poll() does, with all that follows from it."""
    return max(0, first_packet_length(net, cpu, net.socks[i]))


@entry
def recv_now(net: Net, cpu: int, t: int) -> int:
    """recvfrom() of a thread that the engine does not run; a length or a negative errno."""
    return sys_recvfrom(net, cpu, t)


@entry
def deliver_blank(net: Net, cpu: int, i: int, truesize: int, length: int) -> int:
    """A datagram of zeros straight into the socket, as udp_queue_rcv_one_skb() would hand it over: what fits?  -1: no skb was to be had."""
    n = alloc_skb(net, cpu)
    if n < 0:
        return -1
    skb = net.skb[n]
    skb_init(net, skb, skb.head, length)
    skb.truesize, skb.sk, skb.csum_valid, skb.frame = truesize, i, 1, -1
    sk = net.socks[i]
    if net.behaviour[Behaviour.udp_backlog]:
        return udp_queue_rcv_locked(net, cpu, sk, skb)
    return __udp_enqueue_schedule_skb(net, cpu, sk, skb)


@entry
def sleep_in_recv(net: Net, cpu: int, t: int) -> int:
    """A thread that the engine does not run goes to sleep in recvfrom()."""
    th = net.thread[t]
    wait_add_tail(net, net.socks[th.sock], th.wait)
    return NO_SOCK


@entry
def wake_up(net: Net, t: int) -> None:
    """It no longer waits in recvfrom() or epoll_wait()."""
    th = net.thread[t]
    finish_wait(net, th.wait)


@entry
def sleep_in_epoll(net: Net, cpu: int, t: int) -> int:
    """The same in epoll_wait(): a socket, or NO_SOCK and it sleeps."""
    return ep_wait(net, cpu, t)


@entry
def sleep_in_poll(net: Net, cpu: int, t: int) -> int:
    return poll_wait(net, cpu, t)


@entry
def host_poll_list(net: Net, t: int, e: int, sk: int, events: int) -> None:
    """A struct pollfd of thread t."""
    poll_list(net, t, e, sk, events)


@entry
def host_ep_insert(net: Net, cpu: int, ep: int, e: int, sk: int, flags: int, events: int) -> None:
    """epoll_ctl(EPOLL_CTL_ADD) with entry e; flags EP_*, events EPOLLIN and so on."""
    ep_insert(net, cpu, ep, e, sk, flags, events)


@entry
def host_ep_modify(net: Net, cpu: int, e: int, flags: int, events: int) -> bool:
    return ep_modify(net, cpu, e, flags, events)


@entry
def host_ep_remove(net: Net, e: int) -> None:
    """epoll_ctl(EPOLL_CTL_DEL)"""
    ep_remove(net, e)
    item = net.wait[e]
    if item.sk >= 0:
        wait_remove(net, net.socks[item.sk], e)


@entry
def sock_wake_all(net: Net, cpu: int, i: int) -> None:
    """sock_def_wakeup(): everybody who waits for the socket, whatever for."""
    sk = net.socks[i]
    n = 0
    e = sk.wq_head
    while e >= 0:
        n += 1
        e = net.wait[e].next
    for _ in range(n):                               # each exclusive one ends a walk
        __wake_up_sync_key(net, cpu, sk, -1)


@entry
def own_sock(net: Net, cpu: int, i: int, t: int) -> bool:
    """lock_sock() of a system call of thread t."""
    return lock_sock(net, cpu, net.socks[i], t)


@entry
def disown_sock(net: Net, cpu: int, i: int) -> int:
    """release_sock()"""
    return release_sock(net, cpu, net.socks[i])


@entry
def epoll_new(net: Net) -> int:
    return epoll_create(net)


@entry
def epoll_ctl_add(net: Net, ep: int, e: int, sk: int, events: int) -> None:
    epoll_add(net, ep, e, sk, events)


@entry
def poll_ctl_add(net: Net, t: int, e: int, sk: int) -> None:
    poll_add(net, t, e, sk)


errno_EADDRINUSE = -errno.EADDRINUSE


# ---------------------------------------------------------------- the calls
def error(number: int, what: str) -> OSError:
    return OSError(number, f"{what}: {errno.errorcode[number]}")


def create(b: Any, protocol: int = IPPROTO.UDP, family: int = AF_INET) -> int:
    """socket(): its index.  EMFILE: there are NSOCK."""
    net = b.net
    if net.sock_free:
        i = net.sock_free - 1
        net.sock_free = net.socks[i].hnext4 + 1
    elif net.nsock < NSOCK:
        i = net.nsock
        net.nsock += 1
    else:
        raise error(errno.EMFILE, f"more than {NSOCK} sockets")
    b.call(sock_init)(net, i, family, int(protocol))
    return int(i)


def bind(b: Any, i: int, addr: int = 0, port: int = 0) -> int:
    """bind(): the port.  EADDRINUSE as udp_lib_get_port() says; EINVAL if it is bound already."""
    sk = b.net.socks[i]
    if not 0 <= port <= 65535 or not 0 <= addr <= 0xFFFFFFFF:
        raise error(errno.EINVAL, f"bind {addr}:{port}")
    if sk.port:
        raise error(errno.EINVAL, "bind: it has a port")
    r = b.call(udp_get_port)(b.net, i, addr, port)
    if r < 0:
        raise error(-r, f"bind port {port}")
    return int(sk.port)


def connect(b: Any, i: int, daddr: int, dport: int, local: int | None = None) -> None:
    """connect(): only that peer's datagrams.  local: the address that routing would choose (default: the first device's)."""
    if not 0 < dport <= 65535:
        raise error(errno.EINVAL, f"connect to port {dport}")
    if b.net.socks[i].port == 0:
        bind(b, i)
    b.call(udp_connect)(b.net, i, b.net.dev[0].addr if local is None else local, daddr, dport)


def disconnect(b: Any, i: int) -> None:
    b.call(udp_disconnect)(b.net, i)


def close(b: Any, i: int, cpu: int = 0) -> None:
    """close(): what it held is gone; its index may be used again."""
    if b.net.socks[i].state == SOCK_CLOSED:
        raise error(errno.EBADF, "close")
    b.call(udp_close)(b.net, cpu, i)


def setsockopt(b: Any, i: int, name: str, value: int) -> None:
    """An option by its C name.  Those that need more than an int have functions of their own (join(), leave())."""
    net = b.net
    sk = net.socks[i]
    if name in ("SO_RCVBUF", "SO_RCVBUFFORCE"):
        set_rcvbuf(net, sk, value, name == "SO_RCVBUFFORCE")
    elif name == "SO_INCOMING_CPU":
        if sk.group >= 0:
            net.reuseport[sk.group].incoming_cpu += (value >= 0) - (sk.incoming_cpu >= 0)
        sk.incoming_cpu = value
    elif name == "SO_PEEK_OFF":
        sk.peek_off = value                          # below 0: none; and read back as it was given
    elif name == "UDP_GRO":
        net.udp_encap_needed += bool(value) - bool(sk.gro_enabled)
        sk.gro_enabled = int(bool(value))
    elif name == "SO_RXQ_OVFL":
        b.call(sock_rxq_ovfl)(net, i, int(bool(value)))
    elif name == "SO_REUSEPORT" and value and sk.port and not sk.reuseport:
        sk.reuseport = 1                             # after bind(): only those that come later find it
    elif name == "SO_BUSY_POLL":
        if value < 0:
            raise error(errno.EINVAL, name)
        sk.busy_poll_ns = value * 1000
    elif name == "SO_RCVTIMEO":
        sk.rcvtimeo_ns = value                       # ns, here
    elif name in OPTION_FIELDS:
        setattr(sk, OPTION_FIELDS[name], int(bool(value)) if name in FLAGS else value)
    elif name != "SO_RCVLOWAT":                      # which UDP ignores: each datagram is enough
        raise error(errno.ENOPROTOOPT, name)


FLAGS = {"SO_REUSEADDR": "reuse", "SO_REUSEPORT": "reuseport", "IP_MULTICAST_ALL": "mc_all", "SO_NO_CHECK": "no_check",
         "O_NONBLOCK": "nonblock", "IP_PKTINFO": "pktinfo", "SO_RXQ_OVFL": "rxq_ovfl", "IP_RECVERR": "recverr", "IP_FREEBIND": "freebind",
         "SO_BROADCAST": "broadcast"}
OPTION_FIELDS = FLAGS | {"SO_BINDTODEVICE": "bound_dev"}                     # an ifindex, 0: none


def set_rcvbuf(net: Net, sk: sock, value: int, force: bool) -> None:
    """Doubled for overhead, clamped: SO_RCVBUF as unsigned at rmem_max (-1 is the largest), FORCE only by what an int holds."""
    if force:
        value = min(max(value, 0), RCVBUF_MAX // 2)
    else:
        value = min(value & 0xFFFFFFFF, net.sysctl[Sysctl.rmem_max])
    sk.rcvbuf = max(2 * value, SOCK_MIN_RCVBUF)
    sk.forward_threshold = sk.rcvbuf >> 2


def getsockopt(b: Any, i: int, name: str) -> int:
    sk = b.net.socks[i]
    fields = OPTION_FIELDS | {"SO_RCVBUF": "rcvbuf", "SO_INCOMING_CPU": "incoming_cpu", "SO_PEEK_OFF": "peek_off", "UDP_GRO": "gro_enabled",
                              "SO_RCVTIMEO": "rcvtimeo_ns", "SO_PROTOCOL": "protocol", "SO_DOMAIN": "family"}
    if name == "SO_BUSY_POLL":
        return int(sk.busy_poll_ns // 1000)
    if name == "SO_RCVLOWAT":
        return 1
    if name not in fields:
        raise error(errno.ENOPROTOOPT, name)
    return int(getattr(sk, fields[name]))


def join(b: Any, i: int, group: int, ifindex: int, source: int = 0) -> bool:
    """IP_ADD_MEMBERSHIP, with a source IP_ADD_SOURCE_MEMBERSHIP.  Is there one more membership?
    The device's own filter is network/'s: Booted.join_group() does both."""
    net = b.net
    sk = net.socks[i]
    if group >> 28 != 14:
        raise error(errno.EINVAL, "IP_ADD_MEMBERSHIP")
    for m in memberships(net, sk):
        row = net.mcast[m]
        if (row.addr_lo, row.ifindex) != (group, ifindex):
            continue
        if source == 0:                              # a member already, if only of some sources
            raise error(errno.EADDRINUSE, "IP_ADD_MEMBERSHIP")
        if row.src_lo == source:
            raise error(errno.EADDRNOTAVAIL, "IP_ADD_SOURCE_MEMBERSHIP")
        if row.src_lo == 0:                          # from now on a member of that source only
            row.src_lo = source
            return False
    if net.mcast_free:
        m = net.mcast_free - 1
        net.mcast_free = net.mcast[m].next + 1
    elif net.nmcast < len(net.mcast):
        m = net.nmcast
        net.nmcast += 1
    else:
        raise error(errno.ENOBUFS, "IP_ADD_MEMBERSHIP")
    row = net.mcast[m]
    row.addr_lo, row.addr_hi, row.ifindex, row.src_lo, row.src_hi, row.next = group, 0, ifindex, source, 0, sk.mc_list
    sk.mc_list = m
    return True


def leave(b: Any, i: int, group: int, ifindex: int, source: int = 0) -> None:
    """IP_DROP_MEMBERSHIP"""
    net = b.net
    for m in memberships(net, net.socks[i]):
        row = net.mcast[m]
        if (row.addr_lo, row.ifindex, row.src_lo) == (group, ifindex, source):
            b.call(mcast_leave)(net, i, m)
            return
    raise error(errno.EADDRNOTAVAIL, "IP_DROP_MEMBERSHIP")


def memberships(net: Net, sk: sock) -> list[int]:
    found, m = [], sk.mc_list
    while m >= 0:
        found.append(m)
        m = net.mcast[m].next
    return found


def wait_entry_new(b: Any) -> int:
    """A wait entry beyond the threads' own, for an epoll item or a poll."""
    net = b.net
    if NTHREAD + net.nwait >= NWAIT:
        raise error(errno.ENOSPC, f"more than {NWAIT - NTHREAD} epoll items")
    net.nwait += 1
    return int(NTHREAD + net.nwait - 1)


def epoll(b: Any) -> int:
    """epoll_create1(): its number, for thread_t.epoll."""
    if b.net.nepoll >= NEPOLL:
        raise error(errno.EMFILE, f"more than {NEPOLL} epoll instances")
    return int(b.call(epoll_new)(b.net))


def epoll_watch(b: Any, ep: int, sk: int, events: int = 0) -> int:
    """epoll_ctl(EPOLL_CTL_ADD): events is 0 (level) or EP_ET, EP_EXCLUSIVE, EP_ONESHOT."""
    e = wait_entry_new(b)
    b.call(epoll_ctl_add)(b.net, ep, e, sk, events)
    return e


def poll_watch(b: Any, t: int, sk: int) -> int:
    """One more socket in the pollfd array of thread t."""
    e = wait_entry_new(b)
    b.call(poll_ctl_add)(b.net, t, e, sk)
    return e


# ---------------------------------------------------------------- what one may ask
def recv(b: Any, t: int, cpu: int = 0) -> int:
    """recvfrom(MSG_DONTWAIT) of thread t, which has its socket, flags and buffer (abi/engine.py); raises BlockingIOError."""
    n = b.call(recv_now)(b.net, cpu, t)
    if n < 0:
        raise error(-n, "recvfrom")
    return int(n)


class Meminfo(NamedTuple):
    """SO_MEMINFO, as ss -m shows it (skmem): r, rb, f, bl, d; rmem counts what has been read and not given back."""
    rmem_alloc: int
    rcvbuf: int
    fwd_alloc: int
    backlog: int
    drops: int


def meminfo(b: Any, i: int) -> Meminfo:
    sk = b.net.socks[i]
    return Meminfo(sk.rmem_alloc, sk.rcvbuf, sk.forward_alloc, sk.backlog_len, sk.drops)


def rx_queue(b: Any, i: int) -> int:
    """/proc/net/udp rx_queue and ss's Recv-Q: udp_rqueue_get(), without what has been read."""
    sk = b.net.socks[i]
    return int(sk.rmem_alloc - sk.deficit)


def fionread(b: Any, i: int, cpu: int = 0) -> int:
    """ioctl(SIOCINQ): the length of the next datagram, 0 for none."""
    return int(b.call(sock_fionread)(b.net, cpu, i))
