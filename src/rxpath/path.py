"""The list of stations: what the path consists of, in the packet's order.  Charge, trail, cost profiles, reports and the kernel map in
docs/ are all made from it; a test holds it against the code.

A station is a function of the path with the kernel's name.  Its first line is at(net, cpu, skb, Stage.<name>) (turn/).  After the
stations come the events of the machine, which cost time but see no packet.  Below: the tables of handlers, through which a station
reaches one that `ls` sorts before it, and through which boot registers protocols."""
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from ._compile import Dispatch
from ._compile.functions import F
from .abi.net import Net
from .abi.netfilter import nf_match
from .abi.nic import arrival, rx_ring
from .abi.skbuff import sk_buff
from .abi.sock import sock
from .abi.softnet import napi_struct

# Index of the cost table.  A functional enum: inside a class body Python would mangle __udp4_lib_rcv.
Stage = IntEnum("Stage", (
    # stations, in the packet's order
    "nic_dma igb_clean_rx_irq napi_build_skb igb_add_rx_frag igb_is_non_eop igb_cleanup_headers igb_process_skb_fields eth_type_trans "
    "veth_xmit loopback_xmit netif_rx napi_gro_receive dev_gro_receive inet_gro_receive tcp4_gro_receive tcp_gro_pull_header "
    "tcp_gro_receive udp4_gro_receive __skb_gro_checksum_complete udp_gro_receive napi_skb_free_stolen_head skb_gro_receive "
    "napi_gro_complete igb_alloc_rx_buffers napi_complete_done napi_watchdog netif_receive_skb_list_internal netif_receive_skb get_rps_cpu "
    "set_rps_cpu enqueue_to_backlog process_backlog __netif_receive_skb_core packet_rcv skb_vlan_untag arp_rcv arp_process neigh_event_ns "
    "arp_xmit ip_list_rcv ip_rcv ip_rcv_core ip_sublist_rcv nf_hook_slow ipt_do_table nf_rule ip_rcv_finish ip_rcv_finish_core "
    "ip_rcv_options udp_v4_early_demux tcp_v4_early_demux ip_route_input_noref ip_route_input_slow ip_route_use_hint fib_table_lookup "
    "fib_validate_source ip_handle_martian_source ip_error ip_forward ip_local_deliver ip_defrag ip_expire ip_local_deliver_finish "
    "ip_protocol_deliver_rcu raw_local_deliver icmp_rcv icmp_echo __icmp_send icmp_global_allow icmpv4_xrlim_allow icmp_push_reply "
    "icmp_unreach icmp_redirect icmp_timestamp ping_rcv igmp_rcv pim_rcv udp_rcv udplite_rcv __udp4_lib_rcv __skb_checksum_complete "
    "__udp4_lib_lookup udp4_lib_lookup2 udp_unicast_rcv_skb __udp4_lib_mcast_deliver udp_queue_rcv_skb udp_queue_rcv_one_skb "
    "__udp_enqueue_schedule_skb sk_add_backlog sock_def_readable tcp_v4_rcv __inet_lookup_established __inet_lookup_listener "
    "tcp_v4_do_rcv tcp_v4_send_reset skb_clone kfree_skb dev_queue_xmit igb_xmit_frame igb_clean_tx_irq sys_recvfrom inet_recvmsg "
    "rps_record_sock_flow udp_recvmsg __skb_recv_udp __skb_wait_for_more_packets udp_rmem_release release_sock skb_consume_udp "
    "__first_packet_length udp_destruct_common "
    # events of the machine: entry, handler and EOI of a hard IRQ; entering __do_softirq; one napi->poll call; try_to_wake_up; schedule() to
    # another thread; ...; a lock held, a line that was in another CPU's cache (of another node; each further CPU that wants it); leaving an
    # idle state, in the order of abi.numbers.Idle; a thread on a new CPU; a send() of a sender on this host, a further fragment of it;
    # latencies, which cost nobody time; ns << 10 for a byte
    "HARDIRQ SOFTIRQ POLL WAKE SWITCH TICK IPI_SEND IPI_SEND_BUSY IPI IPI_BUSY TIMER SYSCALL_ENTRY SYSCALL_EXIT LOCK BOUNCE "
    "BOUNCE_NODE CONTEND EPOLL NIC_LATENCY IPI_LATENCY IDLE_EXIT IDLE_EXIT_C1E IDLE_EXIT_C3 IDLE_EXIT_C6 IDLE_EXIT_POLL MIGRATE "
    "SENDER SENDER_FRAGMENT BYTE_COPY BYTE_CSUM "
    # stations that came later: in their place, each would give all that follow another number, and every function be compiled again
    "pim_rcv_v1 SPENT run_bpf_filter sock_queue_rcv_skb NANOSLEEP "
    "tcp_conn_request tcp_v4_send_synack tcp_check_req tcp_v4_syn_recv_sock tcp_rcv_state_process tcp_rcv_established "
    "tcp_validate_incoming tcp_ack tcp_data_queue tcp_data_queue_ofo tcp_try_coalesce tcp_prune_queue tcp_prune_ofo_queue "
    "tcp_add_backlog tcp_data_ready __tcp_transmit_skb __ip_queue_xmit tcp_delack_timer_handler tcp_write_timer_handler "
    "tcp_recvmsg __tcp_cleanup_rbuf sk_stream_kill_queues inet_csk_accept tcp_collapse tcp_close "
    "cookie_v4_check tcp_disconnect tcp_timewait_state_process skb_rbtree_purge "
    "sys_sendto udp_sendmsg ip_route_output_key_hash ip_make_skb ip_output ip_do_fragment __neigh_event_send ip_mc_output "
    # events that came later: lines of a TCP segment and its connection that were in another CPU's cache (of another node); a page of data
    "TCP_BOUNCE TCP_BOUNCE_NODE PAGE "
), start=0)


