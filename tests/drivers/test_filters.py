"""ethtool -N as igb has it, -X in full, and what igb refuses."""
import pytest

from rxpath.drivers import igb_nfc
from rxpath.drivers.igb_probe import igb_probe

from ..frames import arp, eth, ip, udp, udp_frame


def card(lab, model="i350", queues=4):
    host = lab(queues=queues)
    host.boot.netdev.model = model
    return host


def rule(host, text):
    return host.boot.netdev.ethtool("set_rxclsrlins", rule=text)


def per_queue(host, *frames):
    before = [host.net.ring[q].arrived for q in range(host.queues)]
    host.send(*frames).run()
    return [host.net.ring[q].arrived - b for q, b in enumerate(before)]


def tagged(prio, vid=5):
    return eth(ip(udp(b"x")), vlan=prio << 13 | vid)


def test_an_ethertype_goes_to_its_queue(lab):
    host = card(lab)
    assert per_queue(host, arp()) == [1, 0, 0, 0]                           # no hash: queue 0
    rule(host, "flow-type ether proto 0x0806 action 3")
    assert per_queue(host, arp(), arp()) == [0, 0, 0, 2]
    assert sum(per_queue(host, udp_frame())) == 1


def test_a_vlan_priority_goes_to_its_queue(lab):
    host = card(lab)
    plain = per_queue(host, tagged(3))
    rule(host, "flow-type ether vlan 0x6000 m 0x1fff action 2")
    assert per_queue(host, tagged(3), tagged(3, vid=9)) == [0, 0, 2, 0]
    assert per_queue(host, tagged(4)) == plain                              # as RSS says


def test_an_address_with_a_queue_passes_the_mac_filter(lab):
    host, other = card(lab), bytes.fromhex("020000000077")
    frame = eth(ip(udp(b"x")), dst=other)
    per_queue(host, frame)
    assert host.ends() == {"NIC_FILTER": 1}
    rule(host, "flow-type ether dst 02:00:00:00:00:77 action 1")
    assert per_queue(host, frame) == [0, 1, 0, 0]
    assert host.ends()["NIC_FILTER"] == 1


def test_i210_compares_sources_too(lab):
    host = card(lab, "i210")
    with pytest.raises(ValueError, match="only i210"):
        rule(card(lab), "flow-type ether src 02:00:00:00:00:02 action 1")
    sender = ":".join(f"{b:02x}" for b in udp_frame()[6:12])
    rule(host, f"flow-type ether src {sender} action 2")
    assert per_queue(host, udp_frame(), udp_frame(sport=9)) == [0, 0, 2, 0]


def test_a_rule_that_is_deleted_is_gone(lab):
    host = card(lab)
    loc = rule(host, "flow-type ether proto 0x0806 action 3")
    assert loc == 15
    host.boot.netdev.ethtool("set_rxclsrldel", loc=loc)
    assert per_queue(host, arp()) == [1, 0, 0, 0] and host.net.nic[0].filters == 0
    with pytest.raises(ValueError, match="no filter at 15"):
        host.boot.netdev.ethtool("set_rxclsrldel", loc=loc)


@pytest.mark.parametrize("text,why", [
    ("flow-type udp4 dst-port 53 action 1", "flow-type ether only"), ("flow-type ip4 src-ip 10.0.0.1 action 1", "flow-type ether only"),
    ("flow-type ether action 1", "nothing to compare"), ("flow-type ether proto 0x0806", "action is missing"),
    ("flow-type ether proto 0x0806 action 4", "a queue, 0 to 3"), ("flow-type ether proto 0x0806 action -1", "cannot drop"),
    ("flow-type ether proto 0x0806 action 1 loc 16", "16 places"), ("flow-type ether vlan 5 action 1", "priority only"),
    ("flow-type ether vlan 0x6000 m 0x0fff action 1", "priority only"), ("flow-type ether proto 0x0806 m 0xff action 1", "the whole of it"),
    ("flow-type ether dst 02:00 action 1", "MAC address"), ("flow-type ether proto 70000 action 1", "16 bits"), ("proto 1", "as ethtool"),
    ("flow-type ether proto 1 proto 2 action 1", "twice"), ("flow-type ether user-def 1 action 1", "igb compares"),
])
def test_igb_refuses(lab, text, why):
    with pytest.raises(ValueError, match=why):
        rule(card(lab), text)


