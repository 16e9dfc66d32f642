"""What sockets of every protocol have: net/core/sock.c.  Their beginning and end, who owns one, options, memory.

`b` is a Booted (boot.py): it has .net and .call (compiled or plain)."""
import errno
from typing import Any, NamedTuple

from .. import path
from .._compile import entry, path_function, reset_struct
from ..abi.kernels import Sysctl
from ..abi.limits import NSOCK
from ..abi.net import Net
from ..abi.numbers import DONE, NO_SOCK, NO_THREAD, TCP, YIELD, Note
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff_list
from ..abi.sock import SOCK_RCVBUF_LOCK, SOCK_SNDBUF_LOCK, sock
from ..abi.spent import Place
from ..path import Stage
from ..record import record_sock_at
from ..skb import __skb_dequeue, kfree_skb_reason
from ..spent import spent_in
from ..turn import at, late, spin_lock, spin_unlock, tell_driver
from .errors import error
from .wait import sk_state_change, wait_remove

SOCK_MIN_RCVBUF = 2304          # 2048 and sizeof(struct sk_buff); measured
SOCK_MIN_SNDBUF = 4608          # twice that
RCVBUF_MAX = 2147483646


# ---------------------------------------------------------------- its life
@path_function
def sk_alloc(net: Net) -> int:
    """A place for a socket, NO_SOCK: there are NSOCK."""
    i = net.sock_free
    if i >= 0:
        old = net.socks[i]
        net.sock_free = old.hnext4
        return i
    if net.nsock >= NSOCK:
        return NO_SOCK
    net.nsock += 1
    return net.nsock - 1


@path_function
def sock_init_data(net: Net, i: int, family: int, protocol: int) -> None:
    sk = net.socks[i]
    gen = sk.gen
    reset_struct(sk)
    sk.idx, sk.gen, sk.family, sk.protocol = i, gen, family, protocol
    reset_struct(net.inet[i])
    sk.rcvbuf, sk.sndbuf, sk.ll_ns = net.sysctl[Sysctl.rmem_default], net.sysctl[Sysctl.wmem_default], net.sysctl[Sysctl.busy_read_ns]


@path_function
def sk_common_release(net: Net, cpu: int, sk: sock) -> None:
    """The end of every protocol's close(): out of the tables, its datagrams freed (NOT_SPECIFIED, as on 6.18), its memory given back."""
    path.call_proto_unhash(sk.protocol, net, sk)
    sk.state, sk.in_use = TCP.CLOSE, 0
    while sk.wq_head >= 0:
        wait_remove(net, sk, sk.wq_head)
    sk_purge(net, cpu, sk)
    sk.series = 0
    if sk.rxq_ovfl:
        net.rxq_ovfl -= 1
        sk.rxq_ovfl = 0
    sk.hnext4 = net.sock_free
    net.sock_free = sk.idx


@path_function
def sk_purge(net: Net, cpu: int, sk: sock) -> None:
    """What it holds is freed, and its memory given back.  A packet that is on its way to it will find another generation."""
    sk.gen += 1
    free_queue(net, cpu, sk.reader_queue)
    free_queue(net, cpu, sk.receive_queue)
    free_queue(net, cpu, sk.backlog)
    if net.real_time == 0:
        net.udp_memory -= (sk.rmem_alloc + sk.forward_alloc) >> 12
    sk.wmem_alloc = 0
    sk.rmem_alloc, sk.forward_alloc, sk.deficit, sk.qlen, sk.backlog_len, sk.backlog_qlen = 0, 0, 0, 0, 0, 0
    sk.backlog_taken = 0
    if net.record and sk.series:
        c = net.cpu[cpu]
        record_sock_at(net, sk, max(c.now, net.sim.now))


@path_function
def free_queue(net: Net, cpu: int, queue: sk_buff_list) -> None:
    """__skb_queue_purge()"""
    while queue.head >= 0:
        skb = __skb_dequeue(net, queue)
        at(net, cpu, skb, Stage.udp_destruct_common)
        kfree_skb_reason(net, cpu, skb, Stage.udp_destruct_common, Drop.NOT_SPECIFIED)


