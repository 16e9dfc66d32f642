"""setsockopt() and getsockopt() of Python process: sk_setsockopt() of net/core/sock.c, do_ip_setsockopt() of net/ipv4/ip_sockglue.c,
udp_lib_setsockopt() of net/ipv4/udp.c; and the ancillary data that recvmsg() brings along because of them.

Values that the path reads stand in the sock (user/sock.py writes them); what only has to be read back stands in Socket.kept."""
import ctypes
import errno
import os
import socket as std
import struct
from typing import Any

from ..abi.filter import BPF_MAXINSNS
from ..abi.kernels import Behaviour, Sysctl
from ..abi.numbers import IPPROTO, RTN, TCP
from ..drivers.net_device import dev_mc_add, dev_mc_del, multicast_mac
from ..network import setup as network
from ..transport import sock_reuseport, tcp_sockopt
from ..user import filter as bpf
from ..user import mcast, sock
from .process import Descriptor

SO_TIMESTAMP, SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_TIMESTAMPNS, SO_RXQ_OVFL, SO_PEEK_OFF = 29, 32, 33, 35, 40, 42
SO_SELECT_ERR_QUEUE, SO_BUSY_POLL, SO_INCOMING_CPU, SO_MEMINFO, SO_INCOMING_NAPI_ID, SO_NO_CHECK = 45, 46, 49, 55, 56, 11
SO_ATTACH_REUSEPORT_CBPF, SO_DETACH_REUSEPORT_BPF, SO_PROTOCOL, SO_GET_FILTER = 51, 68, 38, 26
SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_LOCK_FILTER = 26, 27, 44
IP_PKTINFO, IP_MTU_DISCOVER, IP_RECVERR, IP_RECVTTL, IP_FREEBIND, IP_ORIGDSTADDR, IP_MULTICAST_ALL = 8, 10, 11, 12, 15, 20, 49
IP_MINTTL = 21
IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP, SOL_UDP, UDP_GRO, UDP_CORK = 39, 40, 17, 104, 1
# constants that not every version of the standard library's module has
CONSTANTS = {name: value for name, value in globals().items() if name.startswith(("SO_", "IP_", "UDP_", "SOL_"))} | {
    "IP_RECVORIGDSTADDR": IP_ORIGDSTADDR, "FIONREAD": 0x541B, "SIOCINQ": 0x541B, "FIONBIO": 0x5421, "SIOCOUTQ": 0x5411,
    "SCM_TIMESTAMP": SO_TIMESTAMP, "SCM_TIMESTAMPNS": SO_TIMESTAMPNS}

SOL, IP, SOL_TCP = std.SOL_SOCKET, std.IPPROTO_IP, std.IPPROTO_TCP
TCP_WINDOW_CLAMP, TCP_USER_TIMEOUT, TCP_NOTSENT_LOWAT, TCP_INQ = 10, 18, 25, 36
CONSTANTS |= {"TCP_INQ": TCP_INQ, "TCP_CM_INQ": TCP_INQ, "SOL_TCP": SOL_TCP}
# options that are a flag or a number in the sock: user/sock.py's name for it
IN_THE_SOCK = {(SOL, std.SO_REUSEADDR): "SO_REUSEADDR", (SOL, std.SO_REUSEPORT): "SO_REUSEPORT", (SOL, std.SO_BROADCAST): "SO_BROADCAST",
               (SOL, SO_NO_CHECK): "SO_NO_CHECK", (SOL, SO_RXQ_OVFL): "SO_RXQ_OVFL", (SOL, SO_INCOMING_CPU): "SO_INCOMING_CPU",
               (SOL, std.SO_RCVBUF): "SO_RCVBUF", (SOL, SO_RCVBUFFORCE): "SO_RCVBUFFORCE", (SOL, SO_BUSY_POLL): "SO_BUSY_POLL",
               (IP, IP_PKTINFO): "IP_PKTINFO", (IP, IP_RECVERR): "IP_RECVERR", (IP, IP_FREEBIND): "IP_FREEBIND",
               (IP, IP_MULTICAST_ALL): "IP_MULTICAST_ALL", (SOL_UDP, UDP_GRO): "UDP_GRO", (SOL, std.SO_SNDBUF): "SO_SNDBUF",
               (SOL, SO_SNDBUFFORCE): "SO_SNDBUFFORCE", (SOL, std.SO_DONTROUTE): "SO_DONTROUTE", (IP, std.IP_TOS): "IP_TOS",
               (IP, std.IP_TTL): "IP_TTL", (IP, std.IP_MULTICAST_TTL): "IP_MULTICAST_TTL", (IP, std.IP_MULTICAST_LOOP): "IP_MULTICAST_LOOP",
               (IP, IP_MTU_DISCOVER): "IP_MTU_DISCOVER"}
