"""What differs between kernels: a row for each behaviour that the path asks for, never a version test; and the kernel profiles.

3.10 is the seeds' code; 6.18 is today's.  Each row names the commit or release that changed it.  A profile is a version and its vendor's
exceptions: its values come from the rows."""
from collections.abc import Mapping
from enum import IntEnum, auto
from functools import cache
from types import MappingProxyType
from typing import NamedTuple


@cache
def version(text: str) -> tuple[int, ...]:
    """6.18 is later than 6.3."""
    return tuple(int(part) for part in text.split("."))


class Behaviour(IntEnum):
    rx_lists = 0                        # GRO_NORMAL packets travel in lists through ip_list_rcv
    udp_backlog = auto()                # UDP takes the socket lock; a busy socket gets the packet on its backlog
    udp_reader_queue = auto()           # the reader takes the whole receive queue over, memory is given back in lumps
    udp_csum_early = auto()             # checksums of short datagrams are verified at arrival
    poll_in_place = auto()              # a lone NAPI is polled on within a net_rx_action pass up to the budget
    budget_usecs = auto()               # net_rx_action's time limit comes from netdev_budget_usecs
    early_demux = auto()                # udp_v4_early_demux / tcp_v4_early_demux precede routing
    icmp_global_limit = auto()          # icmp_msgs_per_sec and icmp_msgs_burst exist
    frag_rbtree = auto()                # overlapping fragments kill the queue; before, they were trimmed
    gro_buckets = auto()                # GRO lists, by flow hash
    udp_gro = auto()                    # UDP has a GRO handler
    gro_fixed_id = auto()               # GRO merges packets with DF whose IP id does not count up
    gro_fixed_id_any = auto()           # and those without DF
    flow_limit = auto()                 # net.core.flow_limit_cpu_bitmap exists
    timer_buckets = auto()              # timers fire with their bucket of the wheel, late by up to 1/8; before, at their own jiffy
    lowest_is_unicast = auto()          # the lowest address of a network is no broadcast
    zeronet_is_one = auto()             # of 0.0.0.0/8 only 0.0.0.0 is no source
    udp_two_level = auto()              # UDP looks up addresses, then wildcards, the best score of each; before, by one score
    gro_flush_timeout = auto()          # /sys/class/net/DEV/gro_flush_timeout exists
    napi_defer = auto()                 # /sys/class/net/DEV/napi_defer_hard_irqs exists
    rfs_hash = auto()                   # rps_sock_flow_table says whose entry it is: upper bits of the hash beside the CPU
    ixgbe_most_descriptors = auto()     # of a ring of an 82599 and its successors
    virtio_premapped = auto()           # virtio_net keeps how a page fragment is mapped at the fragment's head
    wake_here = auto()                  # an interrupt's wake-up pulls a roaming thread to its CPU, if that is idle, though its own is too
    ksoftirqd_first = auto()            # softirqs are left to ksoftirqd while it is awake, at the end of interrupts and of system calls
    rss_key_random = auto()             # drivers take an RSS key that is drawn at boot; before, each had its own constant
    reuseport_bpf = auto()              # SO_ATTACH_REUSEPORT_CBPF exists
    udp_hash4 = auto()                  # UDP looks up connections first, in a table of their own; before, they had the best score
    paws_timewait = auto()              # PAWSTimewait counts old time stamps in TIME_WAIT; before, PAWSEstab
    tsecr_syn_recv = auto()             # a request looks at what time stamp comes back
    req_challenge_ack = auto()          # a request challenges an RST beside the next number (RFC 5961); before, any in the window ended it
    synq_by_backlog = auto()            # the backlog alone limits requests; before, with tcp_max_syn_backlog, in powers of two
    acceptq_full_drops = auto()         # a full accept queue refuses every SYN; before, only with two young requests
    rcvqueues_full_counted = auto()     # UDP: a queue that is full before the socket's lock is taken counts as RcvbufErrors, too
    jumbo_buffers = auto()              # igb and ixgbe take larger receive buffers at an MTU above 1500
    udp_filter_first = auto()           # UDP: a socket's filter comes first; before, behind the queue's limit, and no drop of the socket's


class Row(NamedTuple):
    """What 3.10 does, from which kernel on another thing, and from which on the first thing again.  "by 6.18": seen there; when it changed
    is not known here."""
    before: int
    since: str
    after: int
    source: str
    until: str = ""

    def value(self, kernel: str) -> int | None:
        """What that kernel does; None: it lies between the last one known to do the one and the first one known to do the other."""
        if self.until and version(kernel) >= version(self.until):
            return self.before
        first = self.since.removeprefix("by ")
        if version(kernel) >= version(first):
            return self.after
        return self.before if first == self.since or version(kernel) <= (3, 10) else None


