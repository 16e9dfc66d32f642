"""drivers/net/ethernet/intel/igb/igb_ethtool.c: the ethtool_ops of igb, and its statistics under the names that `ethtool -S` prints.

Called through NetDevice.ethtool(op, ...), on a running device between two slices of a run too.  Wrong values are ValueErrors that say what
is allowed.  Statistics of things that cannot happen here (collisions, the partner's flow control, SMBus) are there, and 0."""
from collections.abc import Callable, Sequence
from typing import Any

from .._compile import write_numbers
from ..abi.limits import NFEED
from ..abi.net import Net
from ..abi.numbers import IGB_RSS_KEY_SIZE, NIC_MAC_SOURCE
from .igb_nfc import ETYPES_MAX, FILTERS_MAX, admit, indirection, parse
from .igb_open import add_queues, blocks, configure_buffers, igb_configure_itr, igb_reinit, igb_request_irq
from .net_device import NetDevice, ring_stats
from .rows import Ring
from .rss import nic_steer, rss_write_key


# ---------------------------------------------------------------- rings, queues
def rings_of(dev: NetDevice) -> tuple[Ring, Ring]:
    """The limits of both kinds, by the driver's row."""
    assert dev.driver.rx_ring is not None and dev.driver.tx_ring is not None
    return dev.driver.rx_ring, dev.driver.tx_ring


def igb_get_ringparam(dev: NetDevice) -> dict[str, int]:
    """ethtool -g"""
    rx, tx = rings_of(dev)
    return {"rx_max": rx.most, "tx_max": tx.most, "rx": dev.rx_size, "tx": dev.tx_size}


def igb_set_ringparam(dev: NetDevice, rx: int | None = None, tx: int | None = None) -> None:
    """ethtool -G: held between the limits, rounded up to a multiple of 8, as igb does.  A running device is reset."""
    rx_ring, tx_ring = rings_of(dev)
    rx_size = rx_ring.size(dev.rx_size if rx is None else rx)
    tx_size = tx_ring.size(dev.tx_size if tx is None else tx)
    if (rx_size, tx_size) == (dev.rx_size, dev.tx_size):
        return

    def change() -> None:
        dev.rx_size, dev.tx_size = rx_size, tx_size
    igb_reinit(dev, change)
    dev.say("igb_set_ringparam", f"rx {rx_size}, tx {tx_size}")


def igb_get_channels(dev: NetDevice) -> dict[str, int]:
    """ethtool -l"""
    return {"max_combined": max_channels(dev), "combined": dev.queues}


def max_channels(dev: NetDevice) -> int:
    """igb_max_channels(): what the card has, however many the driver took when it was probed (one for each CPU)."""
    return max(dev.driver.models[dev.model], dev.max_queues)


def igb_set_channels(dev: NetDevice, combined: int) -> None:
    """ethtool -L: up to as many queues as the card has.  The indirection table is the default one again.  Interrupts of queues that are
    new go to the CPUs of the others, in turn."""
    if not 1 <= combined <= max_channels(dev):
        raise ValueError(f"combined {combined}: 1 to {max_channels(dev)}")
    if combined == dev.queues:
        return

    def change() -> None:
        had, dev.queues = dev.max_queues, combined
        if combined > had:
            add_queues(dev, combined)
            igb_request_irq(dev, had)
        write_indirection(dev, dev.driver.indirection(combined))
        dev.indir_is_default = True
    igb_reinit(dev, change)
    if not dev.running:
        dev.nic.nqueue = combined
    steer_again(dev)
    dev.say("igb_set_channels", f"combined {combined}")


def steer_again(dev: NetDevice) -> None:
    """Steering is at arrival: frames that are still on the cable when a table changes choose their queue by the new one.  (What has arrived
    met the old one: the caller has called dev.sync().)  A queue's cable holds NFEED frames; the others wait behind it (net.spill)."""
    net = dev.net
    pending = []
    for q in dev.pool():
        ring = net.ring[q]
        on_cable = [net.feed[q][i & NFEED - 1] for i in range(ring.feed_head, ring.feed_tail)]
        behind = [net.spill[q][i] for i in range(ring.spill_at, ring.spill_at + ring.spilled)]
        pending += [(a.t, a.frame, a.offset, a.len, a.caplen, a.flags) for a in on_cable + behind]
        ring.feed_tail, ring.spilled, ring.spill_at = ring.feed_head, 0, 0
    for t, frame, offset, length, caplen, flags in sorted(pending):
        steered = nic_steer(net, dev.card, offset, caplen, flags)
        q = steered >> 32
        ring = net.ring[q]
        if ring.feed_tail - ring.feed_head < NFEED:
            a = net.feed[q][ring.feed_tail & NFEED - 1]
            ring.feed_tail += 1
        else:
            a = net.spill[q][ring.spilled]
            ring.spilled += 1
        a.t, a.frame, a.offset, a.len, a.caplen, a.hash, a.flags = t, frame, offset, length, caplen, steered & 0xFFFFFFFF, flags
    net.nic_changed = 1