# options that change nothing that is modelled, and their defaults: flags, then numbers
KEPT_FLAGS = {(SOL, std.SO_DEBUG): 0, (SOL, std.SO_KEEPALIVE): 0, (SOL, std.SO_OOBINLINE): 0,
              (SOL, SO_SELECT_ERR_QUEUE): 0, (SOL, SO_TIMESTAMP): 0, (SOL, SO_TIMESTAMPNS): 0, (IP, IP_RECVTTL): 0,
              (IP, std.IP_RECVTOS): 0, (IP, IP_ORIGDSTADDR): 0, (SOL_UDP, UDP_CORK): 0}
KEPT = {(SOL, 12): 0, (SOL, 36): 0, (IP, IP_MINTTL): 0, (SOL, std.SO_RCVLOWAT): 1}
READ_ONLY = {(SOL, 39): std.AF_INET, (SOL, std.SO_SNDLOWAT): 1}
# of a stream: what the connection itself has (transport/tcp_sockopt.py's name for it); what concerns only what is sent, and its default
IN_THE_STREAM = {(SOL, std.SO_RCVLOWAT): "SO_RCVLOWAT", (SOL, std.SO_OOBINLINE): "SO_OOBINLINE",
                 (SOL_TCP, std.TCP_QUICKACK): "TCP_QUICKACK", (SOL_TCP, TCP_WINDOW_CLAMP): "TCP_WINDOW_CLAMP",
                 (SOL_TCP, std.TCP_MAXSEG): "TCP_MAXSEG", (SOL_TCP, std.TCP_DEFER_ACCEPT): "TCP_DEFER_ACCEPT",
                 (SOL, std.SO_KEEPALIVE): "SO_KEEPALIVE", (SOL_TCP, std.TCP_KEEPIDLE): "TCP_KEEPIDLE",
                 (SOL_TCP, std.TCP_KEEPINTVL): "TCP_KEEPINTVL", (SOL_TCP, std.TCP_KEEPCNT): "TCP_KEEPCNT",
                 (SOL_TCP, TCP_USER_TIMEOUT): "TCP_USER_TIMEOUT",
                 (SOL_TCP, std.TCP_LINGER2): "TCP_LINGER2"}
STREAM_FLAGS = {(SOL_TCP, std.TCP_NODELAY): 0, (SOL_TCP, std.TCP_CORK): 0}
STREAM_NUMBERS = {(SOL_TCP, std.TCP_SYNCNT): 6, (SOL_TCP, TCP_NOTSENT_LOWAT): -1, (SOL_TCP, TCP_INQ): 0}
NOT_OF_STREAMS = (std.IP_MULTICAST_TTL, std.IP_MULTICAST_IF)
NOTHING_IS_ZERO = (IP_PKTINFO, IP_RECVERR, IP_RECVTTL, std.IP_RECVTOS, IP_ORIGDSTADDR, std.IP_TOS, IP_MTU_DISCOVER)
TIMEOUTS = ((SOL, std.SO_RCVTIMEO), (SOL, std.SO_SNDTIMEO))
INT_MAX = 0x7FFFFFFF


def error(number: int) -> OSError:
    """As the standard library raises it: ConnectionRefusedError for ECONNREFUSED, and so on."""
    return OSError(number, os.strerror(number))


def is_stream(s: Descriptor) -> bool:
    return bool(s.boot.net.socks[s.sk].protocol == IPPROTO.TCP)


