"""RSS: which queue a frame takes.  Toeplitz over addresses and ports, the low seven bits of the hash through the indirection table.

Called when a frame is put on the cable (vtime/feed.py, the capture reader), and again for all that has not arrived when a table changes
(igb_ethtool.py, steer_again).  The function is Microsoft's ("RSS hashing functions"),
its verification vectors are the test.  Toeplitz is linear: each byte of the tuple adds a number that depends only on its place and
value, so rss_write_key makes a table of 36 x 256 from the key and a frame costs twelve look-ups (36 for IPv6)."""
from .._compile import Mem, byte, cold, entry, mem_at, path_function, struct_at
from ..abi.headers import IP6_ADDRS, IP_ADDRS, ethhdr, frame_ipv4, ip_is_fragment, iphdr, ipv6hdr, vlan_hdr
from ..abi.net import Net
from ..abi.nic import nic_t
from ..abi.numbers import ETH_HLEN, ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6, FEED_STEER, IP_HLEN, IPPROTO, RXD_L4_HASH, VLAN_HLEN
from .ixgbe_fdir import fdir_queue
from .nic_filters import nic_filtered

IPV6_HLEN, PORTS = 40, 4


@path_function
def toeplitz_bytes(nic: nic_t, feed: Mem, at: int, n: int, row: int) -> int:
    """What n bytes add that stand at place `row` of the tuple."""
    h = 0
    for k in range(n):
        h ^= nic.toeplitz[row + k][byte(feed, at + k)]
    return h


@path_function
def rss_hash(net: Net, nic: nic_t, offset: int, caplen: int) -> int:
    """0 for a frame without an IP header.  Ports count only where they are: no fragment, not cut off by the snap length."""
    if caplen < ETH_HLEN + IP_HLEN:
        return 0
    feed, at, end = mem_at(net.feed_addr), offset + ETH_HLEN, offset + caplen
    eth = struct_at(ethhdr, feed, offset)
    proto = eth.h_proto
    while (proto == ETH_P_8021Q or proto == ETH_P_8021AD) and at + VLAN_HLEN + IP_HLEN <= end:
        vlan = struct_at(vlan_hdr, feed, at)
        proto = vlan.h_vlan_encapsulated_proto
        at += VLAN_HLEN
    if proto == ETH_P_IP and at + IP_HLEN <= end:
        ip = struct_at(iphdr, feed, at)
        h, l4 = toeplitz_bytes(nic, feed, at + IP_ADDRS, 8, 0), at + ip.ihl * 4
        if rss_has_ports(nic, ip.protocol) and not ip_is_fragment(ip) and l4 + PORTS <= end:
            h ^= toeplitz_bytes(nic, feed, l4, PORTS, 8)
        return h
    if proto == ETH_P_IPV6 and at + IPV6_HLEN <= end:
        ip6 = struct_at(ipv6hdr, feed, at)
        h = toeplitz_bytes(nic, feed, at + IP6_ADDRS, 32, 0)
        if rss_has_ports(nic, ip6.nexthdr) and at + IPV6_HLEN + PORTS <= end:
            h ^= toeplitz_bytes(nic, feed, at + IPV6_HLEN, PORTS, 32)
        return h
    return 0


@path_function
def rss_has_ports(nic: nic_t, proto: int) -> bool:
    """Are the ports of this protocol hashed?"""
    return (proto == IPPROTO.TCP and nic.rss_tcp_ports != 0) or (proto == IPPROTO.UDP and nic.rss_udp_ports != 0)


@cold
@path_function
def rss_type(nic: nic_t, feed: Mem, offset: int, caplen: int) -> int:
    """RSSTYPE as far as skb_set_hash() asks: RXD_L4_HASH if the frame's ports were hashed."""
    at = frame_ipv4(feed, offset, caplen)
    if at < 0:
        return 0
    ip = struct_at(iphdr, feed, at)
    if ip_is_fragment(ip) or not rss_has_ports(nic, ip.protocol):
        return 0
    return RXD_L4_HASH


@path_function
def nic_steer(net: Net, card: int, offset: int, caplen: int, flags: int) -> int:
    """ring << 32 | hash of the frame in feed memory.  What has no hash goes to the card's first ring.  flags: FEED_*, and from
    FEED_STEER on what the addresses that a hidden capture does not show change in the hash."""
    nic = net.nic[card]
    if nic.rss == 0:
        return nic.first << 32
    h = rss_hash(net, nic, offset, caplen) ^ flags >> FEED_STEER
    if nic.filters:
        q = fdir_queue(net, card, offset, caplen) if nic.nfdir else nic_filtered(net, nic, offset, caplen)
        if q >= 0:
            return nic.first + q << 32 | h
    if h == 0:
        return nic.first << 32
    return nic.first + nic.reta[h & nic.reta_mask] << 32 | h


@entry
def rss_write_key(net: Net, card: int, key: Mem) -> None:
    """igb_write_rss_key's effect: what each byte at each place adds, from the 40 bytes of the key."""
    nic = net.nic[card]
    for row in range(36):
        sums = nic.toeplitz[row]
        sums[0] = 0
        for bit in range(8):                         # the 32 bits of the key that begin at this bit of the tuple
            window = 0
            for k in range(5):
                window = window << 8 | byte(key, row + k)
            window = window >> 1 + bit & 0xFFFFFFFF
            for value in range(1 << bit):            # the hash is linear: a further bit adds its window to every sum without it
                sums[value + (1 << bit)] = sums[value] ^ window


@entry
def rss_hash_of(net: Net, offset: int, caplen: int) -> int:
    """The hash that the first card gives a frame in feed memory, for tools and tests."""
    return rss_hash(net, net.nic[0], offset, caplen)