class Station(NamedTuple):
    """room: folder of the function; context: where it runs; twin: the kernel's file; what: one line for the map."""
    room: str
    context: str
    twin: str
    what: str


IGB = "drivers/net/ethernet/intel/igb/igb_main.c"
INPUT, TCP4 = "net/ipv4/tcp_input.c", "net/ipv4/tcp_ipv4.c"
SOFT, HARD, SYS, NIC = "softirq", "hardirq", "syscall", "device"
STATIONS: dict[Stage, Station] = {
    Stage.nic_dma: Station("drivers", NIC, "(hardware)", "the frame is written into a posted buffer, then its descriptor"),
    Stage.igb_clean_rx_irq: Station("drivers", SOFT, IGB, "take written-back descriptors off the ring"),
    Stage.napi_build_skb: Station("drivers", SOFT, "net/core/skbuff.c", "an sk_buff round the buffer"),
    Stage.igb_add_rx_frag: Station("drivers", SOFT, IGB, "a further buffer of a long frame"),
    Stage.igb_is_non_eop: Station("drivers", SOFT, IGB, "the frame goes on in the next descriptor"),
    Stage.igb_cleanup_headers: Station("drivers", SOFT, IGB, "refuse frames with receive errors; pad short ones"),
    Stage.igb_process_skb_fields: Station("drivers", SOFT, IGB, "hash, checksum status, VLAN, time stamp"),
    Stage.eth_type_trans: Station("link", SOFT, "net/ethernet/eth.c", "packet type and protocol from the Ethernet header"),
    Stage.veth_xmit: Station("drivers", SOFT, "drivers/net/veth.c", "the peer's transmit is our receive"),
    Stage.loopback_xmit: Station("drivers", SOFT, "drivers/net/loopback.c", "what this host sends to itself is received"),
    Stage.netif_rx: Station("irq", SOFT, "net/core/dev.c", "onto this CPU's backlog"),
    Stage.napi_gro_receive: Station("link", SOFT, "net/core/gro.c", "offer the packet to GRO"),
    Stage.dev_gro_receive: Station("link", SOFT, "net/core/gro.c", "merge, hold or let go"),
    Stage.inet_gro_receive: Station("link", SOFT, "net/ipv4/af_inet.c", "same flow? by the IP header"),
    Stage.tcp4_gro_receive: Station("link", SOFT, "net/ipv4/tcp_offload.c", "same flow? by the TCP header"),
    Stage.tcp_gro_pull_header: Station("link", SOFT, "net/ipv4/tcp_offload.c", "the TCP header is whole"),
    Stage.tcp_gro_receive: Station("link", SOFT, "net/ipv4/tcp_offload.c", "the next segment of a held one?"),
    Stage.udp4_gro_receive: Station("link", SOFT, "net/ipv4/udp_offload.c", "same flow? by the UDP header"),
    Stage.__skb_gro_checksum_complete: Station("link", SOFT, "net/core/gro.c", "sum in software, before merging"),
    Stage.udp_gro_receive: Station("link", SOFT, "net/ipv4/udp_offload.c", "the next datagram of a held one?"),
    Stage.napi_skb_free_stolen_head: Station("link", SOFT, "net/core/skbuff.c", "the sk_buff of a merged segment goes, its buffer stays"),
    Stage.skb_gro_receive: Station("link", SOFT, "net/core/gro.c", "append to the packet that is held"),
    Stage.napi_gro_complete: Station("link", SOFT, "net/core/gro.c", "let a merged packet go"),
    Stage.igb_alloc_rx_buffers: Station("drivers", SOFT, IGB, "post fresh buffers to the NIC"),
    Stage.napi_complete_done: Station("irq", SOFT, "net/core/dev.c", "the ring is empty: interrupts on again"),
    Stage.napi_watchdog: Station("irq", HARD, "net/core/dev.c", "gro_flush_timeout is over: poll without an interrupt of the NIC"),
    Stage.netif_receive_skb_list_internal: Station("link", SOFT, "net/core/dev.c", "a list of packets enters the stack"),
    Stage.netif_receive_skb: Station("link", SOFT, "net/core/dev.c", "a packet enters the stack"),
    Stage.get_rps_cpu: Station("irq", SOFT, "net/core/dev.c", "RPS: which CPU?"),
    Stage.set_rps_cpu: Station("irq", SOFT, "net/core/dev.c", "RFS: the flow moves to the CPU where its reader runs"),
    Stage.enqueue_to_backlog: Station("irq", SOFT, "net/core/dev.c", "onto the backlog of that CPU"),
    Stage.process_backlog: Station("irq", SOFT, "net/core/dev.c", "poll this CPU's backlog"),
    Stage.__netif_receive_skb_core: Station("link", SOFT, "net/core/dev.c", "taps, VLAN, then the protocol of ptype_base"),
    Stage.packet_rcv: Station("link", SOFT, "net/packet/af_packet.c", "a tap takes its copy"),
    Stage.skb_vlan_untag: Station("link", SOFT, "net/core/skbuff.c", "take a VLAN tag off"),
    Stage.arp_rcv: Station("network", SOFT, "net/ipv4/arp.c", "acceptance of an ARP packet"),
    Stage.arp_process: Station("network", SOFT, "net/ipv4/arp.c", "answer for our addresses; learn the neighbour"),
    Stage.neigh_event_ns: Station("network", SOFT, "net/core/neighbour.c", "learn who asked"),
    Stage.arp_xmit: Station("network", SOFT, "net/ipv4/arp.c", "the answer leaves"),
    Stage.ip_list_rcv: Station("network", SOFT, "net/ipv4/ip_input.c", "IP receives a list"),
    Stage.ip_rcv: Station("network", SOFT, "net/ipv4/ip_input.c", "IP receives a packet"),
    Stage.ip_rcv_core: Station("network", SOFT, "net/ipv4/ip_input.c", "acceptance tests of the IP header"),
    Stage.ip_sublist_rcv: Station("network", SOFT, "net/ipv4/ip_input.c", "PRE_ROUTING and routing of a list"),
    Stage.nf_hook_slow: Station("network", SOFT, "net/netfilter/core.c", "walk the tables at a hook"),
    Stage.ipt_do_table: Station("network", SOFT, "net/ipv4/netfilter/ip_tables.c", "walk the rules of a table"),
    Stage.nf_rule: Station("network", SOFT, "net/ipv4/netfilter/ip_tables.c", "one rule"),
    Stage.ip_rcv_finish: Station("network", SOFT, "net/ipv4/ip_input.c", "route, then dst_input()"),
    Stage.ip_rcv_finish_core: Station("network", SOFT, "net/ipv4/ip_input.c", "early demux, route, options"),
    Stage.ip_rcv_options: Station("network", SOFT, "net/ipv4/ip_input.c", "IP options"),
    Stage.udp_v4_early_demux: Station("transport", SOFT, "net/ipv4/udp.c", "a connected socket before routing?"),
    Stage.tcp_v4_early_demux: Station("transport", SOFT, "net/ipv4/tcp_ipv4.c", "an established connection before routing?"),
    Stage.ip_route_input_noref: Station("network", SOFT, "net/ipv4/route.c", "where does it go?"),
    Stage.ip_route_input_slow: Station("network", SOFT, "net/ipv4/route.c", "martians, FIB, source validation"),
    Stage.ip_route_use_hint: Station("network", SOFT, "net/ipv4/route.c", "as the packet before it in the list"),
    Stage.fib_table_lookup: Station("network", SOFT, "net/ipv4/fib_trie.c", "longest prefix"),
    Stage.fib_validate_source: Station("network", SOFT, "net/ipv4/fib_frontend.c", "rp_filter, our own address as source"),
    Stage.ip_handle_martian_source: Station("network", SOFT, "net/ipv4/route.c", "an impossible source"),
    Stage.ip_error: Station("network", SOFT, "net/ipv4/route.c", "dst.input of a route that leads nowhere"),
    Stage.ip_forward: Station("network", SOFT, "net/ipv4/ip_forward.c", "not for us, and we forward"),
    Stage.ip_local_deliver: Station("network", SOFT, "net/ipv4/ip_input.c", "for us: reassemble, LOCAL_IN"),
    Stage.ip_defrag: Station("network", SOFT, "net/ipv4/ip_fragment.c", "collect the fragments of a datagram"),
    Stage.ip_expire: Station("network", SOFT, "net/ipv4/ip_fragment.c", "the rest did not come in time"),
    Stage.ip_local_deliver_finish: Station("network", SOFT, "net/ipv4/ip_input.c", "strip the IP header"),
    Stage.ip_protocol_deliver_rcu: Station("network", SOFT, "net/ipv4/ip_input.c", "to the handler of inet_protos"),
    Stage.raw_local_deliver: Station("network", SOFT, "net/ipv4/raw.c", "raw sockets first"),
    Stage.icmp_rcv: Station("network", SOFT, "net/ipv4/icmp.c", "ICMP by type"),
    Stage.icmp_echo: Station("network", SOFT, "net/ipv4/icmp.c", "answer a ping"),
    Stage.__icmp_send: Station("network", SOFT, "net/ipv4/icmp.c", "tell the sender of an error, within the rate limits"),
    Stage.icmp_global_allow: Station("network", SOFT, "net/ipv4/icmp.c", "is there credit for errors, of all peers?"),
    Stage.icmpv4_xrlim_allow: Station("network", SOFT, "net/ipv4/icmp.c", "has this peer tokens left?"),
    Stage.icmp_push_reply: Station("network", SOFT, "net/ipv4/icmp.c", "checksum; the message leaves"),
    Stage.icmp_unreach: Station("network", SOFT, "net/ipv4/icmp.c", "an error about a packet of ours"),
    Stage.icmp_redirect: Station("network", SOFT, "net/ipv4/icmp.c", "a redirect"),
    Stage.icmp_timestamp: Station("network", SOFT, "net/ipv4/icmp.c", "answer a time stamp request"),
    Stage.ping_rcv: Station("network", SOFT, "net/ipv4/ping.c", "an echo reply: who pinged?"),
    Stage.igmp_rcv: Station("network", SOFT, "net/ipv4/igmp.c", "IGMP, consumed"),
    Stage.pim_rcv: Station("network", SOFT, "net/ipv4/ipmr.c", "PIM, not for a host"),
    Stage.pim_rcv_v1: Station("network", SOFT, "net/ipv4/ipmr.c", "PIM version 1, which comes as IGMP, not for a host"),
    Stage.udp_rcv: Station("transport", SOFT, "net/ipv4/udp.c", "UDP's handler of inet_protos"),
    Stage.udplite_rcv: Station("transport", SOFT, "net/ipv4/udplite.c", "UDP-Lite's handler of inet_protos"),
    Stage.__udp4_lib_rcv: Station("transport", SOFT, "net/ipv4/udp.c", "validate a datagram and find its socket"),
    Stage.__skb_checksum_complete: Station("transport", SOFT, "net/core/skbuff.c", "sum the whole packet in software"),
    Stage.__udp4_lib_lookup: Station("transport", SOFT, "net/ipv4/udp.c", "which socket?"),
    Stage.udp4_lib_lookup2: Station("transport", SOFT, "net/ipv4/udp.c", "the best score of one hash chain"),
    Stage.run_bpf_filter: Station("transport", SOFT, "net/core/sock_reuseport.c", "a program chooses a group's member, or filters"),
    Stage.udp_unicast_rcv_skb: Station("transport", SOFT, "net/ipv4/udp.c", "one socket's datagram"),
    Stage.__udp4_lib_mcast_deliver: Station("transport", SOFT, "net/ipv4/udp.c", "a copy for every socket that matches"),
    Stage.udp_queue_rcv_skb: Station("transport", SOFT, "net/ipv4/udp.c", "segments of a GRO packet, one by one"),
    Stage.udp_queue_rcv_one_skb: Station("transport", SOFT, "net/ipv4/udp.c", "socket filter, checksum, then the queue"),
    Stage.__udp_enqueue_schedule_skb: Station("user", SOFT, "net/ipv4/udp.c", "admission to the receive queue"),
    Stage.sock_queue_rcv_skb: Station("user", SOFT, "net/core/sock.c", "locked: onto the queue, unless that is full (3.10)"),
    Stage.sk_add_backlog: Station("user", SOFT, "include/net/sock.h", "the socket is owned: onto its backlog (3.10)"),
    Stage.sock_def_readable: Station("user", SOFT, "net/core/sock.c", "wake who waits"),
    Stage.tcp_v4_rcv: Station("transport", SOFT, "net/ipv4/tcp_ipv4.c", "validate a segment and find its connection"),
    Stage.__inet_lookup_established: Station("transport", SOFT, "net/ipv4/inet_hashtables.c", "a connection?"),
    Stage.__inet_lookup_listener: Station("transport", SOFT, "net/ipv4/inet_hashtables.c", "a listener?"),
    Stage.tcp_v4_do_rcv: Station("transport", SOFT, "net/ipv4/tcp_ipv4.c", "a segment for a listener"),
    Stage.tcp_v4_send_reset: Station("transport", SOFT, "net/ipv4/tcp_ipv4.c", "RST to a segment of no connection"),
    Stage.tcp_conn_request: Station("transport", SOFT, INPUT, "a SYN: a request, and its SYN-ACK"),
    Stage.tcp_v4_send_synack: Station("transport", SOFT, TCP4, "SYN-ACK"),
    Stage.tcp_check_req: Station("transport", SOFT, "net/ipv4/tcp_minisocks.c", "a segment for a request of the SYN queue"),
    Stage.tcp_v4_syn_recv_sock: Station("transport", SOFT, TCP4, "the handshake is complete: a socket for the connection"),
    Stage.tcp_rcv_state_process: Station("transport", SOFT, INPUT, "a segment in any state but ESTABLISHED"),
    Stage.tcp_rcv_established: Station("transport", SOFT, INPUT, "header prediction, else the slow way"),
    Stage.tcp_validate_incoming: Station("transport", SOFT, INPUT, "PAWS, sequence, RST, SYN"),
    Stage.tcp_ack: Station("transport", SOFT, INPUT, "what the peer has acknowledged"),
    Stage.tcp_data_queue: Station("transport", SOFT, INPUT, "admission, and into the receive queue"),
    Stage.tcp_data_queue_ofo: Station("transport", SOFT, INPUT, "behind a hole: into the out-of-order queue"),
    Stage.tcp_try_coalesce: Station("transport", SOFT, INPUT, "joined to the segment before it"),
    Stage.tcp_prune_queue: Station("transport", SOFT, INPUT, "the buffer is over its limit: make room"),
    Stage.tcp_prune_ofo_queue: Station("transport", SOFT, INPUT, "out-of-order segments go, from the far end"),
    Stage.tcp_collapse: Station("transport", SOFT, INPUT, "copy segments together, so that they weigh less"),
    Stage.tcp_add_backlog: Station("transport", SOFT, TCP4, "the socket is owned: onto its backlog"),
    Stage.tcp_data_ready: Station("transport", SOFT, INPUT, "enough to read: wake who waits"),
    Stage.__tcp_transmit_skb: Station("transport", SOFT, "net/ipv4/tcp_output.c", "a segment of ours: ACK, FIN, RST"),
    Stage.__ip_queue_xmit: Station("network", SOFT, "net/ipv4/ip_output.c", "IP header and route of a segment of ours"),
    Stage.tcp_delack_timer_handler: Station("transport", SOFT, "net/ipv4/tcp_timer.c", "a delayed ACK is due"),
    Stage.tcp_write_timer_handler: Station("transport", SOFT, "net/ipv4/tcp_timer.c", "what we sent has not been acknowledged"),
    Stage.inet_csk_accept: Station("transport", SYS, "net/ipv4/inet_connection_sock.c", "accept(): a connection from the queue"),
    Stage.tcp_recvmsg: Station("transport", SYS, "net/ipv4/tcp.c", "bytes to the program"),
    Stage.__tcp_cleanup_rbuf: Station("transport", SYS, "net/ipv4/tcp.c", "after a read: is an ACK, or a larger window, to be told?"),
    Stage.tcp_close: Station("transport", SYS, "net/ipv4/tcp.c", "the program closes: what it has not read goes"),
    Stage.cookie_v4_check: Station("transport", SOFT, "net/ipv4/syncookies.c", "an ACK without a request: a cookie that comes back?"),
    Stage.tcp_timewait_state_process: Station("transport", SOFT, "net/ipv4/tcp_minisocks.c", "a segment for a connection in TIME_WAIT"),
    Stage.tcp_disconnect: Station("transport", SYS, "net/ipv4/tcp.c", "a connection is reset by its own end: what was queued goes"),
    Stage.skb_rbtree_purge: Station("transport", SOFT, "net/core/skbuff.c", "what lies behind a hole goes with its connection"),
    Stage.sk_stream_kill_queues: Station("transport", SYS, "net/core/stream.c", "a connection ends: what nobody has read goes"),
    Stage.skb_clone: Station("skb", SOFT, "net/core/skbuff.c", "a further reference to the same bytes"),
    Stage.kfree_skb: Station("skb", SOFT, "net/core/skbuff.c", "the end of a packet, with its reason"),
    Stage.ip_output: Station("network", SYS, "net/ipv4/ip_output.c", "a packet of ours leaves: to its neighbour"),
    Stage.ip_mc_output: Station("network", SYS, "net/ipv4/ip_output.c", "to a broadcast address or a group: this host hears it, too"),
    Stage.ip_do_fragment: Station("network", SYS, "net/ipv4/ip_output.c", "a further fragment of a datagram of ours"),
    Stage.__neigh_event_send: Station("network", SYS, "net/core/neighbour.c", "its MAC is not known: it waits, and ARP asks"),
    Stage.dev_queue_xmit: Station("network", SOFT, "net/core/dev.c", "a frame of ours leaves: to the ndo_start_xmit of its device"),
    Stage.igb_xmit_frame: Station("drivers", SOFT, IGB, "a descriptor of the TX ring"),
    Stage.igb_clean_tx_irq: Station("drivers", SOFT, IGB, "free what the NIC has sent"),
    Stage.sys_recvfrom: Station("user", SYS, "net/socket.c", "the program asks"),
    Stage.sys_sendto: Station("user", SYS, "net/socket.c", "the program sends"),
    Stage.udp_sendmsg: Station("transport", SYS, "net/ipv4/udp.c", "one datagram from the program: IP and its copy included"),
    Stage.ip_route_output_key_hash: Station("network", SYS, "net/ipv4/route.c", "by which device, from which address?"),
    Stage.ip_make_skb: Station("network", SYS, "net/ipv4/ip_output.c", "the program's bytes into packets, within its send buffer"),
    Stage.inet_recvmsg: Station("user", SYS, "net/ipv4/af_inet.c", "through sk_prot->recvmsg"),
    Stage.rps_record_sock_flow: Station("user", SYS, "include/net/rps.h", "RFS: the reader of this flow runs here"),
    Stage.udp_recvmsg: Station("user", SYS, "net/ipv4/udp.c", "one datagram to the program: all kernel work but the system call itself"),
    Stage.__skb_recv_udp: Station("user", SYS, "net/ipv4/udp.c", "take a datagram off the queue"),
    Stage.__skb_wait_for_more_packets: Station("user", SYS, "net/core/datagram.c", "sleep until there is one"),
    Stage.udp_rmem_release: Station("user", SYS, "net/ipv4/udp.c", "give receive memory back, in lumps"),
    Stage.release_sock: Station("user", SYS, "net/core/sock.c", "the backlog moves to the receive queue (3.10)"),
    Stage.skb_consume_udp: Station("user", SYS, "net/ipv4/udp.c", "the datagram has been read"),
    Stage.__first_packet_length: Station("user", SYS, "net/ipv4/udp.c", "poll(), FIONREAD: a damaged datagram at the head goes"),
    Stage.udp_destruct_common: Station("user", SYS, "net/ipv4/udp.c", "a socket closes: what nobody has read goes"),
}

