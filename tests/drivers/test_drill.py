"""To add a driver, open drivers/rows.py and drivers/probe.py: done here on a copy, and the whole program knows it."""
from ..copies import Copy

ROW = '''
E1000E = Driver(
    "e1000e", "Intel gigabit with one queue", "1Gbit", {"82574": 1}, min, mtu=1500, mtu_most=9212,
    rx_ring=Ring(64, 256, 4096), tx_ring=Ring(64, 256, 4096), moderation=IGB.moderation, handlers=IGB.handlers,
)
DRIVERS: dict'''
TRIED = '''
import rxpath
from rxpath.workbench.host import text
from rxpath.workbench.host.file import HostError, build, loads
from rxpath.workbench.traffic import spec
host = loads(text.commented("e1000e"))
assert (host.device.driver.name, host.device.queue_count, host.device.rx_ring, host.device.stands_in) == ("e1000e", 1, 256, False)
traffic = spec.build({"traffic": [{"rate": "20kpps", "count": 50}]}, "t")
outcome = rxpath.replay(traffic, host)
assert outcome.books.delivered == 50 and "e1000e eth0, 1 queue of 256 descriptors" in str(outcome)
for settings, said in (({"nic": {"driver": "e1000e"}, "ethtool": {"rx": 5000}}, "64 to 4096 for e1000e"),
                       ({"nic": {"driver": "e1000e", "queues": 2}}, "1 to 1 for 82574"),
                       ({"nic": {"driver": "e1000e", "model": "i210"}}, "82574 for e1000e")):
    try:
        build(settings, "h")
        raise SystemExit("not refused")
    except HostError as error:
        assert said in str(error), error
'''


def test_a_row_and_its_probe_are_all_that_a_driver_needs(tmp_path):
    copy = Copy(tmp_path)
    copy.edit("drivers/rows.py", "\nDRIVERS: dict", ROW)
    copy.edit("drivers/rows.py", "for row in (IGB, ", "for row in (IGB, E1000E, ")
    copy.edit("drivers/probe.py", "from .rows import IGB,", "from .rows import E1000E, IGB,")
    copy.edit("drivers/probe.py", "IGB.name: _igb", "IGB.name: _igb, E1000E.name: _igb")
    copy.run(TRIED)
