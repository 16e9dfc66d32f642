"""ARCHITECTURE.md, "To change X, open Y": done here on a copy, with the files that it names, and it works.  (A driver: tests/drivers.)"""
from .copies import Copy

VRRP = '''"""net/ipv4/vrrp.c, which Linux does not have: an advertisement for routers."""
from .._compile import path_function
from ..abi.kernels import Sysctl
from ..abi.net import Net
from ..abi.numbers import NET_RX_SUCCESS
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..path import Stage, inet_protocol
from ..skb import consume_skb, kfree_skb_reason
from ..turn.cost import at


@inet_protocol(112)
@path_function
def vrrp_rcv(net: Net, cpu: int, skb: sk_buff) -> int:
    at(net, cpu, skb, Stage.vrrp_rcv)
    if net.sysctl[Sysctl.vrrp_wanted]:
        consume_skb(net, cpu, skb)
        return NET_RX_SUCCESS
    return kfree_skb_reason(net, cpu, skb, Stage.vrrp_rcv, Drop.NO_ROUTER)
'''
SENDS = '''
from rxpath.workbench.host.file import build
from rxpath.workbench.judge import frames as f
from rxpath.workbench.run.simulation import Simulation
from rxpath.workbench.run.where_lost import Loss
for wanted in (0, 1):
    host = build({"nic": {"addresses": [f.US + "/24"], "mac": f.MAC_US.hex(":")}, "sysctl": {"net.ipv4.vrrp_wanted": wanted}}, "h")
    with Simulation(host) as sim:
        sim.send(f.eth(f.ip(bytes(8), proto=112)))
        sim.drain()
        print(sim.books().dropped)
loss = Loss("NO_ROUTER", "vrrp_rcv", 1)
print(loss.step, loss.kind.value, loss.meaning)
'''


def test_a_station_a_protocol_a_drop_reason_and_a_sysctl_are_added(tmp_path):
    copy = Copy(tmp_path)
    copy.write("network/vrrp.py", VRRP)
    copy.edit("path.py", " pim_rcv ", " pim_rcv vrrp_rcv ")
    copy.edit("path.py", "    Stage.pim_rcv:",
              '    Stage.vrrp_rcv: Station("network", SOFT, "none", "VRRP, for routers"),\n    Stage.pim_rcv:')
    copy.edit("abi/reasons.py", "    IP_NOPROTO = Row(",
              '    NO_ROUTER = Row("", N, "this host is no router", {"vrrp_rcv": Place("")}, "VRRP is for routers")\n    IP_NOPROTO = Row(')
    copy.edit("abi/kernels.py", "    ip_nonlocal_bind = auto()", "    vrrp_wanted = auto()\n    ip_nonlocal_bind = auto()")
    copy.edit("abi/sysctls.py", '    Row("net.ipv4.icmp_echo_ignore_broadcasts",',
              '    Row("net.ipv4.vrrp_wanted", 0, 0, 1, "", "1: VRRP is taken", "none", knob=Sysctl.vrrp_wanted, reader="vrrp_rcv"),\n'
              '    Row("net.ipv4.icmp_echo_ignore_broadcasts",')
    assert copy.run(SENDS) == "{'NO_ROUTER': 1}\n{}\ntransport not for this host this host is no router\n"


VIEW = '''"""Losses as CSV."""
from rxpath.workbench.run.outcome import Outcome


def text(run: Outcome) -> str:
    return "".join(f"{reason},{station},{n}|" for reason, places in run.books.lost_at.items() for station, n in places.items())
'''
SHOWS = '''
import rxpath
from rxpath.workbench.host.file import build
from rxpath.workbench.traffic import spec
from rxpath.workbench.views import losses_csv
traffic = spec.build({"traffic": [{"rate": "1Mpps", "count": 200}]}, "t")
outcome = rxpath.replay(traffic, build({"app": [{"name": "slow", "service": "1ms"}], "sysctl": {"net.core.rmem_default": 2304}}, "h"))
assert losses_csv.text(outcome) == f"SOCKET_RCVBUFF,__udp_enqueue_schedule_skb,{outcome.dropped['SOCKET_RCVBUFF']}|"
print("shown")
'''


def test_a_view_is_added(tmp_path):
    copy = Copy(tmp_path)
    copy.write("workbench/views/losses_csv.py", VIEW)
    assert copy.run(SHOWS) == "shown\n"
