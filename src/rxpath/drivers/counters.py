"""The names that drivers give to losses in `ethtool -S`, what each means, and which standard counter (rtnl: `ip -s link`, /proc/net/dev) it
feeds.  A row for each driver, also for cards that are not simulated: a host may name them, and another card stands in.

Names: N is a number; the rest as the driver prints it, blanks at the ends left out.  Sources: the drivers in Linux 6.12, their function
that fills rtnl_link_stats64."""
import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

from .rows import DRIVERS, Driver, driver


class Loss(StrEnum):
    """What a counter of a driver says."""

    RING = "ring"
    PKTBUF = "packet buffer"
    EITHER = "ring or packet buffer"
    ALLOC = "memory"
    PHY = "cable"
    LEN = "length"
    FILTER = "filter"
    XDP = "xdp"
    PAUSE = "pause"
    CLOUD = "cloud"
    CSUM = "checksum"


MEANING = {
    Loss.RING: "no free descriptor: the host is too slow for this queue",
    Loss.PKTBUF: "the card's own buffer was full before a queue was chosen: PCIe, memory bandwidth, or all queues slow",
    Loss.EITHER: "the card's buffer overflowed, because descriptors were missing or because of PCIe",
    Loss.ALLOC: "no memory for a buffer",
    Loss.PHY: "damaged on the way: cable, optics",
    Loss.LEN: "too long or too short",
    Loss.FILTER: "not for this host",
    Loss.XDP: "an XDP program",
    Loss.PAUSE: "flow control held the sender back: what is lost is lost there",
    Loss.CLOUD: "a limit of the provider",
    Loss.CSUM: "a checksum was found wrong; the packet goes up all the same",
}


@dataclass(frozen=True)
class Counters:
    """One driver's names.  rtnl: standard counter -> what feeds it; hidden: losses that no standard counter has.  stands_in: drivers that
    are nearest to it, the first that is simulated takes its place.  sums: a name -> names whose packets it counts too; events: names that
    count occasions or bytes, never packets; narrow: bits of what has fewer than 64; refresh: seconds between two of the device's own
    reports, where that is longer than a watchdog's second or two; on_asking: the driver reads the card each time that somebody asks
    for the standard counters (ndo_get_stats64), so that they say when a loss was."""

    names: dict[Loss, str]                          # blank-separated, _ for a blank inside a name
    rtnl: dict[str, str] = field(default_factory=dict)
    hidden: str = ""
    stands_in: tuple[str, ...] = ("ixgbe", "igb")
    sums: dict[str, str] = field(default_factory=dict)
    events: str = ""
    narrow: dict[str, int] = field(default_factory=dict)
    refresh: int = 0
    on_asking: bool = False

    def loss(self, name: str) -> Loss | None:
        """What a counter of this driver says; None: no loss, or unknown."""
        text = name.strip().replace(" ", "_")
        return next((loss for loss, known in self.names.items() if _named(known).fullmatch(text)), None)

    def is_event(self, name: str) -> bool:
        return bool(self.events) and _named(self.events).fullmatch(name.strip().replace(" ", "_")) is not None

    def shown_in(self, *losses: Loss) -> tuple[str, ...]:
        """Standard counters that have packets of these classes."""
        return tuple(s for s, fed in self.rtnl.items()
                     if any(self.loss(word.replace("N", "0")) in losses for word in re.findall(r"\w+", fed)))

    def families(self) -> list[tuple[re.Pattern[str], re.Pattern[str]]]:
        """sums as expressions for names (_ for blanks): of the sums, and of their parts."""
        return [(_named(total), _named(parts)) for total, parts in self.sums.items()]


@cache
def _named(names: str) -> re.Pattern[str]:
    """Blank-separated names, N in them a number."""
    return re.compile("|".join(re.escape(one).replace("N", r"\d+") for one in names.split()))


_GIGABIT, _GUEST = ("igb",), ("virtio_net", "igb")