def as_int(level: int, option: int, value: Any) -> int:
    """The int that the kernel reads.  Less than an int is EINVAL; IP's options may be a byte, some of them nothing, which is 0."""
    if isinstance(value, int):
        return (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
    raw = bytes(value)
    if len(raw) >= 4:
        return int(struct.unpack("i", raw[:4])[0])
    if level == IP and raw:
        return raw[0]
    if level == IP and option in NOTHING_IS_ZERO:
        return 0
    raise error(errno.EINVAL)


# ---------------------------------------------------------------- setsockopt
def set_option(s: Descriptor, level: int, option: int, value: Any) -> None:
    key = (level, option)
    b, sk = s.boot, s.sk
    if key in TIMEOUTS:
        return set_timeout(s, key, bytes(value) if not isinstance(value, int) else b"")
    if key == (SOL, std.SO_BINDTODEVICE):
        return bind_to_device(s, value)
    if is_stream(s) and (level == SOL_TCP or key in IN_THE_STREAM):
        return set_stream_option(s, key, value)
    if level == IP and is_stream(s) and option in (*MEMBERSHIP, *NOT_OF_STREAMS):
        raise error(errno.EPROTO if option in MEMBERSHIP else errno.EINVAL)
    if level == IP and option in MEMBERSHIP:
        return membership(s, option, bytes(value))
    if key == (IP, std.IP_MULTICAST_IF):
        return multicast_if(s, value)
    if key == (SOL, std.SO_LINGER):
        if isinstance(value, int) or len(value) < 8:
            raise error(errno.EINVAL)
        on, seconds = struct.unpack("ii", bytes(value[:8]))
        s.kept[key] = struct.pack("i", int(bool(on))) + (struct.pack("i", seconds) if on else s.kept.get(key, bytes(8))[4:])
        if is_stream(s):
            tp = b.net.tcp[sk]
            tp.linger, tp.lingertime_ns = int(bool(on)), max(seconds, 0) * 1_000_000_000
        return
    if level == SOL and not isinstance(value, int) and len(bytes(value)) < 4:    # before it is asked whether there is such an option
        raise error(errno.EINVAL)
    if key in REUSEPORT_BPF and b.net.behaviour[Behaviour.reuseport_bpf]:
        return reuseport_bpf(s, option, value)
    if key in SOCKET_FILTER:
        return socket_filter(s, option, value)
    known = key in IN_THE_SOCK or key in KEPT_FLAGS or key in KEPT or key == PEEK_OFF
    if not known or (level == SOL_UDP and is_stream(s)) or (key == (SOL_UDP, UDP_GRO) and not b.net.behaviour[Behaviour.udp_gro]):
        raise error(errno.ENOPROTOOPT)
    n = as_int(level, option, value)
    if key == PEEK_OFF:
        b.net.socks[sk].peek_off = n
    elif key in IN_THE_SOCK:
        set_in_the_sock(s, key, in_range(key, n))
    elif key in KEPT_FLAGS:
        keep_flag(s, key, n)
    else:
        s.kept[key] = in_range(key, n)
        if key == (IP, IP_MINTTL) and is_stream(s):      # UDP never asks for it
            b.net.tcp[sk].min_ttl = n


def set_stream_option(s: Descriptor, key: tuple[int, int], value: Any) -> None:
    """do_tcp_setsockopt(), and what sk_setsockopt() hands on to TCP."""
    level, option = key
    if key == CONGESTION:
        raise error(errno.ENOENT)                    # there is no sending side that it could be of
    if not isinstance(value, int) and len(bytes(value)) < 4:
        raise error(errno.EINVAL)
    n = as_int(level, option, value)
    if key in IN_THE_STREAM:
        tcp_sockopt.setsockopt(s.boot, s.sk, IN_THE_STREAM[key], n, s.process.cpu())
        s.process.wakes()
    elif key in STREAM_FLAGS:
        s.kept[key] = int(bool(n))
    elif key in STREAM_NUMBERS:
        if (option == TCP_INQ and n not in (0, 1)) or (option == std.TCP_SYNCNT and not 1 <= n <= 127):
            raise error(errno.EINVAL)
        s.kept[key] = n
    else:
        raise error(errno.ENOPROTOOPT)


CONGESTION, INFO = (SOL_TCP, std.TCP_CONGESTION), (SOL_TCP, std.TCP_INFO)
REUSEPORT_BPF = ((SOL, SO_ATTACH_REUSEPORT_CBPF), (SOL, SO_DETACH_REUSEPORT_BPF))
SOCKET_FILTER = ((SOL, SO_ATTACH_FILTER), (SOL, SO_DETACH_FILTER), (SOL, SO_LOCK_FILTER))
TTL, MULTICAST_TTL = (IP, std.IP_TTL), (IP, std.IP_MULTICAST_TTL)
PEEK_OFF = (SOL, SO_PEEK_OFF)


def set_in_the_sock(s: Descriptor, key: tuple[int, int], n: int) -> None:
    name = IN_THE_SOCK[key]
    if (key == (IP, IP_MULTICAST_ALL) and n not in (0, 1)) or (key == (SOL, SO_BUSY_POLL) and n < 0):
        raise error(errno.EINVAL)
    if name == "SO_BUSY_POLL":
        s.process.busy_poll(s.sk, n * 1000)
        return
    sock.setsockopt(s.boot, s.sk, name, n)


def reuseport_bpf(s: Descriptor, option: int, value: Any) -> None:
    """A program for the socket's group."""
    if option == SO_DETACH_REUSEPORT_BPF:
        return sock_reuseport.reuseport_detach_prog(s.boot, s.sk)
    sock_reuseport.reuseport_attach_prog(s.boot, s.sk, sock_fprog(s.boot, s.sk, value))


def socket_filter(s: Descriptor, option: int, value: Any) -> None:
    """A program that what comes to the socket must pass."""
    if option == SO_ATTACH_FILTER:
        bpf.sk_attach_filter(s.boot, s.sk, sock_fprog(s.boot, s.sk, value))
    elif option == SO_DETACH_FILTER:
        bpf.sk_detach_filter(s.boot, s.sk)
    else:
        bpf.sk_lock_filter(s.boot, s.sk, bool(as_int(SOL, option, value)))


def sock_fprog(b: Any, sk: int, value: Any) -> bpf.Program:
    """A struct sock_fprog: how many instructions, and where in this process they are.  Refused in __get_filter()'s order."""
    if isinstance(value, int) or len(bytes(value)) != 16:
        raise error(errno.EINVAL)
    bpf.check_unlocked(b, sk, "struct sock_fprog")
    n, address = struct.unpack("=H6xQ", bytes(value))
    if not 0 < n <= BPF_MAXINSNS:
        raise error(errno.EINVAL)
    return [(code, jt, jf, k) for code, jt, jf, k in struct.iter_unpack("=HBBI", copy_from_user(address, 8 * n))]


class iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("len", ctypes.c_size_t))


