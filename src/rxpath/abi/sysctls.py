"""The sysctls that the path reads, one row each: name, range, unit, the history of its default, the knob of net.sysctl that holds it
and the function that reads it.  Boot writes the defaults; host files, --set, `rxpath host init`, reports and pages read the row.

Sources: [M] seen on Linux 6.18 (HZ 250), [V] read in the kernel's or igb's source or a commit, [K] from memory of it."""
from __future__ import annotations

from dataclasses import dataclass

from .kernels import Sysctl, version

INT_MAX = (1 << 31) - 1
Value = int | tuple[int, ...]


class History(tuple[tuple[str, Value], ...]):
    """Defaults, each with the kernel from which it holds; "": from the oldest on."""

    def __new__(cls, *dated: tuple[str, Value]) -> History:
        return super().__new__(cls, dated)


@dataclass(frozen=True, slots=True)
class Row:
    """`default`: a value, or its history where it has one."""

    name: str
    default: Value | History
    low: int
    high: int
    unit: str
    doc: str
    source: str
    kind: str = "int"                                       # int | jiffies2 (floor and default are two jiffies) | cpumask | triple | power2
    combine: str = ""                                       # conf.* rows: how `all` and the interface make the effective value
    why_fixed: str = ""                                     # low == high: why nothing else is taken
    knob: Sysctl | None = None                              # where net.sysctl holds it (a triple: the first of three); None: setup's
    factor: int = 1                                         # of the knob's unit
    reader: str = ""                                        # the function that asks for it

    @property
    def history(self) -> History:
        return self.default if isinstance(self.default, History) else History(("", self.default))

    @property
    def since(self) -> str:
        """The first kernel that has the name, "": the oldest that we know has it."""
        return self.history[0][0]

    def in_kernel(self, kernel: str) -> bool:
        return not self.since or version(self.since) <= version(kernel)

    def default_for(self, kernel: str, hz: int) -> Value:
        """Of a kernel; of one that does not have the name, what the path does there: the first that was."""
        if self.kind == "jiffies2":
         return 2_000_000 // hz
        held = [value for since, value in self.history if not since or version(since) <= version(kernel)]
        return held[-1] if held else self.history[0][1]

    def knobs(self, value: Value) -> list[tuple[int, int]]:
        """(index of net.sysctl, value there) of a value."""
        if self.knob is None:
         return []
        return [(self.knob + i, v * self.factor) for i, v in enumerate(value if isinstance(value, tuple) else (value,))]

    def floor(self, hz: int) -> int:
        return 2_000_000 // hz if self.kind == "jiffies2" else self.low

    def allowed(self, hz: int) -> str:
        """What may be written, for error lines and for the docs."""
        low = self.floor(hz)
        if self.kind == "cpumask":
         return 'a hexadecimal mask in quotes such as "f", or a list of CPUs [0, 1]'
        if self.kind == "triple":
         return f'three whole numbers "min pressure max", {low} to {self.high}, ascending'
        if low == self.high:
         return f"{low} only: {self.why_fixed}"
        text = f"{low} to {self.high}"
        note = {"power2": " (a power of two)", "jiffies2": f" (from two jiffies at hz = {hz})"}
        return text + note.get(self.kind, "")


CONF = "net.ipv4.conf.*."

