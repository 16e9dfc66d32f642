"""Where frames end: for each drop reason the step of the funnel where it is a side exit, the stations that give it, and the counters
under which a real kernel shows it.  One row for each reason of abi/reasons.py; a test sees to it.

Sources: include/net/dropreason-core.h and the callers of kfree_skb_reason() and sk_skb_reason_drop() for the stations; the documents of
Documentation/networking/{snmp_counter,statistics}.rst for the counters."""
from typing import NamedTuple

from rxpath.abi.reasons import MEANING, Drop

STEPS = ("NIC", "link", "IP", "transport", "socket", "application")         # in the packet's order
STEP_TITLE = {
    "NIC": "NIC and its ring", "link": "netif_receive_skb", "IP": "ip_rcv", "transport": "UDP, TCP, ICMP",
    "socket": "socket queue", "application": "application",
}


class Loss(NamedTuple):
    step: str
    stations: str
    counters: str

    def where(self) -> str:
        return self.stations


LOSSES: dict[Drop, Loss] = {
    Drop.NIC_FILTER: Loss("NIC", "(MAC filter)", "none"),
    Drop.RX_LENGTH: Loss("NIC", "(receive unit)", "rx_length_errors"),
    Drop.LINK_DOWN: Loss("NIC", "(link)", "none"),
    Drop.RX_MISSED: Loss("NIC", "nic_dma", "rx_queue_N_drops, rx_fifo_errors; one queue: rx_missed_errors"),
    Drop.RX_ALLOC_FAILED: Loss("NIC", "veth_xmit", "none: the simulation's own limit"),
    Drop.RX_RESET: Loss("NIC", "igb_clean_rx_ring", "none"),
    Drop.TX_PAUSE: Loss("NIC", "(flow control)", "tx_flow_control_xoff; nothing counts the frames"),
    Drop.NOMEM: Loss("NIC", "skb_clone, alloc_skb", "rx_dropped"),
    Drop.CPU_BACKLOG: Loss("link", "enqueue_to_backlog", "softnet_stat dropped (2nd column), flow_limit_count (11th)"),
    Drop.DEV_READY: Loss("link", "enqueue_to_backlog", "rx_dropped"),
    Drop.UNHANDLED_PROTO: Loss("link", "__netif_receive_skb_core", "rx_dropped, rx_nohandler"),
    Drop.OTHERHOST: Loss("IP", "ip_rcv_core, arp_rcv", "rx_otherhost_dropped"),
    Drop.NOT_SPECIFIED: Loss("IP", "ip_rcv, icmp_rcv, arp_rcv", "none, or the counter of its protocol"),
    Drop.IP_CSUM: Loss("IP", "ip_rcv_core", "IpExt.InCsumErrors, Ip.InHdrErrors"),
    Drop.IP_INHDR: Loss("IP", "ip_rcv_core", "Ip.InHdrErrors"),
    Drop.PKT_TOO_SMALL: Loss("IP", "ip_rcv_core, __udp4_lib_rcv", "IpExt.InTruncatedPkts; Udp.InErrors"),
    Drop.HDR_TRUNC: Loss("IP", "ip_rcv_core, arp_rcv", "IpExt.InTruncatedPkts"),
    Drop.PKT_TOO_BIG: Loss("IP", "ip_defrag", "Ip.ReasmFails"),
    Drop.NETFILTER_DROP: Loss("IP", "nf_hook_slow", "iptables -vnL"),
    Drop.IP_RPFILTER: Loss("IP", "fib_validate_source", "TcpExt.IPReversePathFilter"),
    Drop.UNICAST_IN_L2_MULTICAST: Loss("IP", "ip_rcv_finish_core", "none"),
    Drop.IP_INADDRERRORS: Loss("IP", "ip_error", "Ip.InAddrErrors"),
    Drop.IP_INNOROUTES: Loss("IP", "ip_error", "IpExt.InNoRoutes"),
    Drop.IP_LOCALNET: Loss("IP", "ip_route_input_slow", "none (martian)"),
    Drop.IP_LOCAL_SOURCE: Loss("IP", "fib_validate_source", "none (martian)"),
    Drop.IP_INVALID_SOURCE: Loss("IP", "ip_route_input_slow", "none (martian)"),
    Drop.IP_INVALID_DEST: Loss("IP", "ip_route_input_slow", "none (martian)"),
    Drop.DUP_FRAG: Loss("IP", "ip_defrag", "IpExt.ReasmOverlaps"),
    Drop.FRAG_REASM_TIMEOUT: Loss("IP", "ip_expire", "Ip.ReasmTimeout, Ip.ReasmFails"),
    Drop.FRAG_TOO_FAR: Loss("IP", "ip_defrag", "Ip.ReasmFails"),
    Drop.FRAG_QUEUE_KILLED: Loss("IP", "ip_defrag", "Ip.ReasmFails"),
    Drop.IP_NOPROTO: Loss("transport", "ip_protocol_deliver_rcu", "Ip.InUnknownProtos"),
    Drop.ICMP_CSUM: Loss("transport", "icmp_rcv", "Icmp.InCsumErrors, Icmp.InErrors"),
    Drop.INVALID_PROTO: Loss("transport", "icmp_rcv", "Icmp.InErrors"),
    Drop.UDP_CSUM: Loss("transport", "udp_queue_rcv_one_skb, udp_recvmsg", "Udp.InCsumErrors, Udp.InErrors"),
    Drop.TCP_CSUM: Loss("transport", "tcp_v4_rcv", "Tcp.InCsumErrors, Tcp.InErrs"),
    Drop.TCP_RESET: Loss("transport", "tcp_v4_rcv", "none"),
    Drop.TCP_FLAGS: Loss("transport", "tcp_v4_do_rcv", "none"),
    Drop.NO_SOCKET: Loss("transport", "__udp4_lib_rcv, tcp_v4_rcv", "Udp.NoPorts; Tcp.OutRsts"),
    Drop.SOCKET_FILTER: Loss("socket", "udp_queue_rcv_one_skb", "socket drops"),
    Drop.SOCKET_RCVBUFF: Loss("socket", "__udp_enqueue_schedule_skb", "Udp.RcvbufErrors, Udp.InErrors, socket drops"),
    Drop.SOCKET_BACKLOG: Loss("socket", "sk_add_backlog", "Udp.RcvbufErrors, Udp.InErrors, socket drops"),
    Drop.PROTO_MEM: Loss("socket", "__udp_enqueue_schedule_skb", "Udp.MemErrors, Udp.InErrors, socket drops"),
    Drop.SOCKET_CLOSE: Loss("application", "udp_destroy_sock", "none"),
    Drop.QUEUE_PURGE: Loss("application", "skb_queue_purge", "none"),
}


def meaning(reason: str) -> str:
    """In plain words."""
    return MEANING.get(Drop[reason], "")


def loss(reason: str) -> Loss:
    return LOSSES[Drop[reason]]