BEHAVIOURS: dict[Behaviour, Row] = {
    Behaviour.rx_lists: Row(0, "5.4", 1, "323ebb61e32b (5.0, GRO list batching 5.4); seen on 6.18 and igb 6.12"),
    Behaviour.udp_backlog: Row(1, "4.10", 0, "850cbaddb52d (4.10): own memory accounting, no socket lock"),
    Behaviour.udp_reader_queue: Row(0, "4.12", 1, "2276f58ac589 (4.12): reader_queue; release in quarters of the buffer"),
    Behaviour.udp_csum_early: Row(
        0, "3.16", 1, "76ba0aae6730, ed70fcfcee95 (3.16 [K]): CHECKSUM_BREAK; read in 6.1, measured on 6.18; 3.10 verifies at the read"),
    Behaviour.poll_in_place: Row(
        1, "3.19", 0, "d75b1ade567f (3.19 [K]): a private list, repoll; read in 6.1; measured on 6.18: a lone NAPI gets one poll in each "
        "pass"),
    Behaviour.budget_usecs: Row(0, "4.12", 1, "7acf8a1e8a28 (4.12)"),
    Behaviour.early_demux: Row(0, "3.12", 1, "421b3885bf6d (3.12) for UDP"),
    Behaviour.icmp_global_limit: Row(0, "3.18", 1, "4cdf507d5452 (3.18)"),
    Behaviour.frag_rbtree: Row(0, "4.19", 1, "7969e5c40dfd (4.19)"),
    Behaviour.timer_buckets: Row(0, "4.8", 1, "500462a9de65 (4.8): the wheel no longer cascades"),
    Behaviour.lowest_is_unicast: Row(0, "5.14", 1, "5.14: a network's lowest address is one like others"),
    Behaviour.zeronet_is_one: Row(0, "5.3", 1, "96125bf9985a (5.3): 0.0.0.0/8 are addresses like others"),
    Behaviour.gro_buckets: Row(1, "4.19", 8, "6312fe77751f (4.19): GRO_HASH_BUCKETS; before, one list"),
    Behaviour.udp_gro: Row(0, "3.14", 1, "b582ef0990d4 (3.14) for tunnels, e20cf8d3f1f7 (5.0) for sockets"),
    Behaviour.gro_fixed_id: Row(0, "4.7", 1, "1530545ed64b (4.7)"),
    Behaviour.gro_fixed_id_any: Row(0, "6.18", 1, "\"net: gro: remove unnecessary df checks\" (6.18); seen on 6.18.44"),
    Behaviour.flow_limit: Row(0, "3.11", 1, "99bbc7074190 (3.11)"),
    Behaviour.udp_two_level: Row(
        0, "5.0", 1, "4cdeeee9252a (5.0 [K]); read in 6.1; seen on 6.18"),
    Behaviour.udp_hash4: Row(0, "6.13", 1, "78c91ae2c6de (6.13); 6.1 read, seen on 6.18"),
    Behaviour.gro_flush_timeout: Row(0, "3.19", 1, "3b47d30396ba (3.19)"),
    Behaviour.napi_defer: Row(0, "5.8", 1, "6f8b12d661d0 (5.8)"),
    Behaviour.rfs_hash: Row(0, "4.0", 1, "567e4b79731c (4.0): a flow does not follow another that falls on its entry"),
    Behaviour.ixgbe_most_descriptors: Row(4096, "6.2", 8192, "6.2 [K]: IXGBE_MAX_RXD_82599; 4096 read in 6.1, 8192 in 6.12"),
    Behaviour.virtio_premapped: Row(0, "6.13", 1, "6.13 [K]; seen on 6.18: the last of 32 KiB is 8176 bytes long; neither 6.1 nor 6.12"),
    Behaviour.wake_here: Row(1, "4.17", 0, "806486c377e3 (4.17): do not migrate if the previous CPU is idle"),
    Behaviour.paws_timewait: Row(0, "6.14", 1, "6.14 [K]; not in 6.12, which was read; seen on 6.18"),
    Behaviour.tsecr_syn_recv: Row(0, "6.15", 1, "3ba075278c11 (6.15 [K]); not in 6.12, which was read; seen on 6.18"),
    Behaviour.req_challenge_ack: Row(0, "6.12", 1, "read in Debian's 6.12, seen on 6.18; that 6.1 has it not is [K]"),
    Behaviour.synq_by_backlog: Row(0, "4.4", 1, "ef547f2ac16b (4.4 [K]): max_qlen_log goes"),
    Behaviour.acceptq_full_drops: Row(0, "4.10", 1, "5ea8ea2cb7f1 (4.10 [K])"),
    Behaviour.rcvqueues_full_counted: Row(0, "3.16", 1, "3e215c8d1b6b (3.16 [K])"),
    Behaviour.udp_filter_first: Row(0, "4.7", 1, "e6afc8ace6dd (4.7 [K]); seen on 6.18"),
    Behaviour.jumbo_buffers: Row(0, "4.12", 1, "8649aaef4044 (igb), 4.12 [K] for both: 3 kB in half of two pages; read in 6.12"),
    Behaviour.reuseport_bpf: Row(0, "4.5", 1, "538950a1b752 (4.5)"),
    Behaviour.ksoftirqd_first: Row(
        0, "4.9", 1, "4cd13c21b207 (4.9): ksoftirqd_running(), read in 6.1; d15121be7485 (6.5 [K]) took it back", until="6.5"),
    Behaviour.rss_key_random: Row(0, "3.19", 1, "960fb622f851 (3.19 [K]): netdev_rss_key_fill()"),
}