SYSCTLS: tuple[Row, ...] = (
    # softirq and the per-CPU backlog: net/core/dev.c
    Row("net.core.netdev_budget", 300, 0, INT_MAX, "packets",
        "packets that one net_rx_action pass may process; on 6.18 it matters with five or more NAPIs on a CPU", "[M]",
        knob=Sysctl.netdev_budget, reader="net_rx_action"),
    Row("net.core.netdev_budget_usecs", History(("4.12", 8000)), 0, INT_MAX, "us",
        "time that one net_rx_action pass may take; default and floor are two jiffies",
        "[M] floor at HZ 250: 7999 is EINVAL; 4.12 [K]",
        kind="jiffies2",
        knob=Sysctl.netdev_budget_ns, factor=1_000, reader="net_rx_action"),
    Row("net.core.dev_weight", 64, 1, INT_MAX, "packets", "packets that process_backlog handles in one poll", "[M]",
        knob=Sysctl.dev_weight, reader="process_backlog"),
    Row("net.core.netdev_max_backlog", 1000, 0, INT_MAX, "packets",
        "length of the per-CPU input_pkt_queue (RPS, netif_rx); beyond it CPU_BACKLOG", "[M]",
        knob=Sysctl.netdev_max_backlog, reader="enqueue_on"),
    Row("net.core.gro_normal_batch", History(("5.4", 8)), 0, INT_MAX, "packets", "packets that GRO collects before it passes the list up",
        "[M]; 5.4 [K]",
        knob=Sysctl.gro_normal_batch, reader="add_queues"),
    Row("net.core.flow_limit_cpu_bitmap", History(("3.11", 0)), 0, 0, "CPUs",
        "CPUs whose backlog drops the largest flow first once it is half full", "[M] [V] scaling.rst; 3.11 [K]",
        kind="cpumask",
        reader="set_flow_limit"),
    Row("net.core.flow_limit_table_len", History(("3.11", 4096)), 1, 1 << 16, "buckets", "hash buckets of the flow limit",
        "[M]; 3.11 [K]", kind="power2",
        knob=Sysctl.flow_limit_table_len, reader="skb_flow_limit"),
    Row("net.core.rps_sock_flow_entries", 0, 0, 1 << 17, "flows",
        "RFS: flows whose reader's CPU is remembered, rounded up to a power of two; 0 is off; needs rps_flow_cnt of a queue",
        "[K] 2.6.35; scaling.rst suggests 32768",
        reader="set_rfs"),
    Row("net.core.busy_poll", History(("3.11", 0)), 0, INT_MAX, "us",
        "time that poll and epoll_wait poll NAPIs before they sleep; poll only those of sockets with SO_BUSY_POLL or busy_read; 0 is off",
        "[M]; 3.11 [K]",
        knob=Sysctl.busy_poll_ns, factor=1_000, reader="net_busy_loop_on"),
    Row("net.core.busy_read", History(("3.11", 0)), 0, INT_MAX, "us", "SO_BUSY_POLL of a new socket; 0 is off", "[M]; 3.11 [K]",
        knob=Sysctl.busy_read_ns, factor=1_000, reader="sock_init_data"),
    # socket memory: net/core/sock.c, net/ipv4/udp.c
    Row("net.core.rmem_default", 212992, 2304, INT_MAX, "bytes", "sk_rcvbuf of a new socket: 256 packets of truesize 832", "[M]",
        knob=Sysctl.rmem_default, reader="sock_init_data"),
    Row("net.core.rmem_max", History(("", 212992), ("6.18", 4194304)), 2304, INT_MAX, "bytes",
        "largest argument that SO_RCVBUF takes; the kernel then doubles it",
        "[M]; 212992 until August 2025 [V]",
        knob=Sysctl.rmem_max, reader="set_rcvbuf"),
    Row("net.ipv4.udp_mem", (393216, 524288, 786432), 0, INT_MAX, "pages of 4096 bytes",
        "UDP's memory over all sockets: below the first freely taken, above the third refused with PROTO_MEM",
        "[K] udp_init's rule (an eighth of the pages; 3/4, 1, 3/2 of it) for 16 GiB", kind="triple",
        knob=Sysctl.udp_mem_0, reader="sk_mem_raise"),
    Row("net.ipv4.udp_rmem_min", 4096, 1, INT_MAX, "bytes", "what a socket may hold between the limits of udp_mem", "[M]",
        knob=Sysctl.udp_rmem_min, reader="sk_mem_raise"),
    Row("net.ipv4.udp_early_demux", History(("4.12", 1)), 0, 1, "", "look up the UDP socket before the route",
        "[M]; the switch came with 4.12 [K]",
        knob=Sysctl.udp_early_demux, reader="ip_early_demux"),
    Row("net.ipv4.ip_early_demux", 1, 0, 1, "", "look up any socket before the route", "[M]; 3.6 [K]",
        knob=Sysctl.ip_early_demux, reader="ip_early_demux"),
    Row("net.ipv4.tcp_early_demux", History(("4.12", 1)), 0, 1, "", "look up the TCP connection before the route",
        "the switch came with 4.12 [K]", knob=Sysctl.tcp_early_demux, reader="ip_early_demux"),
    Row("net.ipv4.ip_nonlocal_bind", 0, 0, 1, "", "a program may bind an address that is not this host's", "[M]",
        knob=Sysctl.ip_nonlocal_bind, reader="bind"),
    # TCP: Documentation/networking/ip-sysctl.rst
    Row("net.core.somaxconn", History(("", 128), ("5.4", 4096)), 0, INT_MAX, "connections",
        "most that listen() may ask for: who waits to be accepted, and requests", "[M]; 5.4 [K]",
        knob=Sysctl.somaxconn, reader="inet_csk_listen_start"),
    Row("net.ipv4.tcp_rmem", History(("", (4096, 87380, 6291456)), ("4.20", (4096, 131072, 6291456)), ("6.18", (4096, 131072, 33554432))),
        1, INT_MAX, "bytes", "sk_rcvbuf of a connection: what it may hold whatever tcp_mem says, what it begins with, how far it grows",
        "[M]; 4.20 [K]; 33554432 [M] on 6.18", kind="triple",
        knob=Sysctl.tcp_rmem_0, reader="sk_mem_raise_above"),
    Row("net.ipv4.tcp_mem", History(("", (393216, 524288, 786432)), ("4.2", (196608, 262144, 393216))), 0, INT_MAX,
        "pages of 4096 bytes",
        "TCP's memory over all connections: below the first buffers may grow, above the second they are under pressure until they are "
        "below the first again, above the third segments are refused",
        "[K] tcp_init_mem's rule (a sixteenth of the pages, before 4.2 an eighth; 3/4, 1, 3/2 of it) for 16 GiB", kind="triple",
        knob=Sysctl.tcp_mem_0, reader="__sk_mem_raise_allocated"),
    Row("net.ipv4.tcp_moderate_rcvbuf", 1, 0, 1, "", "rcvbuf grows with what the program reads in a round trip", "[M]",
        knob=Sysctl.tcp_moderate_rcvbuf, reader="tcp_rcvbuf_grow"),
    Row("net.ipv4.tcp_shrink_window", History(("6.6", 0)), 0, 1, "", "a window that was offered may be taken back", "[M]; 6.6 [K]",
        knob=Sysctl.tcp_shrink_window, reader="__tcp_select_window"),
    Row("net.ipv4.tcp_timestamps", 1, 0, 2, "", "RFC 7323's time stamps are agreed to", "[M]",
        knob=Sysctl.tcp_timestamps, reader="tcp_parse_options"),
    Row("net.ipv4.tcp_sack", 1, 0, 1, "", "selective acknowledgements are agreed to", "[M]",
        knob=Sysctl.tcp_sack, reader="tcp_parse_syn_option"),
    Row("net.ipv4.tcp_dsack", 1, 0, 1, "", "duplicates are told of (RFC 2883)", "[M]",
        knob=Sysctl.tcp_dsack, reader="tcp_dsack_set"),
    Row("net.ipv4.tcp_window_scaling", 1, 0, 1, "", "windows above 64 KiB are agreed to", "[M]",
        knob=Sysctl.tcp_window_scaling, reader="tcp_parse_syn_option"),
    Row("net.ipv4.tcp_comp_sack_nr", History(("4.18", 44)), 0, 255, "ACKs", "SACKs that are held back at most; 0: none", "[M]; 4.18 [K]",
        knob=Sysctl.tcp_comp_sack_nr, reader="__tcp_ack_snd_check"),
    Row("net.ipv4.tcp_comp_sack_delay_ns", History(("4.18", 1_000_000)), 0, INT_MAX, "ns", "for how long at most", "[M]; 4.18 [K]",
        knob=Sysctl.tcp_comp_sack_delay_ns, reader="tcp_compress_ack"),
    Row("net.ipv4.tcp_backlog_ack_defer", History(("6.7", 1)), 0, 1, "", "one ACK for a whole backlog", "[M]; 6.7 [K]",
        knob=Sysctl.tcp_backlog_ack_defer, reader="__tcp_ack_snd_check"),
    Row("net.ipv4.tcp_invalid_ratelimit", History(("4.0", 500)), 0, INT_MAX, "ms",
        "least time between answers to impossible segments without data", "[M]; 4.0 [K]",
        knob=Sysctl.tcp_invalid_ratelimit_ns, factor=1_000_000, reader="__tcp_oow_rate_limited"),
    Row("net.ipv4.tcp_synack_retries", 5, 0, 255, "times", "SYN-ACKs that are sent again", "[M]",
        knob=Sysctl.tcp_synack_retries, reader="syn_ack_retries"),
    Row("net.ipv4.tcp_abort_on_overflow", 0, 0, 1, "", "RST, where the accept queue has no room for a completed handshake", "[M]",
        knob=Sysctl.tcp_abort_on_overflow, reader="tcp_check_req"),
    Row("net.ipv4.tcp_syncookies", 1, 0, 2, "", "cookies where the queue of requests is full; 2: always; 0: such SYNs are dropped", "[M]",
        knob=Sysctl.tcp_syncookies, reader="tcp_conn_request"),
    Row("net.ipv4.tcp_max_syn_backlog", 2048, 0, INT_MAX, "requests",
        "with tcp_syncookies 0: beyond three quarters of it SYNs are dropped; the kernel's default depends on memory",
        "[M]", knob=Sysctl.tcp_max_syn_backlog, reader="tcp_conn_request"),
    Row("net.ipv4.tcp_ecn", 2, 0, 3, "", "ECN (RFC 3168) is agreed to when a peer asks for it; 1 asks, too, as 3 would", "[M]",
        knob=Sysctl.tcp_ecn, reader="tcp_ecn_create_request"),
    Row("net.ipv4.tcp_fin_timeout", 60, 0, INT_MAX // 1000, "s", "FIN_WAIT2 of a connection that its program has closed", "[M]",
        knob=Sysctl.tcp_fin_timeout_ns, factor=1_000_000_000, reader="tcp_fin_time"),
    Row("net.ipv4.tcp_max_tw_buckets", 131072, 0, INT_MAX, "connections",
        "in TIME_WAIT; beyond it they end at once; the kernel's default depends on memory", "[M]",
        knob=Sysctl.tcp_max_tw_buckets, reader="inet_twsk_alloc"),
    Row("net.ipv4.tcp_rfc1337", 0, 0, 1, "", "1: an RST does not end a TIME_WAIT", "[M]",
        knob=Sysctl.tcp_rfc1337, reader="tcp_timewait_state_process"),
    Row("net.ipv4.tcp_max_orphans", 131072, 0, INT_MAX, "connections",
        "that no program has any more; beyond it they are reset; the kernel's default depends on memory", "[M]",
        knob=Sysctl.tcp_max_orphans, reader="tcp_close"),
    Row("net.ipv4.tcp_orphan_retries", 0, 0, 255, "times", "retransmissions for those; 0: 8, if the peer was alive lately", "[M]",
        knob=Sysctl.tcp_orphan_retries, reader="tcp_write_timeout"),
    Row("net.ipv4.tcp_retries2", 15, 0, 255, "times", "retransmissions until a connection is given up: 15 are some 924 s", "[M]",
        knob=Sysctl.tcp_retries2, reader="tcp_write_timeout"),
    Row("net.ipv4.tcp_syn_retries", 6, 1, 127, "times", "SYNs that are sent again", "[M]; 3.7 [K]",
        knob=Sysctl.tcp_syn_retries, reader="tcp_write_timeout"),
    Row("net.ipv4.tcp_syn_linear_timeouts", History(("6.5", 4)), 0, 127, "times", "of these, those a second apart", "[M]; 6.5 [K]",
        knob=Sysctl.tcp_syn_linear_timeouts, reader="tcp_retransmit_timer"),
    Row("net.ipv4.tcp_keepalive_time", 7200, 1, 32767, "s", "without a segment until SO_KEEPALIVE's first probe", "[M]",
        knob=Sysctl.tcp_keepalive_time_ns, factor=1_000_000_000, reader="keepalive_time_when"),
    Row("net.ipv4.tcp_keepalive_intvl", 75, 1, 32767, "s", "from one probe to the next", "[M]",
        knob=Sysctl.tcp_keepalive_intvl_ns, factor=1_000_000_000, reader="tcp_keepalive_handler"),
    Row("net.ipv4.tcp_keepalive_probes", 9, 1, 127, "times", "probes until a connection is given up", "[M]",
        knob=Sysctl.tcp_keepalive_probes, reader="tcp_keepalive_handler"),
    Row("net.ipv4.tcp_no_metrics_save", 0, 0, 255, "", "not 0: no connection leaves behind what its peer's round trip was", "[M]",
        knob=Sysctl.tcp_no_metrics_save, reader="tcp_update_metrics"),
    # fragments: net/ipv4/ip_fragment.c
    Row("net.ipv4.ipfrag_high_thresh", 4194304, 0, INT_MAX, "bytes",
        "memory of all fragment queues; at more a new fragment is refused", "[M]",
        knob=Sysctl.ipfrag_high_thresh, reader="inet_frag_find"),
    Row("net.ipv4.ipfrag_low_thresh", 3145728, 0, INT_MAX, "bytes", "not more than ipfrag_high_thresh; 3.10 evicts down to it", "[M]",
        knob=Sysctl.ipfrag_low_thresh, reader="ip_evictor"),
    Row("net.ipv4.ipfrag_time", 30, 0, 86400, "s", "life of a fragment queue, fixed when its first fragment comes", "[M]",
        knob=Sysctl.ipfrag_time_ns, factor=1_000_000_000, reader="inet_frag_start_timer"),
    Row("net.ipv4.ipfrag_max_dist", 64, 0, INT_MAX, "fragments",
        "fragments of the same source in between that give a queue up; 0 is off", "[M]",
        knob=Sysctl.ipfrag_max_dist, reader="ip_frag_too_far"),
    # neighbours: net/core/neighbour.c, net/ipv4/arp.c
    Row("net.ipv4.neigh.default.retrans_time_ms", 1000, 1, INT_MAX, "ms", "from one ARP request to the next", "[M]",
        knob=Sysctl.neigh_retrans_ms, reader="neigh_retrans"),
    Row("net.ipv4.neigh.default.base_reachable_time_ms", 30000, 1, INT_MAX, "ms",
        "for how long an answer counts; the kernel draws between half and one and a half of it", "[M]",
        knob=Sysctl.neigh_reachable_ms, reader="neigh_timer_handler"),
    Row("net.ipv4.neigh.default.delay_first_probe_time", 5, 0, 86400, "s",
        "after something was sent to a stale neighbour, until it is asked again", "[M]",
        knob=Sysctl.neigh_delay_probe_ms, factor=1_000, reader="__neigh_event_send"),
    Row("net.ipv4.neigh.default.ucast_solicit", 3, 0, 100, "requests", "to a neighbour alone, whose MAC is to be confirmed", "[M]",
        knob=Sysctl.neigh_ucast_solicit, reader="neigh_probe"),
    Row("net.ipv4.neigh.default.mcast_solicit", 3, 0, 100, "requests", "to everybody, before an address counts as unreachable", "[M]",
        knob=Sysctl.neigh_mcast_solicit, reader="neigh_timer_handler"),
    Row("net.ipv4.neigh.default.unres_qlen_bytes", History(("", 65536), ("4.14", 212992)), 0, INT_MAX, "bytes of truesize",
        "packets that wait for one neighbour's MAC", "[M]; 65536 until 4.14 [V]",
        knob=Sysctl.neigh_unres_qlen_bytes, reader="__neigh_event_send"),
    # sending: net/core/sock.c, net/ipv4/ip_output.c
    Row("net.core.wmem_default", 212992, 4608, INT_MAX, "bytes", "sk_sndbuf of a new datagram socket", "[M]",
        knob=Sysctl.wmem_default, reader="sock_init_data"),
    Row("net.core.wmem_max", History(("", 212992), ("6.18", 4194304)), 4608, INT_MAX, "bytes",
        "largest argument that SO_SNDBUF takes; the kernel then doubles it", "[M]", knob=Sysctl.wmem_max, reader="set_sndbuf"),
    Row("net.ipv4.ip_default_ttl", 64, 1, 255, "hops", "of a packet whose socket says nothing else", "[M]",
        knob=Sysctl.ip_default_ttl, reader="ip_select_ttl"),
    # ICMP: net/ipv4/icmp.c
    Row("net.ipv4.icmp_ratelimit", 1000, 0, INT_MAX, "ms",
        "least time between limited messages to one destination (after a burst of 6); 0 is off", "[M]",
        knob=Sysctl.icmp_ratelimit_ns, factor=1_000_000, reader="icmpv4_xrlim_allow"),
    Row("net.ipv4.icmp_ratemask", 6168, 0, INT_MAX, "bit mask of types", "6168 limits types 3, 4, 11, 12", "[M]",
        knob=Sysctl.icmp_ratemask, reader="icmp_unlimited"),
    Row("net.ipv4.icmp_msgs_per_sec", History(("3.18", 1000)), 0, INT_MAX, "messages/s", "limited messages to everybody together",
        "[M]; 3.18 [K]",
        knob=Sysctl.icmp_msgs_per_sec, reader="icmp_global_allow"),
    Row("net.ipv4.icmp_msgs_burst", History(("3.18", 50)), 0, INT_MAX, "messages", "burst of that limit", "[M]; 3.18 [K]",
        knob=Sysctl.icmp_msgs_burst, reader="icmp_global_allow"),
    Row("net.ipv4.icmp_echo_ignore_all", 0, 0, 1, "", "1: echo requests are not answered", "[M]",
        knob=Sysctl.icmp_echo_ignore_all, reader="icmp_request"),
    Row("net.ipv4.icmp_echo_ignore_broadcasts", 1, 0, 1, "", "1: nor those to broadcast and multicast", "[M]",
        knob=Sysctl.icmp_echo_ignore_broadcasts, reader="icmp_rcv"),
    Row("net.ipv4.icmp_ignore_bogus_error_responses", 1, 0, 1, "", "0: nobody is told of errors that quote a packet to a broadcast address",
        "[M]", knob=Sysctl.icmp_ignore_bogus_error_responses, reader="icmp_unreach"),
    Row("net.ipv4.ip_forward", 0, 0, 0, "", "routers are not modelled", "[M]",
        why_fixed="forwarding is not modelled, the host is the last hop"),
    # per interface: net/ipv4/devinet.c.  `all` and the interface are combined as inetdevice.h does
    Row(CONF + "rp_filter", 0, 0, 2, "", "reverse path filter: 0 off, 1 strict, 2 loose; the larger of all and interface",
        "[M]; many distributions set 2",
        combine="max"),
    Row(CONF + "accept_source_route", 1, 0, 1, "", "IP source-route option; taken when all and interface say so (all is 0)",
        "[M]", combine="and"),
    Row(CONF + "accept_local", 0, 0, 1, "", "take packets whose source is an own address", "[M]", combine="or"),
    Row(CONF + "route_localnet", 0, 0, 1, "", "127/8 is not a martian here", "[M]", combine="or"),
    Row(CONF + "log_martians", 0, 0, 1, "", "log martians; they are counted either way", "[M]", combine="or"),
    Row(CONF + "arp_ignore", 0, 0, 0, "", "which ARP requests are answered", "[M]", combine="max",
        why_fixed="the other modes are not modelled"),
    Row(CONF + "forwarding", 0, 0, 0, "", "routers are not modelled", "[M]", combine="and",
        why_fixed="forwarding is not modelled, the host is the last hop"),
)

BY_NAME = {row.name: row for row in SYSCTLS}
