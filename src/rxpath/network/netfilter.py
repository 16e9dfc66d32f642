"""Netfilter hooks: net/netfilter/core.c and net/ipv4/netfilter/ip_tables.c.

Called by ip_input.py at PRE_ROUTING and LOCAL_IN; what accepts goes on there."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import NF_ACCEPT
from ..abi.skbuff import sk_buff
from ..path import Stage
from ..turn import at


@path_function
def nf_hook(net: Net, cpu: int, hook: int, skb: sk_buff) -> int:
    """NF_ACCEPT, NF_DROP (the packet has ended), or NF_WAIT: a rule touches what other CPUs see, and it is not our turn."""
    if net.nf_active == 0:
        return NF_ACCEPT
    at(net, cpu, skb, Stage.nf_hook_slow)
    return NF_ACCEPT