def copy_from_user(address: int, n: int) -> bytes:
    """n bytes of this process; EFAULT where there is no such memory."""
    to = ctypes.create_string_buffer(n)
    local, remote = iovec(ctypes.addressof(to), n), iovec(address, n)
    libc = ctypes.CDLL(None)
    if libc.process_vm_readv(os.getpid(), ctypes.byref(local), ctypes.c_ulong(1), ctypes.byref(remote), ctypes.c_ulong(1),
                             ctypes.c_ulong(0)) != n:
        raise error(errno.EFAULT)
    return to.raw


def keep_flag(s: Descriptor, key: tuple[int, int], n: int) -> None:
    s.kept[key] = int(bool(n))
    if n and key in STAMPS:                          # one kind of time stamp at a time
        s.kept[STAMPS[1 - STAMPS.index(key)]] = 0


STAMPS = ((SOL, SO_TIMESTAMP), (SOL, SO_TIMESTAMPNS))


def in_range(key: tuple[int, int], n: int) -> int:
    """EINVAL for what the option does not take; else what is kept of it."""
    if key == TTL and n != -1 and not 1 <= n <= 255:
        raise error(errno.EINVAL)
    if key == MULTICAST_TTL and not -1 <= n <= 255:
        raise error(errno.EINVAL)
    if key == (IP, IP_MINTTL) and not 0 <= n <= 255:
        raise error(errno.EINVAL)
    if key == (IP, IP_MTU_DISCOVER) and not 0 <= n <= 5:
        raise error(errno.EINVAL)
    if key == (SOL, std.SO_RCVLOWAT):                # UDP ignores it: each datagram is enough
        return INT_MAX if n < 0 else n or 1
    if n == -1 and key == MULTICAST_TTL:
        return 1
    return n & 0xFF if key == (IP, std.IP_TOS) else n


