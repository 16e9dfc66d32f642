"""How long did the receiver's programs take?  From a capture that holds both directions: the time from a request to the receiver's own
reply of the same flow.

A server works on one datagram after the other, so that a reply's work began when its request came, or at the port's reply before it,
whichever is later: a request that had to wait does not count its waiting.  What is left holds the way through the real kernel too
(some microseconds), and it is too long for a port that several threads serve: for these there are the pairs of times.  A flow that the
receiver has begun holds answers to it, no requests.  workbench/traffic/service_times.py uses it."""
from .._compile import Mem, entry, mem_at, path_function, put_le64, struct_at
from ..abi.capture import Scan, scan_t
from ..abi.headers import ethhdr, iphdr, udphdr, vlan_hdr
from ..abi.numbers import ETH_HLEN, ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, IP_HLEN, IP_OFFSET, IPPROTO, UDP_HLEN, VLAN_HLEN
from ..abi.replies import NREPLY_FLOW, replies_t, reply_flow
from .scan import next_record, record_frame

PROBES = 64


@path_function
def is_local(r: replies_t, address: int) -> bool:
    for i in range(r.nlocal):
        if r.local[i] == address:
            return True
    return False


@path_function
def reply_flow_of(r: replies_t, key: int, peer: int, t: int, ours: int) -> reply_flow:
    """Its entry.  Where there is no place, the one that has been quiet longest makes room."""
    h = (key ^ peer * 0x9E3779B1) * 0x85EBCA77 & 0x7FFF_FFFF_FFFF
    first = h >> 13 ^ h >> 29
    quiet = first & NREPLY_FLOW - 1
    for i in range(PROBES):
        at = first + i & NREPLY_FLOW - 1
        f = r.flow[at]
        if f.key == key and f.peer == peer:
            f.seen = t
            return f
        if f.key == 0:
            quiet = at
            break
        if f.seen < r.flow[quiet].seen:
            quiet = at
    f = r.flow[quiet]
    f.key, f.peer, f.waiting, f.ours, f.seen = key, peer, 0, ours, t
    return f


@path_function
def reply_frame(r: replies_t, s: scan_t, mem: Mem) -> None:
    """One frame: a datagram to the receiver waits for its reply, one from it is the reply."""
    at, end = s.rec_at, s.rec_at + s.rec_caplen
    if s.rec_caplen < ETH_HLEN or s.rec_has_ts == 0:
        return
    eth = struct_at(ethhdr, mem, at)
    proto = eth.h_proto
    at += ETH_HLEN
    while (proto == ETH_P_8021Q or proto == ETH_P_8021AD) and at + VLAN_HLEN <= end:
        vlan = struct_at(vlan_hdr, mem, at)
        proto = vlan.h_vlan_encapsulated_proto
        at += VLAN_HLEN
    if proto != ETH_P_IP or at + IP_HLEN > end:
        return
    ip = struct_at(iphdr, mem, at)
    l4 = at + ip.ihl * 4
    if ip.protocol != IPPROTO.UDP or ip.frag_off & IP_OFFSET or l4 + UDP_HLEN > end:
        return
    uh = struct_at(udphdr, mem, l4)
    src, dst, sport, dport = ip.saddr, ip.daddr, uh.source, uh.dest
    if is_local(r, dst):
        if r.port == 0 or dport == r.port:
            reply_wanted(r, s.rec_ts, dport << 16 | sport, src)
    elif is_local(r, src) and (r.port == 0 or sport == r.port):
        reply_seen(r, s.rec_ts, sport << 16 | dport, dst)


@path_function
def reply_wanted(r: replies_t, t: int, key: int, peer: int) -> None:
    f = reply_flow_of(r, key, peer, t, 0)
    if f.ours:                                       # it is itself an answer
        return
    r.requests += 1
    if f.waiting == 0:
        f.since = t
    f.last = t
    f.waiting += 1


@path_function
def reply_seen(r: replies_t, t: int, key: int, peer: int) -> None:
    f = reply_flow_of(r, key, peer, t, 1)
    if f.waiting == 0:                               # it asks, or it spoke unasked
        r.unasked += 1 - f.ours
        return
    began = max(f.since, r.last_reply[key >> 16])
    if t >= began and r.npair < r.pair_max:
        put_le64(mem_at(r.pair_addr), 16 * r.npair, f.since)
        put_le64(mem_at(r.pair_addr), 16 * r.npair + 8, t)
        r.npair += 1
    f.waiting -= 1
    f.since = f.last                                 # of requests in between only the newest is known
    r.last_reply[key >> 16] = t
    r.replies += 1
    if t >= began and r.nout < r.out_max:
        put_le64(mem_at(r.out_addr), 8 * r.nout, t - began)
        r.nout += 1


@entry
def capture_replies(s: scan_t, r: replies_t, addr: int, limit: int) -> int:
    """Look at up to `limit` records of the bytes at addr, until enough replies are known.  Returns a Scan: why it stopped."""
    mem = mem_at(addr)
    for _ in range(limit):
        if r.nout == r.out_max:
            return Scan.END
        got = next_record(s, mem)
        if got != Scan.RECORD:
            return got
        r.records += 1
        if record_frame(s, mem):
            reply_frame(r, s, mem)
    return Scan.LIMIT