# ---------------------------------------------------------------- its owner
@path_function
def lock_sock(net: Net, cpu: int, sk: sock, t: int) -> bool:
    """Thread t's system call owns the socket from now on.  False: another does, and t is in the queue of those that wait: it is to sleep
    and ask again when it is woken."""
    spin_lock(net, cpu, sk.lock)
    free = sock_own(net, sk, t)
    spin_unlock(net, sk.lock)
    return free


@path_function
def sock_own(net: Net, sk: sock, t: int) -> bool:
    """lock_sock() of a call whose own cost has the spin lock's in it."""
    th = net.thread[t]
    free = sk.owned < 0 or sk.owned == t
    th.locking = int(not free)
    if free:
        sk.owned = t
    else:
        th.lock_next = NO_THREAD
        if sk.lock_wait < 0:
            sk.lock_wait = t
        else:
            last = net.thread[sk.lock_wait]
            while last.lock_next >= 0:
                last = net.thread[last.lock_next]
            last.lock_next = t
    return free


@path_function
def release_sock(net: Net, cpu: int, sk: sock) -> int:
    """What has come in the meantime goes to the receive queue, in the owning thread, packet by packet; then the socket is free.
    DONE or YIELD: come again."""
    if __release_sock(net, cpu, sk) == YIELD:
        return YIELD
    path.call_proto_release_cb(sk.protocol, net, cpu, sk)           # an ACK that was put off finds the backlog empty
    spin_lock(net, cpu, sk.lock)
    sock_disown(net, cpu, sk)
    spin_unlock(net, sk.lock)
    return DONE


@path_function
def __release_sock(net: Net, cpu: int, sk: sock) -> int:
    """The backlog; its owner keeps the socket.  It is taken as a whole, then what has come meanwhile, until nothing has.  DONE or YIELD."""
    while True:
        if late(net, cpu):
            return YIELD
        if sk.backlog.head < 0:
            break
        if sk.backlog_taken == 0:
            sk.backlog_taken = sk.backlog_qlen
        skb = __skb_dequeue(net, sk.backlog)
        sk.backlog_qlen -= 1
        sk.backlog_taken -= 1
        if net.spends:
            spent_in(net, cpu, skb, Place.SOCKET)
        at(net, cpu, skb, Stage.release_sock)
        path.call_proto_backlog_rcv(sk.protocol, net, cpu, sk, skb)
        if net.sd[cpu].pending:                      # it has sent something to this host: the softirq comes first
            return YIELD
    sk.backlog_len = 0                               # only now: a flood cannot keep the thread here for ever
    return DONE


@path_function
def sock_disown(net: Net, cpu: int, sk: sock) -> None:
    """sock_release_ownership(): of those that wait for it, exclusively, the first is woken."""
    sk.owned = NO_THREAD
    first = sk.lock_wait
    if first >= 0:
        th = net.thread[first]
        sk.lock_wait = th.lock_next
        tell_driver(net, cpu, Note.WAKE_READER, first)


@entry
def own_sock(net: Net, cpu: int, i: int, t: int) -> bool:
    """lock_sock() of a system call of thread t."""
    return lock_sock(net, cpu, net.socks[i], t)


@entry
def disown_sock(net: Net, cpu: int, i: int) -> int:
    """release_sock()"""
    return release_sock(net, cpu, net.socks[i])


@entry
def sock_wake_all(net: Net, cpu: int, i: int) -> None:
    """sock_def_wakeup(): everybody who waits for the socket, whatever for."""
    sk_state_change(net, cpu, net.socks[i], -1)


# ---------------------------------------------------------------- options
@entry
def sock_rxq_ovfl(net: Net, i: int, on: int) -> None:
    """SO_RXQ_OVFL: from now on each datagram remembers the drops before it."""
    sk = net.socks[i]
    net.rxq_ovfl += on - sk.rxq_ovfl
    sk.rxq_ovfl = on
    zero_dropcount(net, sk.reader_queue.head)
    zero_dropcount(net, sk.receive_queue.head)


@path_function
def zero_dropcount(net: Net, first: int) -> None:
    i = first
    while i >= 0:
        skb = net.skb[i]
        skb.dropcount = 0
        i = skb.next