def set_timeout(s: Descriptor, key: tuple[int, int], raw: bytes) -> None:
    """In jiffies, rounded up.  0: wait for ever; before the epoch: do not wait at all."""
    if len(raw) < 16:
        raise error(errno.EINVAL)
    seconds, usec = struct.unpack("qq", raw[:16])
    if not 0 <= usec < 1_000_000:
        raise error(errno.EDOM)
    jiffy = int(s.boot.net.sysctl[Sysctl.jiffy_ns])
    ns = seconds * 1_000_000_000 + -(-usec * 1000 // jiffy) * jiffy
    s.kept[key] = 0 if seconds < 0 else ns
    if key == TIMEOUTS[0]:
        s.dont_wait = seconds < 0
        s.boot.net.socks[s.sk].rcvtimeo_ns = max(ns, 0)


def bind_to_device(s: Descriptor, value: Any) -> None:
    if isinstance(value, int):
        value = struct.pack("i", value)
    name = bytes(value)[:15].split(b"\0")[0].decode(errors="replace")
    if name and name not in s.process.devices:
        raise error(errno.ENODEV)
    sock.setsockopt(s.boot, s.sk, "SO_BINDTODEVICE", s.process.devices[name] if name else 0)


# ---------------------------------------------------------------- groups
MEMBERSHIP = (std.IP_ADD_MEMBERSHIP, std.IP_DROP_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP)


def multicast_if(s: Descriptor, value: Any) -> None:
    """IP_MULTICAST_IF: struct in_addr, ip_mreq or ip_mreqn: by which device groups are sent to, and from which address."""
    inet, raw = s.boot.net.inet[s.sk], struct.pack("=i", value) if isinstance(value, int) else bytes(value)
    if len(raw) < 4:
        raise error(errno.EINVAL)
    address, ifindex = int.from_bytes(raw[4:8] if len(raw) >= 8 else raw[:4], "big"), 0
    if len(raw) >= 12:
        ifindex = struct.unpack("=i", raw[8:12])[0]
    if not ifindex and not address:
        inet.mc_index, inet.mc_addr = 0, 0
        return
    dev = find_device(s, 0, address, ifindex)
    if dev < 0:
        raise error(errno.EADDRNOTAVAIL)
    ifindex = int(s.boot.net.dev[dev].ifindex)
    bound = s.boot.net.socks[s.sk].bound_dev
    if bound and ifindex != bound:
        raise error(errno.EINVAL)
    inet.mc_index, inet.mc_addr = ifindex, address


def membership(s: Descriptor, option: int, raw: bytes) -> None:
    """struct ip_mreq, ip_mreqn or ip_mreq_source."""
    with_source = option in (IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP)
    if len(raw) < (12 if with_source else 8):
        raise error(errno.EINVAL)
    group, address = struct.unpack(">II", raw[:8])
    source = int.from_bytes(raw[8:12], "big") if with_source else 0
    ifindex = int.from_bytes(raw[8:12], "little") if len(raw) >= 12 and not with_source else 0
    joins = option in (std.IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP)
    if joins and group >> 28 != 14:
        raise error(errno.EINVAL)
    dev = find_device(s, group, address, ifindex)
    if joins:
        join(s, group, dev, source)
    else:
        if dev < 0 and not ifindex and not address:
            raise error(errno.ENODEV)
        leave(s, group, dev, source)


def find_device(s: Descriptor, group: int, address: int, ifindex: int) -> int:
    """ip_mc_find_dev(): by number, by address, by the route to the group; -1: none."""
    net = s.boot.net
    if ifindex:
        return next((i for i in range(len(net.dev)) if net.dev[i].ifindex == ifindex), -1)
    route = s.boot.call(network.route_get)(net, address or group)
    if route < 0 or (address and net.fib[route].type != RTN.LOCAL):
        return -1
    return int(net.fib[route].oif)


def join(s: Descriptor, group: int, dev: int, source: int) -> None:
    if dev < 0:
        raise error(errno.ENODEV)
    b = s.boot
    more = mcast.join(b, s.sk, group, b.net.dev[dev].ifindex, source)
    card = b.card_of(dev)
    if more and network.join_group(b, group, dev) and card is not None:
        dev_mc_add(card, multicast_mac(group))


def leave(s: Descriptor, group: int, dev: int, source: int) -> None:
    b = s.boot
    if dev < 0:
        raise error(errno.EADDRNOTAVAIL)
    mcast.leave(b, s.sk, group, b.net.dev[dev].ifindex, source)
    card = b.card_of(dev)
    if network.leave_group(b, group, dev) and card is not None:
        dev_mc_del(card, multicast_mac(group))


def leave_all(s: Descriptor) -> None:
    """ip_mc_drop_socket()"""
    net = s.boot.net
    for m in mcast.memberships(net, net.socks[s.sk]):
        row = net.mcast[m]
        dev = next(i for i in range(len(net.dev)) if net.dev[i].ifindex == row.ifindex)
        leave(s, int(row.addr_lo), dev, int(row.src_lo))


# ---------------------------------------------------------------- getsockopt
def get_filter(s: Descriptor, room: int) -> bytes:
    """sk_get_filter(): its instructions.  The kernel takes the room for a number of instructions, and says how many there are where bytes
    are counted: a caller gets as many bytes as there are instructions.  EINVAL: there are more than that."""
    program = bpf.sk_get_filter(s.boot, s.sk)
    if room < len(program):
        raise error(errno.EINVAL)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)[:len(program)]