def test_82576_takes_no_rule_at_all(lab):
    with pytest.raises(ValueError, match="from i350 on"):
        rule(card(lab, "82576"), "flow-type ether proto 0x0806 action 1")


def test_there_are_four_ethertypes_one_queue_a_priority_and_no_twins(lab):
    host = card(lab)
    for k in range(4):
        rule(host, f"flow-type ether proto {0x9000 + k} action 1")
    for text, why in (("proto 0x9100 action 1", "all used"), ("proto 0x9000 action 2", "already set")):
        with pytest.raises(ValueError, match=why):
            rule(host, "flow-type ether " + text)
    rule(host, "flow-type ether vlan 0x2000 m 0x1fff action 1")
    with pytest.raises(ValueError, match="another queue"):
        rule(host, "flow-type ether vlan 0x2000 m 0x1fff dst 02:00:00:00:00:01 action 2 loc 9")


def test_i210_has_four_queues(lab):
    host = lab()
    with pytest.raises(ValueError, match="1 to 4 for i210"):
        igb_probe(host.net, host.call, [], 8, 0x020000000001, [0], model="i210")


# ---------------------------------------------------------------- ethtool -X, -C
@pytest.mark.parametrize("text,counts", [
    ("default", [32, 32, 32, 32]), ("equal 3", [43, 43, 42, 0]), ("weight 3 1", [96, 32, 0, 0]), ("weight 0 1 0 1", [0, 64, 0, 64]),
    ("start 2 equal 2", [0, 0, 64, 64]), ("start 1 weight 1 3", [0, 32, 96, 0]), ("weight 128", [128, 0, 0, 0]),
])
def test_the_indirection_table_as_ethtool_fills_it(text, counts):
    table = igb_nfc.indirection(text, 4, 128)
    assert [table.count(q) for q in range(4)] == counts and len(table) == 128


@pytest.mark.parametrize("text", ["", "equal", "equal 0", "equal 1 2", "weight", "weight 0 0", "weight 129", "weight -1", "start x equal 2",
                                  "hfunc xor"])
def test_what_ethtool_refuses(text):
    with pytest.raises(ValueError):
        igb_nfc.indirection(text, 4, 128)


def test_weights_steer(lab):
    host = lab(queues=4)
    host.boot.netdev.ethtool("set_rxnfc", flow="udp4", fields="sdfn")
    host.boot.netdev.ethtool("set_rxfh", weight=[1, 0, 3])
    got = per_queue(host, *[udp_frame(sport=k) for k in range(200)])
    assert got[1] == got[3] == 0 and 25 < got[0] < 75 and sum(got) == 200
    with pytest.raises(ValueError, match="each 0 to 3"):
        host.boot.netdev.ethtool("set_rxfh", weight=[1, 1, 1, 1, 1])


@pytest.mark.parametrize("name", ["rx_frames", "adaptive_rx", "tx_frames"])
def test_igb_has_only_rx_usecs(lab, name):
    with pytest.raises(ValueError, match="only rx-usecs"):
        lab().boot.netdev.ethtool("set_coalesce", rx_usecs=20, **{name: 1})


def test_channels_grow_beyond_what_was_probed(lab):
    """ethtool -L up to what the card has: new rings, new vectors on the CPUs in turn, and the CPUs' slots of virtual time move up."""
    seen = []
    for one_step in (False, True):
        host = lab(queues=1, cpus=3, one_step=one_step)
        dev = host.boot.netdev
        dev.cpus = [0, 1]
        dev.ethtool("set_rxnfc", flow="udp4", fields="sdfn")
        host.app(host.udp(5000, rcvbuf=1 << 22), cpu=2)
        host.send(*[udp_frame(sport=k) for k in range(20)]).run()
        dev.ethtool("set_channels", combined=4)
        host.queues = 4
        assert dev.ethtool("get_channels") == {"max_combined": 8, "combined": 4}
        host.send(*[udp_frame(sport=k) for k in range(100)]).run()
        arrived = [host.net.ring[q].arrived for q in range(4)]
        assert host.ends() == {"RECEIVED": 120} and sum(arrived) == 120 and min(arrived[1:]) > 10
        assert [host.net.ring[q].cpu for q in range(4)] == [0, 1, 0, 1] and host.net.cpu[1].irqs > 2
        seen.append((arrived, host.net.thread[64].latency_hash, [host.net.cpu[c].irqs for c in range(3)]))
    assert seen[0] == seen[1]
