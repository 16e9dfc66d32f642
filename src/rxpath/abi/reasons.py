"""How packets end: one row for each reason.  The path, the books, reports, rules and pages all read it here; a new reason is a new row.

A row says whose name it is and since when, what it means, its kind, and the stations (path.py) that give it with the counters that move
there, once for each packet.  Where a frame was lost comes from the run (net.drop_at), never from its reason; a test sends real frames to
each of these places, under each kernel, and compares what moved.  A counter that a kernel does not have yet (mib.py) does not move there.

Names are those of include/net/dropreason-core.h (SKB_DROP_REASON_*), ours (marked) where it has none.  Never use the numbers outside:
they differ between kernels."""
from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple

from .kernels import version
from .mib import has


class Kind(Enum):
    """What became of it.  The value is the word for a reader.  `queued` is a state, not an end."""
    DELIVERED = "delivered"
    LOST = "lost"                       # no room or no time for it: a ring, a queue, a buffer, memory
    DAMAGED = "not in order"            # malformed, incomplete, contradictory, or here already
    REFUSED = "refused"                 # by a rule or a setting of this host
    NOT_FOR_US = "not for this host"    # another's address, or nobody here listens
    NOT_MODELLED = "not modelled"       # a real kernel would go on with it
    DOWN = "down"                       # its device was down, its socket closed
    HELD_BACK = "held back"             # by flow control: this host never saw it, or TCP's window had no room, for which a sender waits


class Place(NamedTuple):
    """A station that gives a reason.  kind, meaning: where they differ from the row's; before: a kernel and what moved before it."""
    counters: str = ""
    kind: Kind | None = None
    meaning: str = ""
    before: tuple[str, str] | None = None

    def counted(self, kernel: str) -> tuple[str, ...]:
        """The counters that move in that kernel.  "a/b" is one of the two: of a kernel that lacks either nothing can be said."""
        old = self.before is not None and version(kernel) < version(self.before[0])
        said = (self.before[1] if old and self.before else self.counters).split()
        return tuple(c for c in said if all(has(choice, kernel) for choice in c.split("/")))


class Row(NamedTuple):
    """since: the first kernel that names it, "" for a name of ours.  skb: the frame had become an sk_buff.
    verdict: what is said of it where no setting of this host's queues can save it, or none is tried; "": some can."""
    since: str
    kind: Kind
    meaning: str
    places: dict[str, Place]
    verdict: str = ""
    skb: bool = True


D, L, X, R, N, M, H = Kind.DELIVERED, Kind.LOST, Kind.DAMAGED, Kind.REFUSED, Kind.NOT_FOR_US, Kind.NOT_MODELLED, Kind.HELD_BACK
UDP_ERROR, UDPLITE_ERROR, ICMP_ERROR = "Udp.InErrors", "UdpLite.InErrors", "Icmp.InErrors"
UDP_CSUM_ERROR, UDPLITE_CSUM_ERROR = "Udp.InCsumErrors Udp.InErrors", "UdpLite.InCsumErrors UdpLite.InErrors"


