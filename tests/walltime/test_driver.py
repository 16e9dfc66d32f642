"""Real time by the clock of the machine; what is the same in virtual time is in tests/time_driver."""
import time

from rxpath.abi.numbers import Out
from rxpath.walltime.driver import WallClock

from ..time_driver.hosts import MS, Host
from ..time_driver.test_contract import Pinger, ping, udp_frame


def test_a_peer_answers_in_real_time():
    host = Host("real", False, clock=WallClock())
    source = Pinger(host.time, more=5, after=MS)
    host.time.add_source(source)
    t = host.reader(host.udp(5000))
    host.time.send(udp_frame(), 2 * MS)
    host.time.send(ping(), 3 * MS)
    began = time.monotonic_ns()
    host.time.run(30 * MS)
    assert 30 * MS <= time.monotonic_ns() - began
    sent = host.sent(Out.TX)
    assert len(sent) == 6 and host.ends() == {"CONSUMED": 6, "RECEIVED": 1}
    assert all(o.t >= asked for o, asked in zip(sent[1:], source.asked, strict=True))
    assert host.net.thread[t].arrived == 2 * MS
    host.time.close()
