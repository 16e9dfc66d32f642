"""How packets end: the kernel's names of include/net/dropreason-core.h where it has one, ours (marked) where it has none.

One list feeds the path, the books, the reports and the docs.  Never use the numbers outside: they differ between kernels."""
from enum import IntEnum, auto


class Drop(IntEnum):
    NOT_DROPPED_YET = 0
    RECEIVED = auto()                   # ours: an application read it
    CONSUMED = auto()                   # SKB_CONSUMED: the kernel itself was its end (ARP, ICMP, a SYN)
    NOT_SPECIFIED = auto()
    NO_SOCKET = auto()
    PKT_TOO_SMALL = auto()
    TCP_CSUM = auto()
    TCP_FLAGS = auto()
    SOCKET_FILTER = auto()
    UDP_CSUM = auto()
    NETFILTER_DROP = auto()
    OTHERHOST = auto()
    IP_CSUM = auto()
    IP_INHDR = auto()
    IP_RPFILTER = auto()
    UNICAST_IN_L2_MULTICAST = auto()
    IP_NOPROTO = auto()
    SOCKET_RCVBUFF = auto()
    SOCKET_BACKLOG = auto()
    PROTO_MEM = auto()
    CPU_BACKLOG = auto()
    UNHANDLED_PROTO = auto()
    IP_INADDRERRORS = auto()
    IP_INNOROUTES = auto()
    IP_LOCALNET = auto()
    IP_LOCAL_SOURCE = auto()
    IP_INVALID_SOURCE = auto()
    IP_INVALID_DEST = auto()
    PKT_TOO_BIG = auto()
    DUP_FRAG = auto()
    FRAG_REASM_TIMEOUT = auto()
    FRAG_TOO_FAR = auto()
    ICMP_CSUM = auto()
    INVALID_PROTO = auto()
    HDR_TRUNC = auto()
    DEV_READY = auto()
    NOMEM = auto()
    SOCKET_CLOSE = auto()
    QUEUE_PURGE = auto()
    TCP_RESET = auto()
    FRAG_QUEUE_KILLED = auto()          # ours: fragments that left with their queue; the kernel reports no event
    NIC_FILTER = auto()                 # ours: the MAC filter did not want it; no skb, no counter
    RX_MISSED = auto()                  # ours: no free descriptor; no skb; rx_missed_errors or rx_queue_N_drops
    RX_LENGTH = auto()                  # ours: longer or shorter than the NIC takes; no skb; rx_length_errors
    RX_ALLOC_FAILED = auto()            # ours: no skb was to be had for a frame of veth: a limit of the simulation
    LINK_DOWN = auto()                  # ours: the device was down; no skb
    RX_RESET = auto()                   # ours: in the ring when the driver reset the device; no skb, no counter
    TX_PAUSE = auto()                   # ours: our pause frames held it back, lost at the sender; tx_flow_control_xoff


NO_SKB_REASONS = (Drop.NIC_FILTER, Drop.RX_MISSED, Drop.RX_LENGTH, Drop.LINK_DOWN, Drop.RX_RESET, Drop.TX_PAUSE)
OURS = (Drop.RECEIVED, Drop.FRAG_QUEUE_KILLED, Drop.RX_ALLOC_FAILED, *NO_SKB_REASONS)
DELIVERED = (Drop.RECEIVED, Drop.CONSUMED)

MEANING = {
    Drop.NOT_SPECIFIED: "the kernel drops it here without saying why",
    Drop.NO_SOCKET: "nobody listens on that port",
    Drop.PKT_TOO_SMALL: "a length field promises more bytes than arrived",
    Drop.TCP_CSUM: "TCP checksum wrong",
    Drop.TCP_FLAGS: "TCP flags that make no sense",
    Drop.SOCKET_FILTER: "the socket's filter refused it",
    Drop.UDP_CSUM: "UDP checksum wrong",
    Drop.NETFILTER_DROP: "an iptables rule dropped it",
    Drop.OTHERHOST: "addressed to another MAC (seen because of promiscuous mode, or a VLAN without a device)",
    Drop.IP_CSUM: "IP header checksum wrong",
    Drop.IP_INHDR: "IP header malformed",
    Drop.IP_RPFILTER: "rp_filter: the source is not routed to where it came from",
    Drop.UNICAST_IN_L2_MULTICAST: "unicast IP address in a multicast frame",
    Drop.IP_NOPROTO: "no handler for that IP protocol",
    Drop.SOCKET_RCVBUFF: "the socket's receive buffer is full",
    Drop.SOCKET_BACKLOG: "the socket's backlog is full (3.10)",
    Drop.PROTO_MEM: "udp_mem: the protocol's memory is exhausted",
    Drop.CPU_BACKLOG: "the CPU's backlog is full, or the RPS flow limit",
    Drop.UNHANDLED_PROTO: "no handler for that EtherType",
    Drop.IP_INADDRERRORS: "not for this host, and it does not forward",
    Drop.IP_INNOROUTES: "no route",
    Drop.IP_LOCALNET: "a loopback address from outside",
    Drop.IP_LOCAL_SOURCE: "our own address as the source",
    Drop.IP_INVALID_SOURCE: "source address that cannot be",
    Drop.IP_INVALID_DEST: "destination address that cannot be",
    Drop.PKT_TOO_BIG: "larger than can be",
    Drop.DUP_FRAG: "this part of the datagram is already here",
    Drop.FRAG_REASM_TIMEOUT: "the rest of the datagram did not come in time",
    Drop.FRAG_TOO_FAR: "too many other fragments of that source in between (ipfrag_max_dist)",
    Drop.ICMP_CSUM: "ICMP checksum wrong",
    Drop.INVALID_PROTO: "not a protocol that makes sense here",
    Drop.HDR_TRUNC: "header cut short",
    Drop.DEV_READY: "the device is not up",
    Drop.NOMEM: "no memory",
    Drop.SOCKET_CLOSE: "its socket was closed",
    Drop.QUEUE_PURGE: "its queue was emptied",
    Drop.TCP_RESET: "an RST to a listener",
    Drop.FRAG_QUEUE_KILLED: "its datagram's reassembly was given up",
    Drop.NIC_FILTER: "the NIC's MAC filter did not want it",
    Drop.RX_MISSED: "the ring was full",
    Drop.RX_LENGTH: "too long or too short for the NIC",
    Drop.RX_ALLOC_FAILED: "every packet of the simulation was in use",
    Drop.LINK_DOWN: "the device was down",
    Drop.RX_RESET: "in the ring when the device was reset (ifconfig down, ethtool -G or -L, a new MTU)",
    Drop.TX_PAUSE: "held back by our pause frames (802.3x) and lost at the sender: this host never saw it",
}