# What stood in a station's place before a kernel version, for reports about older ones [K].  Trails and costs keep the station's own name.
FORMERLY: dict[Stage, tuple[str, str]] = {
    Stage.__udp_enqueue_schedule_skb: ("4.10", "udp_queue_rcv_skb"), Stage.udp_queue_rcv_one_skb: ("5.0", "udp_queue_rcv_skb"),
    Stage.ip_rcv_core: ("4.19", "ip_rcv"), Stage.ip_rcv_finish_core: ("4.19", "ip_rcv_finish"),
    Stage.skb_vlan_untag: ("3.18", "vlan_untag"),
    Stage.ip_protocol_deliver_rcu: ("5.0", "ip_local_deliver_finish"), Stage.__first_packet_length: ("4.10", "first_packet_length"),
    Stage.udp_destruct_common: ("4.10", "inet_sock_destruct"),
}

# ---------------------------------------------------------------- tables of handlers
_PACKET = {"net": Net, "cpu": int, "skb": sk_buff}
_GRO = {"net": Net, "cpu": int, "napi": napi_struct, "bucket": int, "skb": sk_buff}         # the held packet that has to go, or NO_SKB
cable_rx = Dispatch("cable_rx", {"net": Net, "q": int, "ring": rx_ring, "a": arrival}, jump=True)  # a device, with a frame that comes
cable_dma = Dispatch("cable_dma", {"net": Net, "q": int, "ring": rx_ring, "a": arrival, "addr": int})  # and with one that had to wait
irq_handler = Dispatch("irq_handler", {"net": Net, "cpu": int, "q": int})                   # request_irq(): a queue's vector
sender_xmit = Dispatch("sender_xmit", {"net": Net, "cpu": int, "q": int})                   # no interrupt: the sender's task calls
softirq = Dispatch("softirq", {"net": Net, "cpu": int})                                     # softirq_vec
timer_function = Dispatch("timer_function", {"net": Net, "cpu": int, "data": int}, by_key=True)         # timer_list->function, by Timer
hrtimer_function = Dispatch("hrtimer_function", {"net": Net, "cpu": int, "data": int}, by_key=True)     # hrtimer->function, by Hrtimer
napi_poll = Dispatch("napi_poll", {"net": Net, "cpu": int, "n": int, "budget": int}, jump=True)   # napi->poll
packet_type = Dispatch("packet_type", _PACKET)                                              # ptype_base: func
packet_list = Dispatch("packet_list", {"net": Net, "cpu": int, "napi": napi_struct})          # ptype_base: list_func
gro_receive = Dispatch("gro_receive", _GRO)                                                 # offload_base: gro_receive
gro_complete = Dispatch("gro_complete", _PACKET)                                            # offload_base: gro_complete
inet_gro_receive = Dispatch("inet_gro_receive", _GRO)                                       # inet_offloads: gro_receive
inet_gro_complete = Dispatch("inet_gro_complete", _PACKET)                                  # inet_offloads: gro_complete
nf_hookfn = Dispatch("nf_hookfn", {"net": Net, "cpu": int, "priv": int, "skb": sk_buff})     # nf_hook_entries: NF_*
xt_match = Dispatch("xt_match", {"net": Net, "cpu": int, "skb": sk_buff, "match": nf_match}, by_key=True)           # by Xt: HOLDS ...
xt_target = Dispatch("xt_target", {"net": Net, "cpu": int, "skb": sk_buff, "rule": int}, by_key=True)     # by Target: XT_CONTINUE, NF_*
inet_protocol = Dispatch("inet_protocol", _PACKET)                                          # inet_protos: handler
early_demux = Dispatch("early_demux", _PACKET, by_key=True)                                 # by protocol: 0 or a drop reason
err_handler = Dispatch("err_handler", _PACKET, by_key=True)       # inet_protos: err_handler; 1: no such socket
unicast_reply = Dispatch("unicast_reply", _PACKET | {"out": sk_buff}, by_key=True)      # ip_send_unicast_reply()
queue_xmit = Dispatch("queue_xmit", {"net": Net, "cpu": int, "out": sk_buff, "saddr_hi": int, "saddr_lo": int, "daddr_hi": int,
                                     "daddr_lo": int, "mac": int}, by_key=True)     # icsk_af_ops->queue_xmit, by address family