COUNTERS: dict[str, Counters] = {
    "igb": Counters(
        {Loss.RING: "rx_queue_N_drops", Loss.EITHER: "rx_missed_errors rx_fifo_errors rx_no_buffer_count",
         Loss.ALLOC: "rx_queue_N_alloc_failed",
         Loss.PHY: "rx_crc_errors rx_align_errors", Loss.LEN: "rx_long_length_errors rx_short_length_errors rx_length_errors",
         Loss.PAUSE: "tx_flow_control_xoff tx_flow_control_xon", Loss.CSUM: "rx_queue_N_csum_err", Loss.FILTER: "dropped_smbus"},
        {"rx_missed_errors": "rx_missed_errors", "rx_fifo_errors": "rx_queue_N_drops and rx_missed_errors",
        "rx_length_errors": "rx_length_errors"},
        "rx_no_buffer_count: it had to wait, it is no loss", _GIGABIT,
        sums={"rx_fifo_errors": "rx_queue_N_drops rx_missed_errors", "rx_length_errors": "rx_long_length_errors rx_short_length_errors"},
        events="rx_no_buffer_count tx_flow_control_xoff tx_flow_control_xon rx_queue_N_alloc_failed", on_asking=True),
    "e1000e": Counters(
        {Loss.EITHER: "rx_no_buffer_count rx_missed_errors", Loss.ALLOC: "alloc_rx_buff_failed rx_dma_failed",
         Loss.PHY: "rx_crc_errors rx_align_errors", Loss.LEN: "rx_long_length_errors rx_short_length_errors rx_length_errors",
         Loss.PAUSE: "tx_flow_control_xoff tx_flow_control_xon", Loss.CSUM: "rx_csum_offload_errors"},
        {"rx_missed_errors": "rx_missed_errors"}, "rx_no_buffer_count", _GIGABIT,
        sums={"rx_length_errors": "rx_long_length_errors rx_short_length_errors"},
        events="rx_no_buffer_count tx_flow_control_xoff tx_flow_control_xon alloc_rx_buff_failed", on_asking=True),
    "ixgbe": Counters(
        {Loss.RING: "rx_no_dma_resources", Loss.PKTBUF: "rx_missed_errors rx_no_buffer_count",
         Loss.ALLOC: "alloc_rx_page_failed alloc_rx_buff_failed", Loss.PHY: "rx_crc_errors illegal_bytes",
         Loss.LEN: "rx_length_errors rx_long_length_errors rx_short_length_errors",
         Loss.PAUSE: "tx_flow_control_xoff tx_flow_control_xon", Loss.CSUM: "rx_csum_offload_errors"},
        {"rx_missed_errors": "rx_missed_errors"}, "rx_no_dma_resources: a full ring",
        events="illegal_bytes tx_flow_control_xoff tx_flow_control_xon alloc_rx_page_failed alloc_rx_buff_failed"),
    "i40e": Counters(
        {Loss.RING: "rx_missed_errors rx_dropped", Loss.PKTBUF: "port.rx_discards port.rx_dropped",
         Loss.ALLOC: "rx_alloc_fail rx_pg_alloc_fail", Loss.PHY: "port.rx_crc_errors port.illegal_bytes",
         Loss.LEN: "port.rx_length_errors port.rx_undersize port.rx_oversize port.rx_jabber",
         Loss.PAUSE: "port.link_xoff_tx", Loss.CSUM: "port.rx_csum_bad", Loss.FILTER: "rx_unknown_protocol"},
        {"rx_missed_errors": "rx_missed_errors (up to 6.6 in rx_dropped)", "rx_dropped": "other errors of the card"}, "port.rx_discards",
        events="port.illegal_bytes port.link_xoff_tx rx_alloc_fail rx_pg_alloc_fail"),
    "ice": Counters(
        {Loss.RING: "rx_dropped", Loss.PKTBUF: "rx_dropped.nic", Loss.ALLOC: "rx_alloc_fail rx_pg_alloc_fail",
         Loss.PHY: "rx_crc_errors.nic illegal_bytes.nic", Loss.LEN: "rx_undersize.nic rx_oversize.nic rx_jabber.nic rx_fragments.nic",
         Loss.PAUSE: "link_xoff_tx.nic tx_priority_N_xoff.nic", Loss.CSUM: "rx_csum_bad.nic"},
        {"rx_missed_errors": "rx_dropped.nic", "rx_dropped": "rx_dropped"}, "one loss can be in both: do not add them",
        sums={"rx_dropped.nic": "rx_dropped"}, events="illegal_bytes.nic link_xoff_tx.nic tx_priority_N_xoff.nic rx_alloc_fail "
        "rx_pg_alloc_fail"),
    "iavf": Counters(                               # a virtual function: the physical one counts for it
        {Loss.RING: "rx_discards", Loss.FILTER: "rx_unknown_protocol"},
        {"rx_dropped": "rx_discards"}, "what the port loses before it chooses a function: only the hypervisor's card shows it"),
    "mlx4_en": Counters(
        {Loss.RING: "rx_dropped", Loss.PKTBUF: "rx_fifo_errors", Loss.ALLOC: "rxN_dropped", Loss.PHY: "rx_crc_errors",
         Loss.LEN: "rx_in_range_length_error rx_out_range_length_error rx_jabbers", Loss.PAUSE: "tx_pause", Loss.XDP: "rx_xdp_drop"},
        {"rx_dropped": "rx_dropped and the driver's own", "rx_fifo_errors": "rx_fifo_errors"}),
    "mlx5_core": Counters(
        {Loss.RING: "rx_out_of_buffer", Loss.PKTBUF: "rx_discards_phy rx_prioN_discards rx_prioN_buf_discard outbound_pci_buffer_overflow "
         "dev_internal_queue_oob", Loss.ALLOC: "rxN_buff_alloc_err", Loss.PHY: "rx_crc_errors_phy rx_symbol_err_phy rx_pcs_symbol_err_phy",
         Loss.LEN: "rx_oversize_pkts_phy rx_oversize_pkts_sw_drop rx_oversize_pkts_buffer rx_in_range_len_errors_phy",
         Loss.PAUSE: "tx_pause_ctrl_phy tx_global_pause", Loss.XDP: "rx_xdp_drop", Loss.FILTER: "rx_steer_missed_packets"},
        {"rx_missed_errors": "rx_out_of_buffer"}, "rx_discards_phy, rx_prioN_discards, rx_steer_missed_packets",
        sums={"rx_discards_phy": "rx_prioN_discards"},
        events="outbound_pci_buffer_overflow tx_pause_ctrl_phy tx_global_pause rx_symbol_err_phy rx_pcs_symbol_err_phy rxN_buff_alloc_err"),
    "bnxt_en": Counters(
        {Loss.RING: "[N]:_rx_discards rx_total_ring_discards", Loss.PKTBUF: "rx_stat_discard rx_discard_packets_cosN rx_discard_bytes_cosN",
         Loss.ALLOC: "rx_total_oom_discards rx_buf_errors", Loss.PHY: "rx_fcs_err_frames rx_align_err",
         Loss.LEN: "rx_ovrsz_frames rx_jbr_frames rx_mtu_err_frames rx_runt_frames", Loss.PAUSE: "tx_pause_frames",
         Loss.FILTER: "rx_filter_miss"},
        {"rx_missed_errors": "rx_total_ring_discards", "rx_dropped": "rx_total_oom_discards"}, "rx_stat_discard",
        sums={"rx_total_ring_discards": "[N]:_rx_discards", "rx_stat_discard": "rx_discard_packets_cosN"},
        events="rx_discard_bytes_cosN tx_pause_frames"),
    "bnx2x": Counters(
        {Loss.RING: "[N]:_rx_discards rx_discards", Loss.PKTBUF: "rx_brb_discard rx_brb_truncate", Loss.ALLOC: "rx_skb_alloc_discard",
         Loss.PHY: "rx_crc_errors rx_align_errors", Loss.LEN: "rx_undersize_packets rx_oversize_packets rx_fragments rx_jabbers",
         Loss.PAUSE: "rx_constant_pause_events", Loss.FILTER: "rx_filtered_packets", Loss.CSUM: "rx_phy_ip_err_discards"},
        {"rx_fifo_errors": "rx_discards", "rx_over_errors": "rx_brb_discard and rx_brb_truncate"},
        sums={"rx_discards": "[N]:_rx_discards"}, events="rx_constant_pause_events"),
    "bnx2": Counters(                               # which of its buffers ran out is not published: three stages of one way
        {Loss.EITHER: "rx_ftq_discards rx_discards rx_fw_discards", Loss.PHY: "rx_crc_errors rx_align_errors",
         Loss.LEN: "rx_undersize_packets rx_oversize_packets rx_fragments rx_jabbers", Loss.PAUSE: "tx_xoff_frames",
         Loss.FILTER: "rx_filtered_packets"},
        {"rx_missed_errors": "rx_ftq_discards, rx_discards and rx_fw_discards", "rx_over_errors": "rx_ftq_discards and rx_discards",
         "rx_length_errors": "rx_undersize_packets and rx_oversize_packets"}, "", _GIGABIT, events="tx_xoff_frames"),
    "tg3": Counters(
        {Loss.RING: "rx_discards rxbds_empty", Loss.PKTBUF: "mbuf_lwm_thresh_hit dma_writeq_full",
         Loss.PHY: "rx_fcs_errors rx_align_errors",
         Loss.LEN: "rx_frame_too_long_errors rx_undersize_packets", Loss.PAUSE: "tx_xoff_sent"},
        {"rx_missed_errors": "rx_discards"}, "rxbds_empty: how often, not how many", _GIGABIT,
        events="rxbds_empty mbuf_lwm_thresh_hit dma_writeq_full tx_xoff_sent"),
    "r8169": Counters(
        {Loss.RING: "rx_missed", Loss.PHY: "rx_errors align_errors"}, {"rx_missed_errors": "rx_missed"}, "", _GIGABIT,
        narrow={"rx_missed": 16, "rx_missed_errors": 16, "align_errors": 16, "rx_errors": 32}, on_asking=True),
    "ena": Counters(
        {Loss.RING: "rx_overruns rx_drops", Loss.ALLOC: "queue_N_rx_page_alloc_fail queue_N_rx_skb_alloc_fail queue_N_rx_refil_partial "
         "queue_N_rx_empty_rx_ring", Loss.LEN: "queue_N_rx_bad_desc_num", Loss.CSUM: "queue_N_rx_csum_bad", Loss.XDP: "queue_N_rx_xdp_drop",
         Loss.CLOUD: "bw_in_allowance_exceeded pps_allowance_exceeded conntrack_allowance_exceeded"},     # the others: of sending
        {"rx_dropped": "rx_drops", "rx_over_errors": "rx_overruns (Amazon's driver)"}, "the allowances", _GUEST),
    "vmxnet3": Counters(
        {Loss.RING: "pkts_rx_OOB", Loss.ALLOC: "rx_buf_alloc_fail", Loss.PHY: "pkts_rx_err fcs"},
        {"rx_dropped": "drv dropped rx total"}, "pkts rx OOB: the hypervisor found no buffer", _GUEST),
    "virtio_net": Counters(
        {Loss.RING: "rxN_hw_drop_overruns rxN_hw_drops", Loss.ALLOC: "rx_drops rxN_drops rx_queue_N_drops",
         Loss.XDP: "rx_xdp_drops rxN_xdp_drops rx_queue_N_xdp_drops", Loss.CLOUD: "rxN_hw_drop_ratelimits"},
        {"rx_dropped": "rx_drops"}, "what the host loses (its tap's tx_dropped), unless the device has VIRTIO_NET_F_DEVICE_STATS", _GUEST,
        sums={"rx_drops": "rxN_drops rx_queue_N_drops", "rx_xdp_drops": "rxN_xdp_drops rx_queue_N_xdp_drops",
              "rxN_hw_drops": "rxN_hw_drop_overruns rxN_hw_drop_ratelimits"}),
    "gve": Counters(
        {Loss.RING: "rx_no_buffers_posted[N] rx_queue_drop_cnt[N]", Loss.ALLOC: "rx_skb_alloc_fail rx_buf_alloc_fail page_alloc_fail",
         Loss.LEN: "rx_drops_packet_over_mru[N] rx_desc_err_dropped_pkt", Loss.XDP: "rx_xdp_drop[N]"},
        {}, "all of them", _GUEST, refresh=20),
    "hv_netvsc": Counters(
        {Loss.ALLOC: "rx_no_memory",
         Loss.RING: "rx_comp_busy"}, {}, "what the host loses; a VF's own counters count with accelerated networking",
        _GUEST),
    "sfc": Counters(
        {Loss.RING: "port_rx_nodesc_drops rx_nodesc_drop_cnt rx_nodesc_trunc",
         Loss.PKTBUF: "port_rx_overflow rx_pm_discard_bb_overflow rx_pm_discard_vfifo_full rx_frm_trunc", Loss.ALLOC: "rx_noskb_drops",
         Loss.PHY: "port_rx_bad port_rx_align_error", Loss.LEN: "port_rx_length_error port_rx_gtjumbo",
         Loss.FILTER: "rx_dp_di_dropped_packets",
         Loss.XDP: "rx_xdp_drops"},
        {"rx_dropped": "port_rx_nodesc_drops, rx_nodesc_trunc and rx_noskb_drops",
        "rx_fifo_errors": "port_rx_overflow"}, "rx_pm_*, rx_dp_*"),
    "enic": Counters(
        {Loss.RING: "rx_no_bufs", Loss.PKTBUF: "rx_drop", Loss.ALLOC: "dma_map_error", Loss.PHY: "rx_crc_errors"},
        {"rx_dropped": "rx_no_bufs and rx_drop", "rx_over_errors": "truncated"}),
    "qede": Counters(
        {Loss.RING: "no_buff_discards", Loss.PKTBUF: "brb_discards brb_truncates", Loss.ALLOC: "N:_rx_alloc_errors",
         Loss.PHY: "rx_crc_errors",
         Loss.LEN: "rx_oversize_packets rx_jabbers", Loss.FILTER: "mac_filter_discards mftag_filter_discards gft_filter_drop",
         Loss.XDP: "N:_xdp_no_pass"},
        {"rx_fifo_errors": "no_buff_discards"}, "brb_discards"),
    "cxgb4": Counters(
        {Loss.PKTBUF: "rx_bgN_frames_dropped rx_bgN_frames_trunc", Loss.PHY: "rx_fcs_errors", Loss.LEN: "rx_frames_too_long",
         Loss.PAUSE: "tx_pause_frames"},
        {"rx_dropped": "rx_bgN_frames_dropped and rx_bgN_frames_trunc"}, "a free list that is empty"),
    "atlantic": Counters(
        {Loss.RING: "InDroppedDma", Loss.ALLOC: "Queue[N]_AllocFails Queue[N]_SkbAllocFails", Loss.PHY: "InErrors",
         Loss.XDP: "Queue[N]_XdpDrop"}, {"rx_dropped": "InDroppedDma"}),
    "nicvf": Counters(
        {Loss.RING: "rx_drop_red rx_drops", Loss.PKTBUF: "rx_drop_overrun", Loss.ALLOC: "rcv_buffer_alloc_failures",
         Loss.PHY: "rx_fcs_errors rx_l2_errors", Loss.FILTER: "rx_drop_bcast rx_drop_mcast"},
        {"rx_dropped": "rx_drops"}, "rx_drop_red, rx_drop_overrun"),
    "stmmac": Counters(
        {Loss.RING: "rx_buf_unav_irq rx_missed_cntr", Loss.PKTBUF: "rx_overflow_cntr mmc_rx_fifo_overflow mtl_rx_fifo_fill_level_full",
         Loss.PHY: "mmc_rx_crc_error mmc_rx_align_error", Loss.LEN: "mmc_rx_jabber_error mmc_rx_oversize_g",
         Loss.PAUSE: "mmc_tx_pause_frame"},
        {"rx_missed_errors": "rx_missed_cntr", "rx_over_errors": "rx_overflow_cntr"}, "mmc_rx_fifo_overflow", _GIGABIT,
        events="rx_buf_unav_irq mtl_rx_fifo_fill_level_full mmc_tx_pause_frame"),
    "be2net": Counters(
        {Loss.RING: "rxqN:_rx_drops_no_frags rx_drops_no_erx_descr",
         Loss.PKTBUF: "rxpp_fifo_overflow_drop rx_input_fifo_overflow_drop rx_drops_no_pbuf pmem_fifo_overflow_drop",
         Loss.ALLOC: "rxqN:_rx_drops_no_skbs rxqN:_rx_post_fail", Loss.PHY: "rx_crc_errors", Loss.FILTER: "rx_address_filtered"}),
    "fsl_dpaa2_eth": Counters(                      # "[hw] rx discarded frames": the firmware's documentation does not say why
        {Loss.RING: "[hw]_rx_nobuffer_discards",
         Loss.PHY: "[mac]_rx_align_errors", Loss.LEN: "[mac]_rx_oversized [mac]_rx_jabber [mac]_rx_frags",
         Loss.FILTER: "[hw]_rx_filtered_frames"},
        {}, "[hw] rx nobuffer discards", _GIGABIT),
    "veth": Counters(
        {Loss.XDP: "rx_queue_N_drops rx_queue_N_xdp_drops"}, {"rx_dropped": "rx_queue_N_drops and what the backlog refuses"},
        "the backlog's own count is softnet_stat's", ("veth",)),
    "lo": Counters({}, {"rx_dropped": "what the backlog refuses"}, "the backlog's own count is softnet_stat's", ("lo",)),
}
assert set(DRIVERS) <= set(COUNTERS)

# names of a driver without a row that look like losses
UNCLASSIFIED = "unclassified"
UNKNOWN = re.compile(r"(drop|disc|err|fifo|buf|fail|miss|OOB|fcs|full|lost|csum)", re.I)
HARMLESS = re.compile(r"cache_full|csum_(complete|none|partial|unchecked|unnecessary)|fdir_|steer_missed|tso_(bytes|packets)|veb\.")


def classify(name: str, counter: str) -> Loss | str | None:
    """What a counter of that driver says.  Without a row UNCLASSIFIED for names that look like a loss; None: no loss."""
    row = COUNTERS.get(name)
    if row is not None:
        return row.loss(counter)
    return UNCLASSIFIED if UNKNOWN.search(counter) and not HARMLESS.search(counter) else None


def stand_in(name: str) -> Driver:
    """The row that is simulated for that driver: its own, or the nearest card's.  ValueError: nobody knows the driver."""
    try:
        return driver(name)
    except ValueError:
        if name not in COUNTERS:
            raise ValueError(f"{', '.join(DRIVERS)}; another card stands in for "
                             f"{', '.join(n for n in COUNTERS if n not in DRIVERS)}") from None
    return next(DRIVERS[near] for near in COUNTERS[name].stands_in if near in DRIVERS)