NOT_OF_6_1 = (                                              # read in Debian's source of 6.1
    "truesize: there is no skb_small_head_cache (6.3); a short packet that veth or lo copies is charged 768 (512 by kmalloc and 256), what "
    "igb or ixgbe copies 1,280 (napi_alloc_skb() takes 1 KiB of a page, `page_frag_alloc_1k()`); here it is small_head + 256 as on 6.18",
    "net_rx_action() ends when its list is empty and nothing is to be polled again; a NAPI that is scheduled meanwhile raises the softirq "
    "(6.5's in_net_rx_action takes it into the same pass)",
    "udp_prod_queue (6.18): producers of a crowded socket take its busylock instead",
    "drop reasons that 6.1 does not name yet are counted under the names of 6.18; docs/drop-reasons.md says since when each has its name",
)


BROUGHT_BACK = (                                            # said of an enterprise distribution's kernel
    "{}'s kernel carries this version's number and much of later ones: what its vendor has brought back is not known here, and each "
    "behaviour below may be there already"
)


class Kernel(NamedTuple):
    """A profile: a version, its usual HZ, and what its vendor has made different.  verified: held against the real kernel by the judge; the
    others are what their rows say, and nobody has compared them."""
    version: str
    hz: int
    exceptions: Mapping[Behaviour, int] = MappingProxyType({})
    not_modelled: tuple[str, ...] = ()                      # what it does otherwise and no behaviour says
    verified: bool = False
    whose: str = ""                                         # distributions that have it

    def behaviours(self) -> Mapping[Behaviour, int]:
        """Every behaviour; ValueError where a row does not say what this version does."""
        return _behaviours(self.version, tuple(self.exceptions.items()))


@cache
def _behaviours(version: str, exceptions: tuple[tuple[Behaviour, int], ...]) -> Mapping[Behaviour, int]:
    other = dict(exceptions)
    values = {b: other.get(b, row.value(version)) for b, row in BEHAVIOURS.items()}
    unknown = [b.name for b, value in values.items() if value is None]
    if unknown:
        raise ValueError(f"kernel {version}: when {', '.join(unknown)} changed is not known here; known: {', '.join(KERNELS)}")
    return MappingProxyType({b: value for b, value in values.items() if value is not None})


KERNELS: dict[str, Kernel] = {
    "6.18": Kernel("6.18", 250, verified=True),             # the kernel that these rules were observed on
    "6.12": Kernel("6.12", 250, whose="Debian 13"),
    "6.8": Kernel("6.8", 250, whose="Ubuntu 24.04"),
    "6.1": Kernel("6.1", 250, not_modelled=NOT_OF_6_1, whose="Debian 12"),          # read in its source, not observed
    "5.15": Kernel("5.15", 250, whose="Ubuntu 22.04"),
    "5.14": Kernel("5.14", 1000, not_modelled=(BROUGHT_BACK.format("RHEL 9"),), whose="RHEL 9"),
    "5.4": Kernel("5.4", 250, whose="Ubuntu 20.04"),
    "4.18": Kernel("4.18", 1000, not_modelled=(BROUGHT_BACK.format("RHEL 8"),), whose="RHEL 8"),
    "3.10": Kernel("3.10", 1000, not_modelled=(BROUGHT_BACK.format("RHEL 7"),), whose="the seeds, RHEL 7"),
}


