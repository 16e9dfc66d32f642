"""The rows of drivers, and the names of their counters."""
import re

import pytest

from rxpath import path
from rxpath.drivers.counters import COUNTERS, MEANING, Loss, classify, stand_in
from rxpath.drivers.probe import RINGS, SENDERS
from rxpath.drivers.rows import ALIASES, DRIVERS, driver


@pytest.mark.parametrize("row", DRIVERS.values(), ids=lambda row: row.name)
def test_a_row_is_whole(row):
    """What it promises is there: its probe, its functions in the tables of path.py, limits that hold its defaults."""
    assert row.name in (RINGS if row.has_ring else SENDERS)
    for table, name in row.handlers.items():
        assert getattr(path, table).handler(name) >= 0
    for ring in (row.rx_ring, row.tx_ring):
        if ring is not None:
            assert ring.least <= ring.default <= ring.most and ring.size(ring.default) == ring.default
            assert ring.takes(ring.default) and not ring.takes(ring.least - 1) and not ring.takes(2 * ring.most)
            if ring.multiple:
                assert ring.size(0) == ring.least and ring.size(1 << 20) == ring.most
    if row.moderation is not None:
        assert row.moderation.takes(row.moderation.default) and row.moderation.takes(row.moderation.adaptive)
    for queues in range(1, row.most_queues + 1):
        table = [row.reta_default(i, queues, row.reta_size) for i in range(row.reta_size)]
        assert set(table) == set(range(min(queues, row.rss_most)))
    assert row.mtu <= row.mtu_most and row.default_queues(row.most_queues, 4) <= row.most_queues
    assert row.name in COUNTERS


def test_igbs_smallest_ring_is_64(lab):
    """IGB_MIN_RXD of 6.12."""
    host = lab()
    host.boot.netdev.ethtool("set_ringparam", rx=10, tx=65)
    assert host.boot.netdev.ethtool("get_ringparam") == {"rx_max": 4096, "tx_max": 4096, "rx": 64, "tx": 72}


def test_an_operation_that_a_driver_refuses_names_its_errno(lab):
    with pytest.raises(ValueError, match=r"veth0 has no ethtool operation set_ringparam \(EOPNOTSUPP\); it has none"):
        lab(driver="veth").boot.netdev.ethtool("set_ringparam", rx=256)


def test_an_alias_is_the_same_row():
    assert all(driver(alias) is driver(name) for alias, name in ALIASES.items())
    with pytest.raises(ValueError, match="no driver e100: igb"):
        driver("e100")


@pytest.mark.parametrize("name, counter, loss", [
    ("igb", "rx_queue_7_drops", Loss.RING), ("igb", "rx_missed_errors", Loss.EITHER), ("ixgbe", "rx_no_dma_resources", Loss.RING),
    ("ixgbe", "rx_missed_errors", Loss.PKTBUF), ("mlx5_core", "rx_out_of_buffer", Loss.RING), ("mlx5_core", "rx_discards_phy", Loss.PKTBUF),
    ("mlx5_core", "rx_prio3_discards", Loss.PKTBUF), ("mlx5_core", "rx_cache_full", None), ("vmxnet3", "  pkts rx OOB", Loss.RING),
    ("bnxt_en", "[12]: rx_discards", Loss.RING), ("ena", "pps_allowance_exceeded", Loss.CLOUD), ("tg3", "rx_discards", Loss.RING),
    ("gve", "rx_no_buffers_posted[0]", Loss.RING), ("i40e", "port.rx_discards", Loss.PKTBUF), ("veth", "rx_queue_0_drops", Loss.XDP),
])
def test_what_a_drivers_counter_says(name, counter, loss):
    assert classify(name, counter) == loss


def test_a_driver_without_a_row_is_unclassified():
    assert classify("e100", "rx_lost") == classify("e100", "rx_fifo_full") == "unclassified"
    assert classify("e100", "rx_packets") is None and classify("e100", "rx_cache_full") is None


def test_every_class_has_a_meaning_and_every_pattern_is_one():
    assert set(MEANING) == set(Loss)
    for row in COUNTERS.values():
        for names in row.names.values():
            for one in names.split():
                assert re.fullmatch(r"[\w.:\[\]]+", one), one
                assert row.loss(one.replace("N", "3")) is not None


def test_who_stands_in_for_a_card_that_is_not_simulated():
    assert all(stand_in(name).name in DRIVERS for name in COUNTERS)
    assert all(stand_in(name).name == name for name in DRIVERS)
    with pytest.raises(ValueError, match="igb, ixgbe, virtio_net, veth, lo"):
        stand_in("e100")