# ---------------------------------------------------------------- interrupts
def igb_get_coalesce(dev: NetDevice) -> dict[str, int]:
    """ethtool -c"""
    return {"rx_usecs": dev.itr_setting}


def igb_set_coalesce(dev: NetDevice, rx_usecs: int, **others: int) -> None:
    """ethtool -C: 0 off, 1 dynamic, 3 dynamic conservative, 10 to 8191 us.  No reset; the card hears of it at once.  igb has no other
    (ETHTOOL_COALESCE_USECS): the kernel refuses rx-frames, adaptive-rx and the rest with EOPNOTSUPP."""
    if others:
        raise ValueError(f"{next(iter(others)).replace('_', '-')}: {dev.driver.name} has only rx-usecs (EOPNOTSUPP), "
                         "adaptive among its words")
    moderation = dev.driver.moderation
    assert moderation is not None
    if not moderation.takes(rx_usecs):
        raise ValueError(f"rx-usecs {rx_usecs}: {moderation.allowed}")
    dev.sync()
    dev.itr_setting = rx_usecs
    igb_configure_itr(dev)
    dev.say("igb_set_coalesce", f"rx-usecs {rx_usecs}")


# ---------------------------------------------------------------- RSS
def write_indirection(dev: NetDevice, table: Sequence[int]) -> None:
    """igb_write_rss_indir_tbl()"""
    dev.nic.reta_mask = len(table) - 1
    write_numbers(dev.nic.reta, table)


def igb_get_rxfh(dev: NetDevice) -> dict[str, Any]:
    """ethtool -x"""
    return {"indir": [dev.nic.reta[i] for i in range(dev.driver.reta_size)], "key": dev.key, "hfunc": "toeplitz"}


def igb_set_rxfh(dev: NetDevice, indir: Sequence[int] | None = None, key: bytes | None = None, equal: int | None = None,
                 weight: Sequence[int] | None = None) -> None:
    """ethtool -X: 128 queues, or equal N, or weight W0 W1 ...; and 40 bytes of key.  For frames that arrive from now on.  (A real igb
    takes no key: EOPNOTSUPP.)"""
    dev.sync()
    size, spread = dev.driver.reta_size, min(dev.queues, dev.driver.rss_most)
    if equal is not None:
        if not 1 <= equal <= spread:
            raise ValueError(f"equal {equal}: 1 to {spread}")
        indir = [i % equal for i in range(size)]
    if weight is not None:
        indir = indirection(f"weight {' '.join(map(str, weight))}", spread, size)
    if indir is not None:
        if len(indir) != size or not all(0 <= q < spread for q in indir):
            raise ValueError(f"indir: {size} queues, each 0 to {spread - 1}")
        write_indirection(dev, indir)
        dev.indir_is_default = False
    if key is not None:
        if len(key) != IGB_RSS_KEY_SIZE:
            raise ValueError(f"key: {IGB_RSS_KEY_SIZE} bytes, not {len(key)}")
        dev.key = bytes(key)
        dev.call(rss_write_key)(dev.net, dev.card, bytearray(key))
    steer_again(dev)


def igb_get_rxnfc(dev: NetDevice, flow: str) -> str:
    """ethtool -n DEV rx-flow-hash FLOW"""
    if flow not in ("udp4", "tcp4"):
        raise ValueError(f"rx-flow-hash {flow}: udp4 or tcp4")
    return "sdfn" if (dev.nic.rss_udp_ports if flow == "udp4" else dev.nic.rss_tcp_ports) else "sd"


def igb_set_rxnfc(dev: NetDevice, flow: str, fields: str) -> None:
    """ethtool -N DEV rx-flow-hash FLOW sd|sdfn.  (A real igb takes only sdfn for TCP.)"""
    if flow not in ("udp4", "tcp4") or fields not in ("sd", "sdfn"):
        raise ValueError(f"rx-flow-hash {flow} {fields}: udp4 or tcp4, sd or sdfn")
    dev.sync()
    if flow == "udp4":
        dev.nic.rss_udp_ports = int(fields == "sdfn")
    else:
        dev.nic.rss_tcp_ports = int(fields == "sdfn")
    steer_again(dev)