route_output = Dispatch("route_output", {"net": Net, "cpu": int}, by_key=True)      # ip_route_output_flow(), by address family: net.fl4
make_skb = Dispatch("make_skb", {"net": Net, "cpu": int, "sk": sock, "t": int, "transhdrlen": int}, by_key=True)    # ip_make_skb()
send_skb = Dispatch("send_skb", {"net": Net, "cpu": int, "sk": sock, "first": int}, by_key=True)                    # ip_send_skb()
dev_loopback = Dispatch("dev_loopback", _PACKET, by_key=True)                       # dev_loopback_xmit(), by address family
neigh_error_report = Dispatch("neigh_error_report", _PACKET, by_key=True)           # neigh_ops->error_report, by address family
dst_input = Dispatch("dst_input", _PACKET, by_key=True)                                     # dst.input, by kind of route
xmit = Dispatch("xmit", _PACKET)                                                            # ndo_start_xmit of a device
touched_station = Dispatch("touched", _PACKET, by_key=True)                                 # stations that wait for their turn: @touched

# struct proto: what sockets call through, by protocol (sk->sk_prot).  0 or a negative errno, where nothing else is said
_SOCK = {"net": Net, "sk": sock}
proto_init = Dispatch("proto_init", _SOCK, by_key=True)                                     # who has none, socket() does not know
proto_get_port = Dispatch("proto_get_port", _SOCK | {"port": int}, by_key=True)             # 0: any
proto_hash = Dispatch("proto_hash", _SOCK, by_key=True)                                     # it can be found; who has none cannot listen()
proto_unhash = Dispatch("proto_unhash", _SOCK, by_key=True)                                 # and no more
proto_connect = Dispatch("proto_connect", {"net": Net, "cpu": int, "sk": sock, "local": int, "daddr": int, "dport": int, "dev": int},
                         by_key=True)