class Drop(IntEnum):
    """How a frame ended.  `row` says all about it.  What counts as delivered comes first: skb.py compares."""
    row: Row

    def __new__(cls, *row: object) -> Drop:
        member = int.__new__(cls, len(cls.__members__))
        member._value_ = len(cls.__members__)
        member.row = Row(*row)          # type: ignore[arg-type]
        return member

    NOT_DROPPED_YET = Row("", D, "under way", {})
    RECEIVED = Row("", D, "an application read it", {"skb_consume_udp": Place("")})
    CONSUMED = Row("6.2", D, "the kernel itself was its end (ARP, ICMP, a SYN)", {})
    # ---- the device: no sk_buff yet
    NIC_FILTER = Row("", N, "the NIC's MAC filter did not want it", {"nic_dma": Place("")},
                      "they are addressed to another MAC: the card does not want them", skb=False)
    RX_LENGTH = Row("", X, "too long or too short for the NIC", {"nic_dma": Place("rx_length_errors rx_errors")},
                     "they are longer or shorter than the card takes at its MTU (so is what was merged before the capture, other than TCP "
                     "over IPv4)", skb=False)
    LINK_DOWN = Row("", Kind.DOWN, "the device was down", {"nic_dma": Place("")}, "the device was down", skb=False)
    RX_MISSED = Row("", L, "the ring was full", {"nic_dma": Place("rx_missed_errors/rx_fifo_errors")}, skb=False)
    RX_RESET = Row("", Kind.DOWN, "in the ring when the device was reset (ifconfig down, ethtool -G or -L, a new MTU)",
                    {"nic_dma": Place("")}, "the device was reset", skb=False)
    TX_PAUSE = Row("", Kind.HELD_BACK,
                   "held back by our pause frames (802.3x) and lost at the sender; tx_flow_control_xoff counts the pauses",
                    {"nic_dma": Place("")}, skb=False)
    RX_ALLOC_FAILED = Row("", L, "every packet of the simulation was in use",
                           {"veth_xmit": Place(""), "igb_clean_rx_irq": Place("rx_dropped")},
                           "the simulation's own packets were used up")
    NOMEM = Row("5.18", L, "no memory", {"skb_clone": Place("")}, "no memory was available")
    # ---- link
    NOT_SPECIFIED = Row("5.17", X, "the kernel drops it here without saying why", {
        "veth_xmit": Place("rx_dropped", X, "too long for the device's MTU, or the device is down"),
        "loopback_xmit": Place("rx_dropped", Kind.DOWN, "lo is down"),
        "igb_cleanup_headers": Place("", X, "the NIC marked it as damaged"),
        "skb_vlan_untag": Place("", X, "a VLAN tag cut short"),
        "__netif_receive_skb_core": Place("", Kind.DOWN, "its VLAN device is down"),
        "arp_rcv": Place("", N, "an ARP packet that is not for this host, or malformed"),
        "arp_process": Place("", N, "an ARP packet that nobody here answers"),
        "ip_rcv_finish_core": Place("", R, "a source route that is refused, a group that nobody has joined"),
        "ip_error": Place("", R, "its route is unreachable, prohibited or a black hole"),
        "ip_forward": Place("", R, "a broadcast or multicast frame is not forwarded"),
        "ip_defrag": Place("Ip.ReasmFails", L, "a fragment that contradicts its datagram, or memory for fragments is full"),
        "icmp_rcv": Place(ICMP_ERROR, X, "an ICMP message cut short"),
        "igmp_rcv": Place("", X, "an IGMP message cut short or damaged"),
        "pim_rcv": Place("", N, "PIM is for routers"),
        "pim_rcv_v1": Place("", N, "PIM is for routers"),
        "__udp4_lib_rcv": Place(UDP_ERROR, X, "no room for a UDP header"),
        "udplite_rcv": Place(UDPLITE_ERROR, X, "no room for a UDP-Lite header"),
        "__udp4_lib_mcast_deliver": Place("Udp.IgnoredMulti", N, "a multicast or broadcast that no socket here wants"),
        "tcp_v4_rcv": Place("", X, "a TCP segment to a broadcast or multicast address, or cut short; one for a request, or for a "
                                  "connection in TIME_WAIT, which may be answered all the same"),
        "tcp_rcv_state_process": Place("socket.drops", X, "after the peer's FIN: what it acknowledges counts all the same"),
        "skb_rbtree_purge": Place("", Kind.DOWN, "behind a hole when its connection ended"),
        "udp_destruct_common": Place("", Kind.DOWN, "unread when its socket was closed"),
    }, "the kernel refused them without naming a reason; the station says where")
    DEV_READY = Row("5.18", Kind.DOWN, "the device is not up", {"enqueue_to_backlog": Place("rx_dropped")}, "the device was not up")
    CPU_BACKLOG = Row("5.18", L, "the CPU's backlog is full, or the RPS flow limit",
                      {"enqueue_to_backlog": Place("softnet.dropped rx_dropped")})
    UNHANDLED_PROTO = Row("5.18", N, "no handler for that EtherType", {
        "__netif_receive_skb_core": Place("rx_dropped"),
        "icmp_rcv": Place(ICMP_ERROR, N, "an ICMP type that nobody handles"),
    }, "nobody on this host handles that EtherType, or that ICMP type: Linux drops them too, and nothing is lost by it")
    NOT_MODELLED = Row("", M, "a protocol or tunnel that is not modelled: a real host would go on with it", {
        "__netif_receive_skb_core": Place(""), "ip_protocol_deliver_rcu": Place(""), "udp_queue_rcv_one_skb": Place(""),
    }, "the protocol or tunnel is not modelled here: a real host would go on with them")
    CAPTURE_CUT = Row("", M, "the capture's snap length has cut off the header that would say what became of it", {
        "arp_rcv": Place(""), "ip_rcv_core": Place(""), "icmp_rcv": Place(""), "igmp_rcv": Place(""), "__udp4_lib_rcv": Place(""),
        "udplite_rcv": Place(""), "tcp_v4_rcv": Place(""),
    }, "the capture holds too little of them: capture with a longer snap length (tcpdump -s 128 or more)")
    # ---- IP
    OTHERHOST = Row("5.18", N, "addressed to another MAC (seen because of promiscuous mode, or a VLAN without a device)",
                     {"ip_rcv_core": Place("rx_otherhost_dropped")}, "they are addressed to another host")
    IP_CSUM = Row("5.18", X, "IP header checksum wrong", {"ip_rcv_core": Place("IpExt.InCsumErrors Ip.InHdrErrors")},
                   "their IP checksum is wrong: the sender or the wire")
    IP_INHDR = Row("5.18", X, "IP header malformed", {
        "ip_rcv_core": Place("Ip.InHdrErrors"),
        "ip_rcv_finish_core": Place("Ip.InHdrErrors", X, "IP options that make no sense"),
        "ip_forward": Place("Ip.InHdrErrors", X, "its time to live has run out"),
        "icmp_rcv": Place(ICMP_ERROR, X, "an ICMP error that quotes an impossible packet"),
    }, "their IP header is malformed")
    PKT_TOO_SMALL = Row("5.17", X, "a length field promises more bytes than arrived", {
        "arp_rcv": Place("", X, "an ARP packet cut short"),
        "ip_rcv_core": Place("IpExt.InTruncatedPkts"),
        "icmp_rcv": Place(ICMP_ERROR),
        "__udp4_lib_rcv": Place(UDP_ERROR),
        "udplite_rcv": Place(UDPLITE_ERROR),
        "tcp_v4_rcv": Place("Tcp.InErrs", X, "a TCP header that is too short"),
    }, "they are shorter than their own length fields say (a capture cut by snaplen looks like that too)")
    NETFILTER_DROP = Row("5.18", R, "an iptables rule dropped it", {"nf_hook_slow": Place("")},
                          "a firewall rule says so: iptables -vnL shows which")
    IP_RPFILTER = Row("5.18", R, "rp_filter: the source is not routed to where it came from",
                       {"ip_rcv_finish_core": Place("TcpExt.IPReversePathFilter")})
    UNICAST_IN_L2_MULTICAST = Row("5.18", X, "unicast IP address in a multicast frame", {"ip_rcv_finish_core": Place("")},
                                   "unicast in a multicast frame: the sender")
    IP_INADDRERRORS = Row("5.19", N, "not for this host, and it does not forward", {"ip_error": Place("Ip.InAddrErrors")},
                           "they are not for this host's addresses, and it does not forward")
    IP_INNOROUTES = Row("5.19", N, "no route", {"ip_error": Place("IpExt.InNoRoutes")}, "there is no route: ip route")
    IP_LOCALNET = Row("6.13", R, "a loopback address from outside", {"ip_rcv_finish_core": Place("")}, "a loopback address from outside")
    IP_LOCAL_SOURCE = Row("6.13", R, "our own address as the source", {"ip_rcv_finish_core": Place("")},
                           "the host's own address as the source")
    IP_INVALID_SOURCE = Row("6.13", R, "an impossible source address", {"ip_rcv_finish_core": Place("")},
                             "an impossible source address")
    IP_INVALID_DEST = Row("6.13", R, "an impossible destination address", {"ip_rcv_finish_core": Place("")},
                           "an impossible destination address")
    PKT_TOO_BIG = Row("5.19", R, "too long for the next link", {"ip_forward": Place("")}, "too long for the next link")
    DUP_FRAG = Row("6.2", X, "this part of the datagram is already here", {"ip_defrag": Place("")},
                    "parts of the datagram came twice or overlap: the sender")
    FRAG_REASM_TIMEOUT = Row("6.2", X, "the rest of the datagram did not come in time",
                              {"ip_expire": Place("Ip.ReasmTimeout Ip.ReasmFails")}, "the rest of the datagram never arrived")
    FRAG_TOO_FAR = Row("6.2", R, "too many other fragments of that source in between (ipfrag_max_dist)",
                        {"ip_defrag": Place("Ip.ReasmFails")})
    FRAG_QUEUE_KILLED = Row("", X, "its datagram's reassembly was given up; the kernel reports no event",
                             {"ip_defrag": Place("Ip.ReasmFails")}, "their datagram could not be reassembled")
    # ---- ICMP, UDP, TCP
    IP_NOPROTO = Row("5.18", N, "no handler for that IP protocol", {"ip_protocol_deliver_rcu": Place("Ip.InUnknownProtos")},
                      "no handler for that IP protocol")
    ICMP_CSUM = Row("5.19", X, "ICMP checksum wrong", {"icmp_rcv": Place("Icmp.InCsumErrors Icmp.InErrors")},
                     "their ICMP checksum is wrong")
    INVALID_PROTO = Row("5.19", R, "an ICMP request to a broadcast or multicast address, which is not answered", {
        "icmp_rcv": Place(ICMP_ERROR)},
                         "an ICMP request to a broadcast or multicast address")
    UDP_CSUM = Row("5.17", X, "UDP checksum wrong", {
        "__udp4_lib_rcv": Place(UDP_CSUM_ERROR),
        "udplite_rcv": Place(UDPLITE_CSUM_ERROR),
        "udp_queue_rcv_one_skb": Place(f"{UDP_CSUM_ERROR} socket.drops", meaning="a socket's filter wants to see it"),
        "udp_recvmsg": Place(f"{UDP_CSUM_ERROR} socket.drops"),
        "__first_packet_length": Place(f"{UDP_CSUM_ERROR} socket.drops"),
    }, "their UDP checksum is wrong: the sender, its offload in the capture, or the wire")
    TCP_CSUM = Row("5.17", X, "TCP checksum wrong", {
        "tcp_v4_rcv": Place("Tcp.InCsumErrors Tcp.InErrs"), "tcp_v4_do_rcv": Place("Tcp.InCsumErrors Tcp.InErrs socket.drops"),
    }, "their TCP checksum is wrong: the sender, its offload in the capture, or the wire")
    TCP_FLAGS = Row("5.18", X, "a segment whose flags make no sense here", {
        "tcp_v4_do_rcv": Place("", N, "an ACK for a listener or for no request, which is reset"),
        "tcp_rcv_state_process": Place("socket.drops", N, "neither SYN nor ACK, for a listener"),
    }, "they belong to no connection that this host knows: it was restarted, or a middlebox sends them")
    TCP_RESET = Row("5.19", N, "an RST that resets nothing", {
        "tcp_rcv_state_process": Place("socket.drops", N, "an RST to a listener"),
        "tcp_validate_incoming": Place("socket.drops", X, "an RST that is not at the next byte: it is challenged (RFC 5961)"),
    }, "resets that reset nothing")
    TCP_CLOSE = Row("5.19", Kind.DOWN, "a segment for a connection that is over", {"tcp_rcv_state_process": Place("socket.drops")},
                    "their connection was over")
    TCP_MD5UNEXPECTED = Row("5.18", R, "an MD5 signature, and nobody here has a key",
                            {"tcp_v4_rcv": Place("TcpExt.TCPMD5Unexpected socket.drops")},
                            "they carry MD5 signatures, for which this host has no key")
    TCP_MINTTL = Row("5.19", R, "a time to live below IP_MINTTL", {"tcp_v4_rcv": Place("TcpExt.TCPMinTTLDrop socket.drops")},
                     "the program asked for a larger time to live (IP_MINTTL)")
    TCP_LISTEN_OVERFLOW = Row("6.15", L, "the accept queue was full when the handshake was complete",
                              {"tcp_v4_rcv": Place("TcpExt.ListenOverflows TcpExt.ListenDrops socket.drops")},
                              "the accept queue was full: the program has to accept() sooner; a larger listen() and net.core.somaxconn "
                              "hold more")
    TCP_OLD_DATA = Row("5.18", X, "data that is here already", {
        "tcp_rcv_established": Place("TcpExt.DelayedACKLost socket.drops"),
        "tcp_rcv_state_process": Place("TcpExt.DelayedACKLost socket.drops"),
    }, "they came twice: the sender sent them again")
    TCP_OVERWINDOW = Row("5.18", H, "data at or beyond the window's edge", {
        "tcp_rcv_established": Place("socket.drops"), "tcp_rcv_state_process": Place("socket.drops"),
        "tcp_v4_rcv": Place("socket.drops", X, "a segment outside the window of a request"),
    }, "beyond the window: its sender waits for the reader, or bytes before it are missing in the capture")
    TCP_OFOMERGE = Row("5.18", X, "out of order, and here already", {"tcp_data_queue": Place("TcpExt.TCPOFOMerge socket.drops")},
                       "they came twice: the sender sent them again")
    TCP_OFO_DROP = Row("6.2", X, "out of order, and all of it came otherwise", {"tcp_data_queue": Place("socket.drops")},
                       "they came twice: the sender sent them again")
    TCP_OFO_QUEUE_PRUNE = Row("6.2", L, "out of order, and the buffer was over its limit",
                              {"tcp_prune_ofo_queue": Place("TcpExt.OfoPruned TcpExt.PruneCalled socket.drops")},
                              "they waited behind a hole in a buffer over its limit: their sender sends them again; a larger buffer "
                              "(net.ipv4.tcp_rmem, SO_RCVBUF) holds more, which is not tried here")
    TCP_ZEROWINDOW = Row("5.18", H, "data into a window of 0", {
        "tcp_rcv_established": Place("TcpExt.TCPZeroWindowDrop socket.drops"),
        "tcp_rcv_state_process": Place("TcpExt.TCPZeroWindowDrop socket.drops"),
    }, "beyond the window: its sender waits for the reader, or bytes before it are missing in the capture")
    TCP_RFC7323_PAWS = Row("6.2", X, "a time stamp older than the last", {
        "tcp_validate_incoming": Place("TcpExt.PAWSEstab socket.drops"), "tcp_v4_rcv": Place("TcpExt.PAWSEstab socket.drops"),
        "tcp_v4_do_rcv": Place("TcpExt.PAWSActive", X, "an answer to our SYN that echoes a time stamp that was not sent"),
        "tcp_rcv_state_process": Place("socket.drops", X, "a SYN that crosses ours, and is old"),
    }, "their time stamps run backwards: several hosts behind one address, or very late copies")
    TCP_RFC7323_TW_PAWS = Row("6.14", X, "a time stamp older than that of a connection in TIME_WAIT",
                              {"tcp_v4_rcv": Place("TcpExt.PAWSTimewait", before=("6.14", "TcpExt.PAWSEstab"))},
                              "late copies, or hosts behind one address whose clocks differ: a new connection is refused")
    TCP_RFC7323_TSECR = Row("6.15", X, "the handshake's last segment echoes a time stamp that was not sent",
                            {"tcp_v4_rcv": Place("TcpExt.TSEcrRejected socket.drops")}, "they echo time stamps that this host did not send")
    TCP_INVALID_ACK_SEQUENCE = Row("6.9", X, "it acknowledges something other than our SYN", {"tcp_v4_do_rcv": Place("")},
                                   "they answer another connection's SYN")
    TCP_RFC7323_PAWS_ACK = Row("6.14", X, "an old ACK with an old time stamp",
                               {"tcp_validate_incoming": Place("TcpExt.PAWSOldAck socket.drops")}, "late copies of ACKs")
    TCP_OLD_SEQUENCE = Row("6.2", X, "wholly before the window", {"tcp_validate_incoming": Place("socket.drops")},
                           "they came twice, or keep the connection alive")
    TCP_INVALID_SEQUENCE = Row("6.2", H, "beyond the window", {"tcp_validate_incoming": Place("TcpExt.BeyondWindow socket.drops")},
                               "beyond the window: its sender waits for the reader, or bytes before it are missing in the capture")
    TCP_INVALID_END_SEQUENCE = Row("6.16", H, "it ends beyond the window, and there is unread data",
                                   {"tcp_validate_incoming": Place("TcpExt.BeyondWindow socket.drops")},
                                   "beyond the window: its sender waits for the reader, or bytes before it are missing in the capture")
    TCP_INVALID_SYN = Row("6.2", X, "a SYN within a connection", {
        "tcp_validate_incoming": Place("TcpExt.TCPSYNChallenge Tcp.InErrs socket.drops"),
    }, "a SYN within a connection is challenged (RFC 5961): a restarted peer, or an attack")
    TCP_ACK_UNSENT_DATA = Row("5.19", X, "it acknowledges what was never sent",
                              {"tcp_v4_do_rcv": Place("socket.drops"), "tcp_rcv_state_process": Place("socket.drops")},
                              "they acknowledge what this host never sent")
    TCP_TOO_OLD_ACK = Row("5.19", X, "it acknowledges data from too long ago",
                          {"tcp_v4_do_rcv": Place("socket.drops"), "tcp_rcv_state_process": Place("socket.drops")},
                          "ACKs from long ago")
    TCP_ABORT_ON_DATA = Row("6.9", Kind.DOWN, "data for a program that has closed: the connection is reset", {
        "tcp_v4_do_rcv": Place("TcpExt.TCPAbortOnData"),
    }, "the program had closed the connection while the peer still sent")
    TCP_UNREAD = Row("", Kind.DOWN, "unread when its program closed the connection; the kernel reports no event", {"tcp_close": Place("")},
                     "the program closed without reading them")
    QUEUE_PURGE = Row("5.19", Kind.DOWN, "still queued when its connection ended",
                      {"sk_stream_kill_queues": Place(""), "tcp_disconnect": Place("")},
                      "their connection ended before they were read")
    TCP_SYN_LOST = Row("", H, "of a connection whose SYN was lost here and has not come again", {"tcp_v4_rcv": Place("")},
                       "they came before their SYN, which was lost: its sender would have waited for the answer")
    NO_SOCKET = Row("5.17", N, "nobody listens on that port", {
        "cookie_v4_check": Place("TcpExt.ListenOverflows TcpExt.ListenDrops socket.drops", L, "a cookie at a full accept queue"),
        "__udp4_lib_rcv": Place("Udp.NoPorts"),
        "udplite_rcv": Place("UdpLite.NoPorts"),
        "udp_queue_rcv_one_skb": Place("", Kind.DOWN, "its socket was closed while it was on its way"),
        "ping_rcv": Place("", N, "an echo reply that nobody here asked for"),
        "tcp_v4_rcv": Place("", N, "a segment of no connection"),
    }, "nobody listens on that port: start the program, or stop the sender; no buffer helps")
    # ---- sockets
    SOCKET_RCVBUFF = Row("5.18", L, "the socket's receive buffer is full",
                          {"__udp_enqueue_schedule_skb": Place("Udp.RcvbufErrors Udp.InErrors socket.drops",
                                                               before=("3.16", "Udp.InErrors socket.drops")),
                           "sock_queue_rcv_skb": Place("Udp.RcvbufErrors Udp.InErrors socket.drops")})
    SOCKET_FILTER = Row("5.18", R, "the socket's filter (SO_ATTACH_FILTER) refused it", {
        "udp_queue_rcv_one_skb": Place("Udp.InErrors socket.drops"),
        "sock_queue_rcv_skb": Place("Udp.InErrors"),
        "tcp_v4_rcv": Place("socket.drops"),
    }, "the program's own filter refuses it: only the program can change that")
    SOCKET_BACKLOG = Row("5.18", L, "the socket's backlog is full", {"sk_add_backlog": Place("Udp.InErrors socket.drops"),
                          "tcp_v4_rcv": Place("TcpExt.TCPBacklogDrop socket.drops")})
    PROTO_MEM = Row("5.18", L, "no room in the protocol's memory, or in a stream's buffer", {
        "__udp_enqueue_schedule_skb": Place("socket.drops", L, "udp_mem: the protocol's memory is exhausted"),
        "sock_queue_rcv_skb": Place("Udp.InErrors socket.drops", L, "udp_mem: the protocol's memory is exhausted"),
        "tcp_rcv_established": Place("TcpExt.PruneCalled TcpExt.RcvPruned TcpExt.TCPRcvQDrop/TcpExt.TCPOFODrop socket.drops", L,
                                     "the buffer was over its limit, and no room could be made"),
        "tcp_rcv_state_process": Place("TcpExt.PruneCalled TcpExt.RcvPruned TcpExt.TCPRcvQDrop/TcpExt.TCPOFODrop socket.drops", L,
                                       "the buffer was over its limit, and no room could be made"),
    })


DELIVERED = (Drop.RECEIVED, Drop.CONSUMED)
LOSSES = tuple(d for d in Drop if d > Drop.CONSUMED)
