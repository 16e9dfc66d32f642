"""The network card itself: filters, DMA into posted buffers, descriptor write-back.  No CPU time is spent here.

What has arrived by a clock is taken in by whoever looks first (nic_rx.py); which queue it takes, rss.py has settled.  Every frame of the
cable ends in exactly one of: filtered, length_errors, link_down, missed, or descriptors that the driver cleans."""
from .._compile import Mem, always_inline, cold, mem_at, memcpy, memset, path_function, struct_at
from ..abi.headers import IP_ADDRS, ether_addr_to_u64, ethhdr, frame_ipv4, ip_is_fragment, iphdr, udphdr, vlan_hdr
from ..abi.net import Net
from ..abi.nic import arrival, nic_t, rx_ring
from ..abi.numbers import (
    E1000_RXD_STAT_DD,
    E1000_RXD_STAT_EOP,
    E1000_RXD_STAT_IPCS,
    E1000_RXD_STAT_IXSM,
    E1000_RXD_STAT_TCPCS,
    E1000_RXD_STAT_UDPCS,
    E1000_RXD_STAT_VP,
    E1000_RXDEXT_STATERR_IPE,
    E1000_RXDEXT_STATERR_L4E,
    E1000_RXDEXT_STATERR_RXE,
    ETH_FCS_LEN,
    ETH_HLEN,
    ETH_P_8021Q,
    FEED_CSUM_GOOD,
    FEED_IP_CSUM_GOOD,
    FEED_RX_ERROR,
    FEED_WIRE,
    IP_HLEN,
    IPPROTO,
    RXD_WIRE_SHIFT,
    TCP_HLEN,
    UDP_HLEN,
    VLAN_HLEN,
)
from ..abi.reasons import Drop
from ..open_loop import tcp_ends
from ..path import Stage, cable_dma, cable_rx
from ..record import record_count, record_level
from ..skb import csum_fold, csum_partial, ip_fast_csum
from ..turn import trail_lost
from .ixgbe_fdir import fdir_drops
from .nic_filters import mac_filtered
from .rss import rss_type


@path_function
def nic_write_back(net: Net, q: int, ring: rx_ring, length: int, rss: int, t: int, frame: int, status: int) -> None:
    """One descriptor, DD last."""
    desc = net.desc[q][ring.hw_at]
    desc.length = length
    desc.rss = rss
    desc.ts = t
    desc.frame = frame
    desc.status = status | E1000_RXD_STAT_DD
    ring.hw_head += 1
    ring.hw_at += 1
    if ring.hw_at == ring.size:
        ring.hw_at = 0
    if net.record:
        record_level(net, net.recording.ring_fill + q, t, ring.hw_head - ring.next_to_clean)


@cold
@path_function
def nic_lost(net: Net, ring: rx_ring, a: arrival, reason: int, s: int) -> None:
    """A frame that the card has lost leaves its mark, and is recorded in series s, at its own time, whenever somebody looks."""
    if net.record:
        record_count(net, s, a.t, 1)
    trail_lost(net, ring.cpu, a.t, a.frame, Stage.nic_dma, reason)
    tcp_ends(net, a.t, a.frame, reason)


@path_function
def ring_cleaned(ring: rx_ring) -> None:
    """The driver has taken the next descriptor."""
    ring.next_to_clean += 1
    ring.clean_at += 1
    if ring.clean_at == ring.size:
        ring.clean_at = 0


@cold
@path_function
def record_ring(net: Net, cpu: int, q: int, ring: rx_ring) -> None:
    """A driver has taken descriptors: how many are left."""
    c = net.cpu[cpu]
    record_level(net, net.recording.ring_fill + q, c.now, ring.hw_head - ring.next_to_clean)


# ---------------------------------------------------------------- acceptance
@path_function
def nic_accepts(net: Net, nic: nic_t, ring: rx_ring, a: arrival) -> bool:
    """Link, length, MAC filter; a frame that is refused is counted here and nowhere else."""
    if nic.link_up == 0 or ring.up == 0:
        ring.link_down += 1
        nic_lost(net, ring, a, Drop.LINK_DOWN, net.recording.link_down)
        return False
    return nic_takes(net, nic, ring, a)