proto_disconnect = Dispatch("proto_disconnect", {"net": Net, "cpu": int, "sk": sock}, by_key=True)
proto_close = Dispatch("proto_close", {"net": Net, "cpu": int, "sk": sock}, by_key=True)
proto_recvmsg = Dispatch("proto_recvmsg", {"net": Net, "cpu": int, "thread": int}, by_key=True)     # a length
proto_sendmsg = Dispatch("proto_sendmsg", {"net": Net, "cpu": int, "thread": int}, by_key=True)     # a length
proto_accept = Dispatch("proto_accept", {"net": Net, "cpu": int, "sk": sock}, by_key=True)     # a socket's index; who has none: EOPNOTSUPP
proto_shutdown = Dispatch("proto_shutdown", {"net": Net, "cpu": int, "sk": sock, "how": int}, by_key=True)  # SHUT_*'s bits
proto_release_cb = Dispatch("proto_release_cb", {"net": Net, "cpu": int, "sk": sock}, by_key=True)  # the owner lets go: what was put off
proto_backlog_rcv = Dispatch("proto_backlog_rcv", {"net": Net, "cpu": int, "sk": sock, "skb": sk_buff}, by_key=True)
proto_poll = Dispatch("proto_poll", {"net": Net, "cpu": int, "sk": sock}, by_key=True)      # POLL*: its events now