def setsockopt(b: Any, i: int, name: str, value: int) -> None:
    """An option by its C name.  Those that need more than an int have functions of their own (join(), leave())."""
    net = b.net
    sk = net.socks[i]
    if name in ("SO_RCVBUF", "SO_RCVBUFFORCE"):
        set_rcvbuf(net, sk, value, name == "SO_RCVBUFFORCE")
    elif name in ("SO_SNDBUF", "SO_SNDBUFFORCE"):
        set_sndbuf(net, sk, value, name == "SO_SNDBUFFORCE")
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
        sk.ll_ns = value * 1000
    elif name == "SO_RCVTIMEO":
        sk.rcvtimeo_ns = value                       # ns, here
    elif name in OPTION_FIELDS:
        field = OPTION_FIELDS[name]
        setattr(net.inet[i] if field in IN_INET else sk, field, int(bool(value)) if name in FLAGS else value)
    elif name != "SO_RCVLOWAT":                      # which UDP ignores: each datagram is enough
        raise error(errno.ENOPROTOOPT, name)


FLAGS = {"SO_REUSEADDR": "reuse", "SO_REUSEPORT": "reuseport", "IP_MULTICAST_ALL": "mc_all", "SO_NO_CHECK": "no_check",
         "O_NONBLOCK": "nonblock", "IP_PKTINFO": "pktinfo", "SO_RXQ_OVFL": "rxq_ovfl", "IP_RECVERR": "recverr", "IP_FREEBIND": "freebind",
         "SO_BROADCAST": "broadcast", "SO_DONTROUTE": "dontroute", "IP_MULTICAST_LOOP": "mc_loop"}
IN_INET = ("dontroute", "mc_loop", "uc_ttl", "tos", "mc_ttl", "pmtudisc")    # of struct inet_sock
OPTION_FIELDS = FLAGS | {"SO_BINDTODEVICE": "bound_dev", "IP_TTL": "uc_ttl", "IP_TOS": "tos", "IP_MULTICAST_TTL": "mc_ttl",
                         "IP_MTU_DISCOVER": "pmtudisc"}                     # an ifindex, 0: none


def set_rcvbuf(net: Net, sk: sock, value: int, force: bool) -> None:
    """Doubled for overhead, clamped: SO_RCVBUF as unsigned at rmem_max (-1 is the largest), FORCE only by what an int holds."""
    if force:
        value = min(max(value, 0), RCVBUF_MAX // 2)
    else:
        value = min(value & 0xFFFFFFFF, net.sysctl[Sysctl.rmem_max])
    sk.rcvbuf = max(2 * value, SOCK_MIN_RCVBUF)
    sk.userlocks |= SOCK_RCVBUF_LOCK
    sk.forward_threshold = sk.rcvbuf >> 2


def set_sndbuf(net: Net, sk: sock, value: int, force: bool) -> None:
    """As set_rcvbuf(), with wmem_max."""
    value = min(max(value, 0), RCVBUF_MAX // 2) if force else min(value & 0xFFFFFFFF, net.sysctl[Sysctl.wmem_max])
    sk.sndbuf = max(2 * value, SOCK_MIN_SNDBUF)
    sk.userlocks |= SOCK_SNDBUF_LOCK


def getsockopt(b: Any, i: int, name: str) -> int:
    sk = b.net.socks[i]
    fields = OPTION_FIELDS | {"SO_RCVBUF": "rcvbuf", "SO_SNDBUF": "sndbuf", "SO_INCOMING_CPU": "incoming_cpu",
                              "SO_PEEK_OFF": "peek_off", "UDP_GRO": "gro_enabled",
                              "SO_RCVTIMEO": "rcvtimeo_ns", "SO_PROTOCOL": "protocol", "SO_DOMAIN": "family"}
    if name == "SO_BUSY_POLL":
        return int(sk.ll_ns // 1000)
    if name == "SO_RCVLOWAT":
        return 1
    if name not in fields:
        raise error(errno.ENOPROTOOPT, name)
    return int(getattr(b.net.inet[i] if fields[name] in IN_INET else sk, fields[name]))


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
