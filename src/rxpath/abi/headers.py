"""Headers as they lie in packets: include/uapi/linux/if_ether.h, if_vlan.h, if_arp.h, ip.h, udp.h, tcp.h, icmp.h, igmp.h.

A station checks once, at its door, that a header is there; from then on `ip = ip_hdr(net, skb)` gives its fields in host order, as wide
integers, with the loads and byte swaps that a C compiler would emit.  What is written to a field is written to the packet.

A checksum reads and is written as it lies (u16): sums are taken over little-endian words, as the kernel does on x86."""
from .._compile import Mem, header, mem_at, net16, net32, offsetof, path_function, struct_at, u4, u8, u16
from .kernels import Behaviour
from .net import Net
from .numbers import ETH_HLEN, ETH_P_8021Q, ETH_P_IP, IP_HLEN, IP_MF, IP_OFFSET, VLAN_HLEN
from .skbuff import sk_buff


@header
class ether_addr:
    """48 bits: two fields, one number with ether_addr_to_u64()."""
    high: net16
    low: net32


@header
class ethhdr:
    h_dest: ether_addr
    h_source: ether_addr
    h_proto: net16


@header
class vlan_hdr:
    """What stands in place of h_proto's protocol: skb.data is here, behind the 0x8100."""
    h_vlan_TCI: net16
    h_vlan_encapsulated_proto: net16


@header
class arphdr:
    """RFC 826, with the addresses of Ethernet and IPv4."""
    ar_hrd: net16
    ar_pro: net16
    ar_hln: u8
    ar_pln: u8
    ar_op: net16
    ar_sha: ether_addr
    ar_sip: net32
    ar_tha: ether_addr
    ar_tip: net32


@header
class iphdr:
    """RFC 791 3.1."""
    ihl: u4
    version: u4
    tos: u8
    tot_len: net16
    id: net16
    frag_off: net16
    ttl: u8
    protocol: u8
    check: u16
    saddr: net32
    daddr: net32


@header
class in6_addr:
    """128 bits, the first four bytes first."""
    a: net32
    b: net32
    c: net32
    d: net32


@header
class ipv6hdr:
    """RFC 8200 3."""
    flow: net32                 # version, traffic class, flow label
    payload_len: net16
    nexthdr: u8
    hop_limit: u8
    saddr: in6_addr
    daddr: in6_addr


@header
class udphdr:
    """RFC 768."""
    source: net16
    dest: net16
    len: net16
    check: u16


@header
class tcphdr:
    """RFC 9293 3.1."""
    source: net16
    dest: net16
    seq: net32
    ack_seq: net32
    res1: u4
    doff: u4
    flags: u8
    window: net16
    check: u16
    urg_ptr: net16


@header
class tcp_word_hdr:
    """union tcp_word_hdr: the same as words, for what is compared at once.  UDP's ports lie in the same place."""
    ports: net32
    seq: net32
    ack_seq: net32
    flags: net32                # data offset, flags, window


@header
class port_pair:
    """What UDP, TCP and SCTP begin with: source << 16 | destination."""
    ports: net32


@header
class icmphdr:
    """RFC 792."""
    type: u8
    code: u8
    checksum: u16
    un: net32                   # by type: id and sequence, gateway, MTU, pointer << 24


@header
class igmpv3_query:
    """RFC 3376 4.1; the first 8 bytes are the header of all versions."""
    type: u8
    code: u8
    csum: u16
    group: net32
    qrv: u8
    qqic: u8
    nsrcs: net16


LBCAST = 0xFFFFFFFF                                  # 255.255.255.255
BROADCAST = 0xFFFF_FFFF_FFFF                         # ff:ff:ff:ff:ff:ff
IP_ADDRS, IP6_ADDRS = offsetof(iphdr, "saddr"), offsetof(ipv6hdr, "saddr")       # both addresses, for what sums or hashes them as bytes


# ---------------------------------------------------------------- where a packet has them
@path_function
def eth_hdr(net: Net, skb: sk_buff) -> ethhdr:
    return struct_at(ethhdr, mem_at(net.mem_addr), skb.mac_header)


@path_function
def ip_hdr(net: Net, skb: sk_buff) -> iphdr:
    return struct_at(iphdr, mem_at(net.mem_addr), skb.network_header)


@path_function
def arp_hdr(net: Net, skb: sk_buff) -> arphdr:
    return struct_at(arphdr, mem_at(net.mem_addr), skb.network_header)


@path_function
def udp_hdr(net: Net, skb: sk_buff) -> udphdr:
    return struct_at(udphdr, mem_at(net.mem_addr), skb.transport_header)


@path_function
def tcp_hdr(net: Net, skb: sk_buff) -> tcphdr:
    return struct_at(tcphdr, mem_at(net.mem_addr), skb.transport_header)


@path_function
def tcp_words(net: Net, skb: sk_buff) -> tcp_word_hdr:
    return struct_at(tcp_word_hdr, mem_at(net.mem_addr), skb.transport_header)


@path_function
def icmp_hdr(net: Net, skb: sk_buff) -> icmphdr:
    return struct_at(icmphdr, mem_at(net.mem_addr), skb.transport_header)


@path_function
def igmp_hdr(net: Net, skb: sk_buff) -> igmpv3_query:
    return struct_at(igmpv3_query, mem_at(net.mem_addr), skb.transport_header)


@path_function
def frame_ipv4(mem: Mem, offset: int, caplen: int) -> int:
    """Where the IPv4 header of a frame on the wire lies, if it is there whole, behind one VLAN tag at most; -1: it has none."""
    if caplen < ETH_HLEN + IP_HLEN:
        return -1
    eth, ip = struct_at(ethhdr, mem, offset), offset + ETH_HLEN
    proto = eth.h_proto
    if proto == ETH_P_8021Q:
        vlan = struct_at(vlan_hdr, mem, ip)
        proto = vlan.h_vlan_encapsulated_proto
        ip += VLAN_HLEN
    if proto != ETH_P_IP or ip + IP_HLEN > offset + caplen:
        return -1
    return ip


# ---------------------------------------------------------------- include/net/ip.h, include/linux/in.h
@path_function
def ip_is_fragment(ip: iphdr) -> bool:
    return ip.frag_off & (IP_MF | IP_OFFSET) != 0


@path_function
def ipv4_is_multicast(addr: int) -> bool:
    return addr >> 28 == 14


@path_function
def ipv4_is_local_multicast(addr: int) -> bool:
    return addr >> 8 == 0xE00000                     # 224.0.0.0/24, of the link


@path_function
def ipv4_is_loopback(addr: int) -> bool:
    return addr >> 24 == 127


@path_function
def ipv4_is_lbcast(addr: int) -> bool:
    return addr == LBCAST


@path_function
def ipv4_is_zeronet(net: Net, addr: int) -> bool:
    if net.behaviour[Behaviour.zeronet_is_one]:
        return addr == 0
    return addr >> 24 == 0


# ---------------------------------------------------------------- include/linux/etherdevice.h
@path_function
def ether_addr_to_u64(addr: ether_addr) -> int:
    return addr.high << 32 | addr.low


@path_function
def is_multicast_ether_addr(mac: int) -> bool:
    return mac >> 40 & 1 != 0                        # broadcast, too


@path_function
def u64_to_ether_addr(u: int, addr: ether_addr) -> None:
    addr.high = u >> 32
    addr.low = u & 0xFFFF_FFFF
