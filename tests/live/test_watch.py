"""A live host in view: what a look says, and that it is taken back."""
import pytest

from rxpath.abi.numbers import Trail
from rxpath.live import Host
from rxpath.workbench.live.watch import Watch
from rxpath.workbench.views.live import render
from rxpath.workbench.views.terminal import plain

from .namespaces import OURS, Side, needs_root, until

pytestmark = needs_root


@pytest.mark.parametrize("plainly", [False, True])
def test_rates_queues_drops_and_the_way_of_one_packet(plainly):
    with Side() as side, Host(side.tap(), f"{OURS}/24", plain=plainly) as host, host.socket() as s, side.udp() as client:
        s.bind(("", 5000))
        watch = Watch(host, lambda look: None)
        client.sendto(b"x", (OURS, 5000))
        until(lambda: host.counters().get("Ip.InDelivers") == 1)
        assert s.recv(10) == b"x"
        for _ in range(4):
            client.sendto(b"y", (OURS, 5000))
        client.sendto(b"nobody", (OURS, 99))
        until(lambda: host.drops().get("NO_SOCKET") == 1)
        look = watch.look()
        counted = {name: n for name, _, n in look.stations}
        assert counted["ip_rcv_core"] == 6 and counted["udp_rcv"] == 6 and counted["arp_rcv"] == 1
        assert look.drops["NO_SOCKET"] == 1 and look.drops["RECEIVED"] == 1
        [socket] = look.sockets
        assert socket.name == "udp 0.0.0.0:5000" and socket.memory > 4 * 256 and socket.limit == 212992
        assert look.trail[0] == "igb_clean_rx_irq" and look.trail[-1] in ("kfree_skb", "skb_consume_udp")
        assert look.frames_in > 0 and look.frames_out > 0
        shown = plain(render(look), 80)
        assert "ip_rcv_core" in shown and "NO_SOCKET 1" in shown and max(map(len, shown.splitlines())) <= 80
        assert watch.look().frames_in == 0, "since the last look"
        watch.close()
        assert host.boot.net.trail == Trail.UNWATCHED and not host.time.watchers