# ---------------------------------------------------------------- ethtool -N: filters
def igb_set_rxclsrlins(dev: NetDevice, rule: str) -> int:
    """ethtool -N DEV flow-type ether ... action Q [loc N]: its place.  For frames that arrive from now on."""
    nfc = admit(parse(rule), dev.model, dev.queues, dev.filters)
    dev.filters = [r for r in dev.filters if r.loc != nfc.loc] + [nfc]
    write_filters(dev)
    dev.say("igb_add_ethtool_nfc_entry", rule)
    return nfc.loc


def igb_set_rxclsrldel(dev: NetDevice, loc: int) -> None:
    """ethtool -N DEV delete LOC"""
    if all(r.loc != loc for r in dev.filters):
        raise ValueError(f"there is no filter at {loc}")
    dev.filters = [r for r in dev.filters if r.loc != loc]
    write_filters(dev)


def write_filters(dev: NetDevice) -> None:
    """ETQF, VLAPQF, and addresses with a queue."""
    nic = dev.nic
    dev.sync()
    nic.filters = len(dev.filters)
    for i in range(ETYPES_MAX):
        nic.etype_queue[i] = -1
    for i in range(8):
        nic.prio_queue[i] = -1
    for i in range(FILTERS_MAX):
        nic.mac_queue[i] = -1
    etypes = macs = 0
    for r in dev.filters:
        if r.etype is not None:
            nic.etype[etypes], nic.etype_queue[etypes] = r.etype, r.action
            etypes += 1
        if r.prio is not None:
            nic.prio_queue[r.prio] = r.action
        for mac in (r.dst, None if r.src is None else r.src | NIC_MAC_SOURCE):
            if mac is not None and macs < FILTERS_MAX:
                nic.mac_filter[macs], nic.mac_queue[macs] = mac, r.action
                macs += 1
    steer_again(dev)


# ---------------------------------------------------------------- ethtool -A: flow control
def igb_get_pauseparam(dev: NetDevice) -> dict[str, bool]:
    """ethtool -a"""
    return {"rx": dev.rx_pause, "tx": dev.tx_pause}


def igb_set_pauseparam(dev: NetDevice, rx: bool | None = None, tx: bool | None = None) -> None:
    """ethtool -A rx|tx on|off.  tx: we send pause frames when the packet buffer fills.  rx: we obey the partner's; what that delays, our
    sending, is not modelled.  One of them (igb: rx, ixgbe: tx) turns DROP_EN off: with several queues a full ring then blocks all."""
    def change() -> None:
        dev.rx_pause, dev.tx_pause = dev.rx_pause if rx is None else rx, dev.tx_pause if tx is None else tx
    igb_reinit(dev, change)
    if not dev.running:
        configure_buffers(dev)
    if blocks(dev) and not dev.fifo_size:
        dev.say("igb_set_pauseparam", "no packet buffer: a frame without a descriptor is lost at once all the same")
    dev.say("igb_set_pauseparam", f"rx {dev.rx_pause}, tx {dev.tx_pause}")


# ---------------------------------------------------------------- offloads
def igb_set_features(dev: NetDevice, rx_checksumming: bool | None = None, rx_vlan_offload: bool | None = None) -> None:
    """ethtool -K: what the card does for us."""
    dev.sync()
    if rx_checksumming is not None:
        dev.nic.rx_csum = int(rx_checksumming)
    if rx_vlan_offload is not None:
        dev.nic.vlan_strip = int(rx_vlan_offload)


# ---------------------------------------------------------------- statistics
ZERO = ("collisions", "rx_crc_errors", "tx_aborted_errors", "tx_carrier_errors", "tx_window_errors", "tx_abort_late_coll",
        "tx_deferred_ok", "tx_single_coll_ok", "tx_multi_coll_ok", "tx_timeout_count", "rx_align_errors", "tx_tcp_seg_good",
        "tx_tcp_seg_failed", "rx_flow_control_xon", "rx_flow_control_xoff", "tx_dma_out_of_sync", "tx_smbus", "rx_smbus",
        "dropped_smbus", "os2bmc_rx_by_bmc", "os2bmc_tx_by_bmc", "os2bmc_tx_by_host", "os2bmc_rx_by_host", "tx_hwtstamp_timeouts",
        "tx_hwtstamp_skipped", "rx_hwtstamp_cleared", "tx_errors", "tx_dropped", "rx_over_errors", "rx_frame_errors",
        "tx_fifo_errors", "tx_heartbeat_errors")