def get_option(s: Descriptor, level: int, option: int, buflen: int = 0) -> bytes:
    """What getsockopt() writes.  buflen: how many bytes there is room for, 0: an int."""
    key = (level, option)
    net = s.boot.net
    sk = net.socks[s.sk]
    if is_stream(s) and (level == SOL_TCP or key in IN_THE_STREAM):
        return get_stream_option(s, key)
    if key == (SOL, SO_GET_FILTER):
        return get_filter(s, buflen or 4)
    if level == SOL_TCP or (level == SOL_UDP and is_stream(s)):      # ip_getsockopt(); set, it is ENOPROTOOPT
        raise error(errno.EOPNOTSUPP)
    if key == (SOL, std.SO_ERROR):
        n, sk.err = int(sk.err), 0
    elif key == (SOL, std.SO_TYPE):
        n = int(std.SOCK_STREAM if is_stream(s) else std.SOCK_DGRAM)
    elif key == (SOL, SO_PROTOCOL):
        n = int(sk.protocol)
    elif key == (SOL, std.SO_ACCEPTCONN):
        n = int(sk.state == TCP.LISTEN)
    elif key in TIMEOUTS:
        ns = s.kept.get(key, 0)
        return struct.pack("qq", ns // 1_000_000_000, ns % 1_000_000_000 // 1000)
    elif key == (SOL, std.SO_LINGER):
        return bytes(s.kept.get(key, bytes(8)))
    elif key == (SOL, std.SO_BINDTODEVICE):
        return next((name.encode() + b"\0" for name, i in s.process.devices.items() if i == sk.bound_dev), b"")
    elif key == (SOL, SO_MEMINFO):
        m = sock.meminfo(s.boot, s.sk)
        memory = (m.rmem_alloc, m.rcvbuf, sk.wmem_alloc, sk.sndbuf, m.fwd_alloc, 0, 0, m.backlog, m.drops)
        return struct.pack("9I", *(int(n) & 0xFFFFFFFF for n in memory))     # ints there, unsigned here: a stream's reserve may be below 0
    elif key == (SOL, SO_INCOMING_NAPI_ID):
        n = int(sk.napi_id)
    elif key == (IP, std.IP_MULTICAST_IF):
        return int(net.inet[s.sk].mc_addr).to_bytes(4, "big")
    elif key == TTL and net.inet[s.sk].uc_ttl < 0:
        n = int(net.sysctl[Sysctl.ip_default_ttl])
    elif key == PEEK_OFF:
        n = int(sk.peek_off)
    elif key == (SOL, SO_LOCK_FILTER):
        n = int(sk.filter_locked)
    elif key in READ_ONLY:
        n = int(READ_ONLY[key])
    elif key in KEPT_FLAGS or key in KEPT:
        n = int(s.kept.get(key, (KEPT_FLAGS | KEPT)[key]))
    elif key in IN_THE_SOCK and key not in ((SOL, SO_RCVBUFFORCE), (SOL, SO_SNDBUFFORCE)):
        n = sock.getsockopt(s.boot, s.sk, IN_THE_SOCK[key])
    else:
        raise error(errno.ENOPROTOOPT)
    return struct.pack("i", n)


def get_stream_option(s: Descriptor, key: tuple[int, int]) -> bytes:
    if key == INFO:
        return tcp_sockopt.tcp_get_info(s.boot, s.sk, s.process.now())
    if key in IN_THE_STREAM:
        n = tcp_sockopt.getsockopt(s.boot, s.sk, IN_THE_STREAM[key])
    elif key in STREAM_FLAGS or key in STREAM_NUMBERS:
        n = int(s.kept.get(key, (STREAM_FLAGS | STREAM_NUMBERS)[key]))
    else:
        raise error(errno.ENOPROTOOPT)
    return struct.pack("i", n)


# ---------------------------------------------------------------- recvmsg
def inq(s: Descriptor) -> list[tuple[int, int, bytes]]:
    """TCP_INQ: how much a stream has left; 1 where only its end is left."""
    if not s.kept.get((SOL_TCP, TCP_INQ)):
        return []
    tp = s.boot.net.tcp[s.sk]
    left = (int(tp.rcv_nxt) - int(tp.copied_seq)) & 0xFFFFFFFF
    return [(SOL_TCP, TCP_INQ, struct.pack("i", left or int(tp.done)))]


def ancillary(s: Descriptor, th: Any) -> list[tuple[int, int, bytes]]:
    """msg_control of the datagram just read, in the kernel's order: sock_recv_cmsgs(), udp_cmsg_recv(), ip_cmsg_recv()."""
    sk, kept, out = s.boot.net.socks[s.sk], s.kept, []
    t = int(th.arrived)
    if kept.get(STAMPS[0]):
        out.append((SOL, SO_TIMESTAMP, struct.pack("qq", t // 1_000_000_000, t % 1_000_000_000 // 1000)))
    if kept.get(STAMPS[1]):
        out.append((SOL, SO_TIMESTAMPNS, struct.pack("qq", t // 1_000_000_000, t % 1_000_000_000)))
    if sk.rxq_ovfl and th.rxq_ovfl:
        out.append((SOL, SO_RXQ_OVFL, struct.pack("I", th.rxq_ovfl & 0xFFFFFFFF)))
    if sk.gro_enabled and th.gro_size:
        out.append((SOL_UDP, UDP_GRO, struct.pack("i", th.gro_size)))
    if sk.pktinfo:
        spec = th.to_addr if th.to_type == RTN.LOCAL else s.boot.net.dev[th.to_dev].addr
        out.append((IP, IP_PKTINFO, struct.pack("i", th.to_ifindex) + struct.pack(">II", spec, th.to_addr)))
    if kept.get((IP, IP_RECVTTL)):
        out.append((IP, std.IP_TTL, struct.pack("i", th.ttl)))
    if kept.get((IP, std.IP_RECVTOS)):
        out.append((IP, std.IP_TOS, bytes([th.tos])))
    if kept.get((IP, IP_ORIGDSTADDR)):
        out.append((IP, IP_ORIGDSTADDR, struct.pack("H", std.AF_INET) + struct.pack(">HI", th.to_port, th.to_addr) + bytes(8)))
    return out


def put_cmsg(messages: list[tuple[int, int, bytes]], room: int) -> tuple[list[tuple[int, int, bytes]], int]:
    """Those for which there is room, the last perhaps cut; MSG_CTRUNC if so."""
    out, flags = [], 0
    for level, kind, data in messages:
        if room < 16:                                # struct cmsghdr
            flags = std.MSG_CTRUNC
            continue
        if room < 16 + len(data):
            flags = std.MSG_CTRUNC
            data = data[:room - 16]
        out.append((level, kind, data))
        room -= min(room, 16 + (len(data) + 7 & ~7))
    return out, flags
