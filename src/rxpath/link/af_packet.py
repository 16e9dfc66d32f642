"""net/packet/af_packet.c: taps.  A packet socket hangs on ptype_all (every protocol) or on ptype_base (one), and takes a copy of what it
sees; the copies leave by outputs.py, from where a PcapWriter (setup.py) puts them into a file that tcpdump reads."""
from .._compile import path_function
from ..abi.mib import Mib
from ..abi.net import Net, packet_type
from ..abi.numbers import Out
from ..abi.skbuff import sk_buff
from ..outputs import emit_frame
from ..path import Stage
from ..turn import at, at_bytes


@path_function
def packet_rcv(net: Net, cpu: int, skb: sk_buff, pt: packet_type) -> None:
    """tpacket_rcv(): the packet as it is now, from its Ethernet header on, up to the tap's snap length."""
    at(net, cpu, skb, Stage.packet_rcv)
    pt.count += 1
    net.snmp[cpu][Mib.Rxpath_TapFrames] += 1
    at_bytes(net, cpu, skb, Stage.BYTE_COPY, emit_frame(net, cpu, Out.TAP, skb, skb.dev, pt.tap, pt.snaplen))


@path_function
def deliver_ptype_all(net: Net, cpu: int, skb: sk_buff) -> int:
    """Every tap that wants this device's packets; returns how many."""
    taken, i = 0, net.ptype_all
    while i >= 0:
        pt = net.ptype[i]
        if pt.dev < 0 or pt.dev == skb.dev:
            packet_rcv(net, cpu, skb, pt)
            taken += 1
        i = pt.next
    return taken
