"""A station that other CPUs can see is entered in the order of the clocks: a packet that comes too early is parked.

One place to park for each CPU is enough: softirqs, ksoftirqd and the polls of threaded NAPI run with bottom halves disabled, so that no
two of them are under way on one CPU, and each of their loops returns as soon as a packet is parked.  Who calls what may park has then
done with the packet: "the caller's last act" is checked when the path is compiled (_compile/check.py)."""
from .. import path
from .._compile import last_act, path_function
from ..abi.net import Net
from ..abi.numbers import NET_RX_SUCCESS, NO_SKB
from ..abi.skbuff import sk_buff
from .clock import come_back, late


@path_function
def touch(net: Net, cpu: int, skb: sk_buff, station: int) -> int:
    """Enter a station that other CPUs can see: now if it is our turn, else when it is.  The caller's last act (_compile/check.py)."""
    if late(net, cpu):
        park(net, cpu, skb, station)
        return NET_RX_SUCCESS
    return path.call_touched(station, net, cpu, skb)


@last_act
@path_function
def park(net: Net, cpu: int, skb: sk_buff, station: int) -> None:
    """The packet waits for its turn; what its continuation needs is in skb.cb."""
    sd = net.sd[cpu]
    sd.parked_skb = skb.idx
    sd.parked_at = station
    come_back(net, cpu)


@path_function
def enter_parked(net: Net, cpu: int) -> None:
    """It is our turn: the parked packet goes on."""
    sd = net.sd[cpu]
    skb = net.skb[sd.parked_skb]
    sd.parked_skb = NO_SKB
    path.call_touched(sd.parked_at, net, cpu, skb)