@path_function
def nic_takes(net: Net, nic: nic_t, ring: rx_ring, a: arrival) -> bool:
    """Length and MAC filter."""
    if a.len + ETH_FCS_LEN > nic.max_frame or a.len < ETH_HLEN:      # RLPML counts the FCS, captures do not have it
        ring.length_errors += 1
        if a.len < ETH_HLEN:
            ring.runts += 1
        nic_lost(net, ring, a, Drop.RX_LENGTH, net.recording.rx_length)
        return False
    mac = 0
    if a.caplen >= ETH_HLEN:
        eth = struct_at(ethhdr, mem_at(net.feed_addr), a.offset)
        mac = ether_addr_to_u64(eth.h_dest)
    if mac == nic.mac or nic_filter(nic, ring, mac):
        if nic.nfdir == 0 or not fdir_drops(net, ring, a):
            return True
    ring.filtered += 1
    nic_lost(net, ring, a, Drop.NIC_FILTER, net.recording.nic_filter)
    return False


@path_function
def nic_filter(nic: nic_t, ring: rx_ring, mac: int) -> bool:
    """Not our own address: broadcast always, multicast by table, the rest in promiscuous mode."""
    if mac >> 40 & 1 == 0:
        return nic.promisc != 0 or (nic.filters != 0 and mac_filtered(nic, mac))
    if mac == 0xFFFF_FFFF_FFFF:
        ring.broadcast += 1
        return True
    wanted = nic.promisc + nic.allmulti + nic.multi_overflow
    for k in range(nic.nmulti):
        if nic.multi[k] == mac:
            wanted += 1
    if wanted:
        ring.multicast += 1
    return wanted != 0


# ---------------------------------------------------------------- DMA
@always_inline
@path_function
def nic_dma(net: Net, nic: nic_t, q: int, ring: rx_ring, a: arrival, feed: Mem) -> bool:
    """Write a frame that lies in `feed` into the buffers that the driver has posted.  False: there are not enough of them."""
    wanted = 1
    if a.len > ring.buf_len:
        wanted = (a.len + ring.buf_len - 1) // ring.buf_len
    if ring.next_to_use - ring.hw_head < wanted:
        return False
    net.stage_count[ring.cpu][Stage.nic_dma] += 1
    status, mem = nic_checksum(nic, a, feed), mem_at(net.mem_addr)
    if nic.l4_hash:
        status |= rss_type(nic, feed, a.offset, a.caplen)
    desc = net.desc[q][ring.hw_at]
    tag = 0
    if nic.vlan_strip:
        eth = struct_at(ethhdr, feed, a.offset)
        if a.caplen >= ETH_HLEN + VLAN_HLEN and eth.h_proto == ETH_P_8021Q:
            tag = VLAN_HLEN
    if tag == 0 and a.len <= ring.buf_len:           # nearly every frame
        nic_copy(mem, desc.buf, feed, a, 0, a.len)
        nic_write_back(net, q, ring, a.len, a.hash, a.t, a.frame, status | E1000_RXD_STAT_EOP)
        return True
    nic_dma_pieces(net, q, ring, a, feed, status, tag)
    return True


@cold
@path_function
def nic_dma_pieces(net: Net, q: int, ring: rx_ring, a: arrival, feed: Mem, status: int, tag: int) -> None:
    """A frame without its tag, or one that takes several buffers: each has its descriptor, the last has EOP (and the tag)."""
    mem, tci = mem_at(net.mem_addr), 0
    if tag:
        vlan = struct_at(vlan_hdr, feed, a.offset + ETH_HLEN)
        tci = vlan.h_vlan_TCI
        status |= E1000_RXD_STAT_VP
    done, left = 0, a.len - tag
    while left > 0:
        desc = net.desc[q][ring.hw_at]
        n = min(left, ring.buf_len)
        if tag > 0 and done == 0:                    # both addresses, then what follows the tag
            nic_copy(mem, desc.buf, feed, a, 0, 12)
            nic_copy(mem, desc.buf + 12, feed, a, 12 + tag, n - 12)
        else:
            nic_copy(mem, desc.buf, feed, a, done + tag, n)
        desc.vlan = tci
        done += n
        left -= n
        if left == 0:
            status |= E1000_RXD_STAT_EOP
        nic_write_back(net, q, ring, n, a.hash, a.t, a.frame, status)


@path_function
def nic_copy(mem: Mem, buf: int, feed: Mem, a: arrival, start: int, n: int) -> None:
    """Bytes of the frame that the capture has; zeros for those that its snap length cut off."""
    have = min(max(a.caplen - start, 0), n)
    memcpy(mem, buf, feed, a.offset + start, have)
    if have < n:
        memset(mem, buf + have, 0, n - have)