call_cable_rx: Callable[[int, Net, int, rx_ring, arrival], int]                             # made by install(), in boot.py
call_cable_dma: Callable[[int, Net, int, rx_ring, arrival, int], int]
call_irq_handler: Callable[[int, Net, int, int], int]
call_sender_xmit: Callable[[int, Net, int, int], int]
call_softirq: Callable[[int, Net, int], int]
call_timer_function: Callable[[int, Net, int, int], int]
call_hrtimer_function: Callable[[int, Net, int, int], int]
call_napi_poll: Callable[[int, Net, int, int, int], int]
call_packet_type: Callable[[int, Net, int, sk_buff], int]
call_packet_list: Callable[[int, Net, int, napi_struct], int]
call_gro_receive: Callable[[int, Net, int, napi_struct, int, sk_buff], int]
call_gro_complete: Callable[[int, Net, int, sk_buff], int]
call_inet_gro_receive: Callable[[int, Net, int, napi_struct, int, sk_buff], int]
call_inet_gro_complete: Callable[[int, Net, int, sk_buff], int]
call_nf_hookfn: Callable[[int, Net, int, int, sk_buff], int]
call_xt_match: Callable[[int, Net, int, sk_buff, nf_match], int]
call_xt_target: Callable[[int, Net, int, sk_buff, int], int]
call_inet_protocol: Callable[[int, Net, int, sk_buff], int]
call_early_demux: Callable[[int, Net, int, sk_buff], int]
call_err_handler: Callable[[int, Net, int, sk_buff], int]
call_unicast_reply: Callable[[int, Net, int, sk_buff, sk_buff], int]
call_queue_xmit: Callable[[int, Net, int, sk_buff, int, int, int, int, int], int]
call_route_output: Callable[[int, Net, int], int]
call_make_skb: Callable[[int, Net, int, sock, int, int], int]
call_send_skb: Callable[[int, Net, int, sock, int], int]
call_dev_loopback: Callable[[int, Net, int, sk_buff], int]
call_neigh_error_report: Callable[[int, Net, int, sk_buff], int]
call_dst_input: Callable[[int, Net, int, sk_buff], int]
call_xmit: Callable[[int, Net, int, sk_buff], int]
call_proto_init: Callable[[int, Net, sock], int]
call_proto_get_port: Callable[[int, Net, sock, int], int]
call_proto_hash: Callable[[int, Net, sock], int]
call_proto_unhash: Callable[[int, Net, sock], int]
call_proto_connect: Callable[[int, Net, int, sock, int, int, int, int], int]
call_proto_disconnect: Callable[[int, Net, int, sock], int]
call_proto_close: Callable[[int, Net, int, sock], int]
call_proto_recvmsg: Callable[[int, Net, int, int], int]
call_proto_sendmsg: Callable[[int, Net, int, int], int]
call_proto_accept: Callable[[int, Net, int, sock], int]
call_proto_shutdown: Callable[[int, Net, int, sock, int], int]
call_proto_release_cb: Callable[[int, Net, int, sock], int]
call_proto_backlog_rcv: Callable[[int, Net, int, sock, sk_buff], int]
call_proto_poll: Callable[[int, Net, int, sock], int]
call_touched: Callable[[int, Net, int, sk_buff], int]


class Timer(IntEnum):
    """What a timer of the wheel does when it goes off (timer.py, irq/timer.py)."""
    ip_expire = 0
    tcp_write_timer = 1
    tcp_delack_timer = 2
    tcp_keepalive_timer = 3
    reqsk_timer_handler = 4
    tw_timer_handler = 5
    neigh_timer_handler = 6


class Hrtimer(IntEnum):
    napi_watchdog = 0
    tcp_compressed_ack_kick = 1


# Stations that touch what other CPUs see: entered in the order of the clocks, each under the name of its function (turn/parking.py)
Touch = IntEnum("Touch", (
    "enqueue_to_backlog ip_local_deliver_defrag ip_local_in ip_pre_routing udp_queue_rcv_one_skb udp_mcast_copies icmp_send icmp_reply "
    "arp_process tcp_reset_when_due ip_forward_finish udp_queue_rcv_segments icmp_socket_deliver igmp_heard_query rfs_list rfs_receive "
    "tcp_v4_lookup "
), start=0)


def touched(f: F) -> F:
    """Decorator: this function is what Touch's member of the same name stands for."""
    return touched_station(Touch[f.__name__])(f)
