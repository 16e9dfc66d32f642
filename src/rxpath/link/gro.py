"""net/core/gro.c: merge, hold or let go.  Called by the driver's poll; packets that go collect on napi.rx_list (dev.py takes them up)."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import GRO_NORMAL, NO_SKB
from ..abi.skbuff import sk_buff
from ..abi.softnet import napi_struct
from ..path import Stage
from ..turn import at


@path_function
def napi_gro_receive(net: Net, cpu: int, napi: napi_struct, skb: sk_buff) -> int:
    at(net, cpu, skb, Stage.napi_gro_receive)
    gro_normal_one(net, napi, skb)
    return GRO_NORMAL


@path_function
def gro_normal_one(net: Net, napi: napi_struct, skb: sk_buff) -> None:
    """Onto the list of packets that go up together."""
    skb.next = NO_SKB
    if napi.rx_count:
        tail = net.skb[napi.rx_tail]
        tail.next = skb.idx
    else:
        napi.rx_list = skb.idx
    napi.rx_tail = skb.idx
    napi.rx_count += 1


@path_function
def napi_gro_flush(net: Net, cpu: int, napi: napi_struct) -> None:
    """Let everything go that is held."""