def kernel(name: str) -> Kernel:
    """The profile of that name; a further one is a line of KERNELS, if every row says what it does."""
    if name not in KERNELS:
        raise ValueError(f"kernel {name} is not known here: {', '.join(KERNELS)}")
    return KERNELS[name]


def nearest(release: str) -> tuple[str, list[Behaviour]]:
    """The profile that does most as a kernel of that version does, and the behaviours in which it does not, or may not: what vendors have
    brought back to an old version is not known here.  ValueError: no version in `release`."""
    digits = release.split("-")[0].split(".")[:2]
    if len(digits) < 2 or not all(d.isascii() and d.isdigit() and len(d) < 5 for d in digits):
        raise ValueError(f"not a kernel version: {release}")
    wanted = ".".join(digits)

    def apart(name: str) -> list[Behaviour]:
        return [b for b, value in KERNELS[name].behaviours().items() if BEHAVIOURS[b].value(wanted) != value]

    name = min(KERNELS, key=lambda name: (len(apart(name)), name != wanted, version(name) < version(wanted)))
    return name, apart(name)


class Sysctl(IntEnum):
    """Knobs that the path reads at run time, in the units that it uses."""
    netdev_budget = 0
    netdev_budget_ns = auto()           # netdev_budget_usecs
    dev_weight = auto()
    netdev_max_backlog = auto()
    gro_normal_batch = auto()
    flow_limit_table_len = auto()
    rmem_default = auto()
    rmem_max = auto()
    udp_mem_0 = auto()                  # pages
    udp_mem_1 = auto()
    udp_mem_2 = auto()
    udp_rmem_min = auto()
    ipfrag_high_thresh = auto()
    ipfrag_low_thresh = auto()
    ipfrag_time_ns = auto()
    ipfrag_max_dist = auto()
    icmp_ratelimit_ns = auto()
    icmp_ratemask = auto()
    icmp_msgs_per_sec = auto()
    icmp_msgs_burst = auto()
    icmp_echo_ignore_all = auto()
    icmp_echo_ignore_broadcasts = auto()
    icmp_ignore_bogus_error_responses = auto()
    ip_early_demux = auto()
    udp_early_demux = auto()
    tcp_early_demux = auto()
    busy_poll_ns = auto()
    busy_read_ns = auto()
    jiffy_ns = auto()                   # 1e9 / HZ
    ip_nonlocal_bind = auto()
    somaxconn = auto()
    tcp_rmem_0 = auto()                 # bytes
    tcp_rmem_1 = auto()
    tcp_rmem_2 = auto()
    tcp_mem_0 = auto()                  # pages
    tcp_mem_1 = auto()
    tcp_mem_2 = auto()
    tcp_moderate_rcvbuf = auto()
    tcp_shrink_window = auto()
    tcp_timestamps = auto()
    tcp_sack = auto()
    tcp_dsack = auto()
    tcp_window_scaling = auto()
    tcp_comp_sack_nr = auto()
    tcp_comp_sack_delay_ns = auto()
    tcp_backlog_ack_defer = auto()
    tcp_invalid_ratelimit_ns = auto()   # tcp_invalid_ratelimit
    tcp_synack_retries = auto()
    tcp_abort_on_overflow = auto()
    tcp_syncookies = auto()
    tcp_max_syn_backlog = auto()
    tcp_ecn = auto()
    tcp_fin_timeout_ns = auto()
    tcp_max_tw_buckets = auto()
    tcp_rfc1337 = auto()
    tcp_max_orphans = auto()
    tcp_orphan_retries = auto()
    tcp_retries2 = auto()
    tcp_syn_retries = auto()
    tcp_syn_linear_timeouts = auto()
    tcp_keepalive_time_ns = auto()
    tcp_keepalive_intvl_ns = auto()
    tcp_keepalive_probes = auto()
    tcp_no_metrics_save = auto()
    neigh_retrans_ms = auto()           # net.ipv4.neigh.default.*
    neigh_reachable_ms = auto()
    neigh_delay_probe_ms = auto()
    neigh_ucast_solicit = auto()
    neigh_mcast_solicit = auto()
    neigh_unres_qlen_bytes = auto()
    ip_default_ttl = auto()
    wmem_default = auto()
    wmem_max = auto()
