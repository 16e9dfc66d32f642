"""Steering is at arrival: a table that changes while frames are on the cable acts on those that arrive after it."""
import pytest

from rxpath.abi.limits import NFEED

from ..frames import udp_frame

US = 1000


def flows(host, n, gap=10 * US):
    """n frames of eight flows, all on the cable before any of them arrives."""
    return host.send(*[udp_frame(b"x", sport=4000 + k % 8) for k in range(n)], gap=gap)


def on_queues(host):
    return [host.net.ring[q].arrived for q in range(host.queues)]


@pytest.mark.parametrize("driver", ["igb", "ixgbe"])
def test_a_new_indirection_table_acts_from_its_moment(lab, driver):
    host = lab(queues=2, driver=driver)
    host.udp(5000)
    dev = host.boot.netdev
    dev.ethtool("set_rxnfc", flow="udp4", fields="sdfn")
    dev.ethtool("set_rxfh", equal=1)
    flows(host, 80).run(1000 + 40 * 10 * US + 5)
    dev.ethtool("set_rxfh", indir=[1] * 128)
    host.run()
    assert on_queues(host) == [40, 40] and host.net.socks[0].in_packets == 80


def test_other_fields_of_the_hash_act_from_their_moment(lab):
    host = lab(queues=2)
    host.udp(5000)
    dev = host.boot.netdev
    dev.ethtool("set_rxnfc", flow="udp4", fields="sd")
    flows(host, 80).run(1000 + 40 * 10 * US + 5)
    dev.sync()
    before = on_queues(host)
    assert sorted(before) == [0, 40]                 # one pair of addresses
    dev.ethtool("set_rxnfc", flow="udp4", fields="sdfn")
    host.run()
    assert sum(on_queues(host)) == 80 and min(on_queues(host)) > 10


def test_a_new_key_acts_from_its_moment(lab):
    """A key of zeros gives every frame the hash 0: the first queue."""
    host = lab(queues=2)
    host.udp(5000)
    dev = host.boot.netdev
    dev.ethtool("set_rxnfc", flow="udp4", fields="sdfn")
    dev.ethtool("set_rxfh", indir=[1] * 128)
    flows(host, 80).run(1000 + 40 * 10 * US + 5)
    dev.ethtool("set_rxfh", key=bytes(40))
    host.run()
    assert on_queues(host) == [40, 40]


@pytest.mark.parametrize("driver, rule", [("ixgbe", "flow-type udp4 dst-port 5000 action 1"),
                                          ("igb", "flow-type ether proto 0x0800 action 1")])
def test_a_filter_acts_from_its_moment_until_it_goes(lab, driver, rule):
    host = lab(queues=2, driver=driver)
    host.udp(5000)
    dev = host.boot.netdev
    if driver == "igb":
        dev.model = "i350"
    dev.ethtool("set_rxfh", equal=1)
    flows(host, 90).run(1000 + 30 * 10 * US + 5)
    loc = dev.ethtool("set_rxclsrlins", rule=rule)
    host.run(1000 + 60 * 10 * US + 5)
    dev.ethtool("set_rxclsrldel", loc=loc)
    host.run()
    assert on_queues(host) == [60, 30]


def test_a_cable_that_is_full_by_steering_loses_nothing(lab):
    """All that was on two queues' cables now goes to one: what does not fit there waits behind it, in its order."""
    host = lab(queues=2, ring=4096)
    app = host.app(host.udp(5000, rcvbuf=1 << 22))
    dev = host.boot.netdev
    dev.ethtool("set_rxnfc", flow="udp4", fields="sdfn")
    n = NFEED + 500
    frames = [udp_frame(k.to_bytes(4, "big"), sport=4000 + k % 8) for k in range(n)]
    host.send(*frames, gap=3 * US)
    dev.ethtool("set_rxfh", indir=[1] * 128)
    ring = host.net.ring[1]
    assert (ring.feed_tail - ring.feed_head, ring.spilled) == (NFEED, 500) and host.queued() == n
    dev.ethtool("set_rxfh", equal=2)
    dev.ethtool("set_rxfh", indir=[1] * 128)
    assert ring.spilled == 500
    host.run()
    assert on_queues(host) == [0, n] and host.ends() == {"RECEIVED": n} and host.data(app, 4) == (n - 1).to_bytes(4, "big")
