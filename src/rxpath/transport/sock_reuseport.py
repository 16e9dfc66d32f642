"""SO_REUSEPORT groups: net/core/sock_reuseport.c.  bind() fills them (udp_sock.py), or listen() (inet_hashtables.py); the lookup chooses
one of their members: by the flow's hash, or by a program (SO_ATTACH_REUSEPORT_CBPF), which sees the payload and returns its place."""
import errno
from typing import Any

from .._compile import cold, entry, path_function, reset_struct
from ..abi.net import Net
from ..abi.numbers import ENOMEM, NO_PROG, NO_SOCK
from ..abi.skbuff import sk_buff
from ..abi.sock import NREUSEPORT, sock, sock_reuseport
from ..path import Stage
from ..turn import at
from ..user.errors import check, error
from ..user.filter import Program, bpf_check_classic, bpf_prog_load, bpf_prog_run, check_unlocked


@path_function
def reuseport_alloc(net: Net, sk: sock) -> bool:
    """A group of its own."""
    if net.group_free >= 0:
        g = net.group_free
        free = net.reuseport[g]
        net.group_free = free.next
    elif net.ngroup < len(net.reuseport):
        g = net.ngroup
        net.ngroup += 1
        reset_struct(net.reuseport[g])
    else:
        return False
    return reuseport_add_sock(net, sk, g)


@path_function
def reuseport_add_sock(net: Net, sk: sock, g: int) -> bool:
    reuse = net.reuseport[g]
    if reuse.num_socks >= NREUSEPORT:
        return False
    reuse.socks[reuse.num_socks] = sk.idx
    reuse.num_socks += 1
    sk.group = g
    if sk.incoming_cpu >= 0:
        reuse.incoming_cpu += 1
    return True


@path_function
def reuseport_detach_sock(net: Net, sk: sock) -> None:
    """The last member moves into the hole."""
    reuse = net.reuseport[sk.group]
    for k in range(reuse.num_socks):
        if reuse.socks[k] == sk.idx:
            reuse.num_socks -= 1
            reuse.socks[k] = reuse.socks[reuse.num_socks]
            break
    if sk.incoming_cpu >= 0:
        reuse.incoming_cpu -= 1
    if reuse.num_socks == 0:
        reuse.prog = NO_PROG
        reuse.next = net.group_free
        net.group_free = sk.group
    sk.group = NO_SOCK


@cold
@path_function
def run_bpf_filter(net: Net, cpu: int, skb: sk_buff, reuse: sock_reuseport, hdr_len: int) -> int:
    """The member that the program chooses; NO_SOCK: there is none at that place.  It sees the packet without its transport header."""
    at(net, cpu, skb, Stage.run_bpf_filter)
    skb.data += hdr_len
    skb.len -= hdr_len
    index = bpf_prog_run(net, cpu, skb, reuse.prog)
    skb.data -= hdr_len
    skb.len += hdr_len
    return reuse.socks[index] if index < reuse.num_socks else NO_SOCK


@path_function
def reuseport_select_sock(net: Net, cpu: int, skb: sk_buff, reuse: sock_reuseport, phash: int, hdr_len: int) -> int:
    """Who the group's program says, if it may run (hdr_len: bytes of the transport header, 0: it may not); else the member at
    floor(hash * n / 2^32); with SO_INCOMING_CPU in the group, the next from there that wants this CPU."""
    n = reuse.num_socks
    if hdr_len and reuse.prog >= 0:
        chosen = run_bpf_filter(net, cpu, skb, reuse, hdr_len)
        if chosen >= 0:
            return chosen
    first = phash * n >> 32
    i, valid = first, NO_SOCK
    for _ in range(n):
        member = reuse.socks[i]
        sk = net.socks[member]
        if sk.dport == 0:
            if reuse.incoming_cpu == 0 or sk.incoming_cpu == cpu:
                return member
            if valid < 0:
                valid = member
        i += 1
        if i >= n:
            i = 0
    return valid


# ---------------------------------------------------------------- SO_ATTACH_REUSEPORT_CBPF, SO_DETACH_REUSEPORT_BPF
@entry
def reuseport_own_group(net: Net, i: int) -> int:
    """A socket that is not bound yet gets a group of its own: bind() keeps it if nobody else has one there."""
    return 0 if reuseport_alloc(net, net.socks[i]) else ENOMEM


def reuseport_attach_prog(b: Any, i: int, program: Program) -> None:
    """Of all its group, from any member.  EPERM: SO_LOCK_FILTER of this one."""
    sk = b.net.socks[i]
    check_unlocked(b, i, "SO_ATTACH_REUSEPORT_CBPF")
    if bpf_check_classic(program):
        raise error(errno.EINVAL, "SO_ATTACH_REUSEPORT_CBPF")
    if sk.group < 0:
        if sk.port or not sk.reuseport:                     # it was bound without SO_REUSEPORT
            raise error(errno.EINVAL, "SO_ATTACH_REUSEPORT_CBPF")
        check(b.call(reuseport_own_group)(b.net, i), "SO_ATTACH_REUSEPORT_CBPF")
    first = bpf_prog_load(b.net, program)
    if first < 0:
        raise error(errno.ENOMEM, "SO_ATTACH_REUSEPORT_CBPF")
    b.net.reuseport[sk.group].prog = first


def reuseport_detach_prog(b: Any, i: int) -> None:
    sk = b.net.socks[i]
    if sk.group < 0:
        raise error(errno.ENOENT if sk.reuseport else errno.EINVAL, "SO_DETACH_REUSEPORT_BPF")
    if b.net.reuseport[sk.group].prog == NO_PROG:
        raise error(errno.ENOENT, "SO_DETACH_REUSEPORT_BPF")
    b.net.reuseport[sk.group].prog = NO_PROG