ORDER = ("rx_packets tx_packets rx_bytes tx_bytes rx_broadcast tx_broadcast rx_multicast tx_multicast multicast collisions rx_crc_errors "
         "rx_no_buffer_count rx_missed_errors tx_aborted_errors tx_carrier_errors tx_window_errors tx_abort_late_coll tx_deferred_ok "
         "tx_single_coll_ok tx_multi_coll_ok tx_timeout_count rx_long_length_errors rx_short_length_errors rx_align_errors "
         "tx_tcp_seg_good tx_tcp_seg_failed rx_flow_control_xon rx_flow_control_xoff tx_flow_control_xon tx_flow_control_xoff "
         "rx_long_byte_count tx_dma_out_of_sync tx_smbus rx_smbus dropped_smbus os2bmc_rx_by_bmc os2bmc_tx_by_bmc os2bmc_tx_by_host "
         "os2bmc_rx_by_host tx_hwtstamp_timeouts tx_hwtstamp_skipped rx_hwtstamp_cleared rx_errors tx_errors tx_dropped rx_length_errors "
         "rx_over_errors rx_frame_errors rx_fifo_errors tx_fifo_errors tx_heartbeat_errors").split()


def ethtool_stats(net: Net, card: int = 0) -> dict[str, int]:
    """ethtool -S of an igb, in its order.  rx_packets are those that the card has taken, whatever became of them in the host; with
    several queues a full ring counts as rx_queue_N_drops and rx_fifo_errors, with one as rx_missed_errors."""
    nic, pb = net.nic[card], net.buffer[net.nic[card].first]
    queues, pool = nic.nqueue, range(nic.first, nic.first + nic.max_queue)
    rings, txs = [net.ring[q] for q in pool], [net.tx[q] for q in pool]
    stats = dict.fromkeys(ZERO, 0) | ring_stats(net, card)
    packets, nbytes = sum(r.packets for r in rings), sum(r.bytes for r in rings)
    waiting = sum(r.hw_head - r.next_to_clean for r in rings)
    stats["rx_packets"] = packets + waiting + sum(r.fifo for r in rings)
    stats["rx_bytes"] = stats["rx_long_byte_count"] = nbytes + 4 * packets                  # the card counts the FCS
    stats["tx_packets"], stats["tx_bytes"] = sum(t.packets for t in txs), sum(t.bytes + 4 * t.packets for t in txs)
    stats["rx_broadcast"], stats["rx_multicast"] = sum(r.broadcast for r in rings), stats["multicast"]
    stats["tx_broadcast"] = stats["tx_multicast"] = 0
    stats["rx_no_buffer_count"] = sum(r.no_buffer for r in rings) if rings[0].pb >= 0 else stats["rx_missed_errors"]
    stats["tx_flow_control_xoff"], stats["tx_flow_control_xon"] = pb.xoffs, pb.xons
    stats["rx_short_length_errors"] = sum(r.runts for r in rings)
    stats["rx_long_length_errors"] = stats["rx_length_errors"] - stats["rx_short_length_errors"]
    out = {name: stats[name] for name in ORDER}
    for q in range(queues):
        t = txs[q]
        out |= {f"tx_queue_{q}_packets": t.packets, f"tx_queue_{q}_bytes": t.bytes, f"tx_queue_{q}_restart": 0}
    for q in range(queues):
        r = rings[q]
        out |= {f"rx_queue_{q}_packets": r.packets, f"rx_queue_{q}_bytes": r.bytes, f"rx_queue_{q}_drops": r.fifo,
                f"rx_queue_{q}_csum_err": r.csum_err, f"rx_queue_{q}_alloc_failed": r.alloc_failed}
    return out


def igb_get_ethtool_stats(dev: NetDevice) -> dict[str, int]:
    return ethtool_stats(dev.net, dev.card)


IGB_ETHTOOL_OPS: dict[str, Callable[..., Any]] = {
    "get_ringparam": igb_get_ringparam, "set_ringparam": igb_set_ringparam, "get_channels": igb_get_channels,
    "set_channels": igb_set_channels, "get_coalesce": igb_get_coalesce, "set_coalesce": igb_set_coalesce, "get_rxfh": igb_get_rxfh,
    "set_rxfh": igb_set_rxfh, "get_rxnfc": igb_get_rxnfc, "set_rxnfc": igb_set_rxnfc, "set_features": igb_set_features,
    "get_ethtool_stats": igb_get_ethtool_stats, "set_rxclsrlins": igb_set_rxclsrlins, "set_rxclsrldel": igb_set_rxclsrldel,
    "get_pauseparam": igb_get_pauseparam, "set_pauseparam": igb_set_pauseparam,
}
