"""drivers/net/ethernet/intel/ixgbe/ixgbe_ethtool.c: what differs from igb's ethtool_ops, and the statistics of `ethtool -S`.

Statistics of things that cannot happen here (RSC, FCoE, IPsec, the management controller) are there, and 0."""
from collections.abc import Callable
from typing import Any

from .igb_ethtool import IGB_ETHTOOL_OPS, steer_again
from .ixgbe_nfc import admit, parse
from .net_device import NetDevice, ring_stats

ORDER = ("rx_packets tx_packets rx_bytes tx_bytes rx_pkts_nic tx_pkts_nic rx_bytes_nic tx_bytes_nic lsc_int tx_busy non_eop_descs "
         "rx_errors tx_errors rx_dropped tx_dropped multicast broadcast rx_no_buffer_count collisions rx_over_errors rx_crc_errors "
         "rx_frame_errors "
         "hw_rsc_aggregated hw_rsc_flushed fdir_match fdir_miss fdir_overflow rx_fifo_errors rx_missed_errors tx_aborted_errors "
         "tx_carrier_errors tx_fifo_errors tx_heartbeat_errors tx_timeout_count tx_restart_queue rx_length_errors rx_long_length_errors "
         "rx_short_length_errors tx_flow_control_xon rx_flow_control_xon tx_flow_control_xoff rx_flow_control_xoff rx_csum_offload_errors "
         "alloc_rx_page alloc_rx_page_failed alloc_rx_buff_failed rx_no_dma_resources os2bmc_rx_by_bmc os2bmc_tx_by_bmc os2bmc_tx_by_host "
         "os2bmc_rx_by_host tx_hwtstamp_timeouts tx_hwtstamp_skipped rx_hwtstamp_cleared tx_ipsec rx_ipsec").split()
PACKET_BUFFERS = 8


def ixgbe_get_stats64(dev: NetDevice) -> dict[str, int]:
    """ndo_get_stats64: frames that a full ring of several has lost are in none of them; only ethtool -S tells (rx_no_dma_resources)."""
    return ring_stats(dev.net, dev.card) | {"rx_fifo_errors": 0}


def ixgbe_get_ethtool_stats(dev: NetDevice) -> dict[str, int]:
    """ethtool -S, in its order.  rx_packets are the driver's, rx_pkts_nic what the card has taken."""
    net, pb = dev.net, dev.net.buffer[dev.nic.first]
    rings, txs = [net.ring[q] for q in dev.pool()], [net.tx[q] for q in dev.pool()]
    own = ixgbe_get_stats64(dev)
    stats = dict.fromkeys(ORDER, 0) | {name: n for name, n in own.items() if name in ORDER}
    stats["rx_packets"], stats["rx_bytes"] = sum(r.packets for r in rings), sum(r.bytes for r in rings)
    stats["tx_packets"], stats["tx_bytes"] = sum(t.packets for t in txs), sum(t.bytes for t in txs)
    stats["rx_pkts_nic"] = stats["rx_packets"] + sum(r.hw_head - r.next_to_clean for r in rings)
    stats["rx_bytes_nic"] = stats["rx_bytes"] + 4 * stats["rx_packets"]                     # with the FCS
    stats["tx_pkts_nic"], stats["tx_bytes_nic"] = stats["tx_packets"], stats["tx_bytes"] + 4 * stats["tx_packets"]
    stats["tx_busy"] = sum(t.busy for t in txs)
    stats["broadcast"] = sum(r.broadcast for r in rings)
    stats["fdir_match"], stats["fdir_miss"] = dev.nic.fdir_match, dev.nic.fdir_miss
    stats["rx_short_length_errors"] = sum(r.runts for r in rings)
    stats["rx_long_length_errors"] = stats["rx_length_errors"] - stats["rx_short_length_errors"]
    stats["tx_flow_control_xoff"], stats["tx_flow_control_xon"] = pb.xoffs, pb.xons
    stats["rx_csum_offload_errors"] = sum(r.csum_err for r in rings)
    stats["alloc_rx_buff_failed"] = sum(r.alloc_failed for r in rings)
    stats["rx_no_dma_resources"] = sum(r.fifo for r in rings)
    for way, of in (("tx", txs), ("rx", rings)):
        for q, r in enumerate(of):
            stats |= {f"{way}_queue_{q}_packets": r.packets, f"{way}_queue_{q}_bytes": r.bytes}     # type: ignore[attr-defined]
    for way in ("tx", "rx"):
        for i in range(PACKET_BUFFERS):
            stats |= {f"{way}_pb_{i}_pxon": 0, f"{way}_pb_{i}_pxoff": 0}      # of priorities
    return stats


# ---------------------------------------------------------------- ethtool -N: Flow Director
def ixgbe_set_rxclsrlins(dev: NetDevice, rule: str) -> int:
    """ethtool -N DEV flow-type udp4 ... action Q [loc N]: its place.  For frames that arrive from now on."""
    nfc = admit(parse(rule), dev.model, dev.queues, dev.filters)
    dev.filters = [r for r in dev.filters if r.loc != nfc.loc] + [nfc]
    write_filters(dev)
    dev.say("ixgbe_add_ethtool_fdir_entry", rule)
    return int(nfc.loc)


def ixgbe_set_rxclsrldel(dev: NetDevice, loc: int) -> None:
    """ethtool -N DEV delete LOC"""
    if all(r.loc != loc for r in dev.filters):
        raise ValueError(f"there is no filter at {loc} (EINVAL)")
    dev.filters = [r for r in dev.filters if r.loc != loc]
    write_filters(dev)


def write_filters(dev: NetDevice) -> None:
    """The filters in the order of their places, and their mask."""
    nic = dev.nic
    dev.sync()
    nic.nfdir = nic.filters = len(dev.filters)
    masks = dev.filters[0].masks if dev.filters else (0, 0, 0, 0)
    nic.fdir_saddr_mask, nic.fdir_daddr_mask, nic.fdir_ports_mask = masks[0], masks[1], masks[2] << 16 | masks[3]
    for i, r in enumerate(sorted(dev.filters, key=lambda r: r.loc)):
        f = dev.net.fdir[dev.card][i]
        f.proto, f.saddr, f.daddr, f.ports, f.queue = r.proto, r.values[0], r.values[1], r.values[2] << 16 | r.values[3], r.action
    steer_again(dev)


IXGBE_ETHTOOL_OPS: dict[str, Callable[..., Any]] = IGB_ETHTOOL_OPS | {
    "get_ethtool_stats": ixgbe_get_ethtool_stats, "set_rxclsrlins": ixgbe_set_rxclsrlins, "set_rxclsrldel": ixgbe_set_rxclsrldel,
}