# ---------------------------------------------------------------- checksum offload
@path_function
def nic_checksum(nic: nic_t, a: arrival, feed: Mem) -> int:
    """Status bits: what the card has verified, and what it found wrong; with what the capture knows."""
    said = (a.flags & FEED_WIRE) << RXD_WIRE_SHIFT
    if a.flags & FEED_RX_ERROR:
        said |= E1000_RXDEXT_STATERR_RXE
    if nic.rx_csum == 0:
        return E1000_RXD_STAT_IXSM | said
    at, end = frame_ipv4(feed, a.offset, a.caplen), a.offset + a.caplen
    if at < 0:
        return E1000_RXD_STAT_IXSM | said
    ip = struct_at(iphdr, feed, at)
    ihl = ip.ihl * 4
    if ip.version != 4 or ihl < IP_HLEN or at + ihl > end:
        return E1000_RXD_STAT_IXSM | said
    if a.flags & FEED_IP_CSUM_GOOD == 0 and not ip_sum_good(feed, at, ihl):
        return E1000_RXD_STAT_IPCS | E1000_RXDEXT_STATERR_IPE | said
    status = E1000_RXD_STAT_IPCS | said
    if ip_is_fragment(ip):                           # the header only
        return status
    return status | nic_checksum_l4(feed, at, ip, end, a.flags)


@path_function
def nic_checksum_l4(feed: Mem, at: int, ip: iphdr, end: int, flags: int) -> int:
    """TCP and UDP over IPv4; a UDP datagram without a checksum is not marked at all."""
    ihl, proto = ip.ihl * 4, ip.protocol
    l4, n = at + ihl, ip.tot_len - ihl
    good = 0
    if proto == IPPROTO.UDP:
        if n < UDP_HLEN or l4 + UDP_HLEN > end:
            return 0
        uh = struct_at(udphdr, feed, l4)
        if uh.check == 0:
            return 0
        good = E1000_RXD_STAT_UDPCS
    elif proto == IPPROTO.TCP:
        if n < TCP_HLEN or l4 + TCP_HLEN > end:
            return 0
        good = E1000_RXD_STAT_TCPCS
    else:
        return 0
    if flags & FEED_CSUM_GOOD:
        return good
    if l4 + n > end:                                 # the IP header promises more than came
        return 0
    if l4_sum_good(feed, at, l4, n, proto):
        return good
    return good | E1000_RXDEXT_STATERR_L4E


@cold
@path_function
def ip_sum_good(feed: Mem, at: int, ihl: int) -> bool:
    """Nothing that made the feed has looked at it before."""
    return ip_fast_csum(feed, at, ihl >> 2) == 0


@cold
@path_function
def l4_sum_good(feed: Mem, at: int, l4: int, n: int, proto: int) -> bool:
    """The same for TCP and UDP, with the pseudo-header."""
    pseudo = csum_partial(feed, at + IP_ADDRS, 8, (proto << 8) + ((n & 0xFF) << 8 | n >> 8))
    return csum_fold(csum_partial(feed, l4, n, pseudo)) == 0


# ---------------------------------------------------------------- a frame has come
@cable_rx("nic_receive")
@path_function
def nic_receive(net: Net, q: int, ring: rx_ring, a: arrival) -> int:
    """A card with a descriptor ring and nothing in front of it: filters, then DMA.  1: the host will see it."""
    nic = net.nic[ring.nic]
    if nic_accepts(net, nic, ring, a):
        if nic_dma(net, nic, q, ring, a, mem_at(net.feed_addr)):
            return 1
        nic_missed(net, q, ring, a)
        if nic.nqueue > 1:                           # SRRCTL.DROP_EN: the queue itself drops (RQDPC), so that it does not block the others
            ring.fifo += 1
    return 0


@cold
@path_function
def nic_missed(net: Net, q: int, ring: rx_ring, a: arrival) -> None:
    """There was no descriptor for it."""
    ring.missed += 1
    ring.burst_lost += 1
    ring.burst_needs = max(ring.burst_needs, ring.size + ring.burst_lost)
    nic_lost(net, ring, a, Drop.RX_MISSED, net.recording.ring_missed + q)


@cable_dma("nic_dma_waiting")
@cold
@path_function
def nic_dma_waiting(net: Net, q: int, ring: rx_ring, a: arrival, addr: int) -> int:
    """DMA of a frame that lies at addr and has passed the filters.  0: there are not enough descriptors."""
    return int(nic_dma(net, net.nic[ring.nic], q, ring, a, mem_at(addr)))
