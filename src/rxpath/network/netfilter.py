"""Netfilter hooks: net/netfilter/core.c.

Called by ip_input.py at PRE_ROUTING and LOCAL_IN; what accepts goes on there.  A hook function is registered with @nf_hookfn (path.py) and
put at a hook by nf_register_net_hook() (nf_setup.py); ipt_do_table() of ip_tables.py is the first.  One that touches what other CPUs see
returns NF_WAIT when it is not its turn, with its place in skb.nf_rule, and is asked again."""
from .. import path
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import NF_ACCEPT, NF_DROP, NF_STOLEN, NF_WAIT
from ..abi.reasons import Drop
from ..abi.skbuff import sk_buff
from ..path import Stage
from ..skb import kfree_skb_reason
from ..turn import at


@path_function
def nf_hook(net: Net, cpu: int, hook: int, skb: sk_buff) -> int:
    """NF_ACCEPT, NF_DROP (the packet has ended), or NF_WAIT: a rule touches what other CPUs see, and it is not our turn."""
    if net.nf_active == 0:
        return NF_ACCEPT
    hooks = net.nf_hooks[hook]
    if hooks.n == 0:
        return NF_ACCEPT
    return nf_hook_slow(net, cpu, hook, skb)


@path_function
def nf_hook_slow(net: Net, cpu: int, hook: int, skb: sk_buff) -> int:
    """Each function of the hook in the order of priority, until one says no."""
    hooks, walk = net.nf_hooks[hook], net.nf_walks[cpu]
    if skb.nf_rule >= 0:
        k = walk.entry
    else:
        k = 0
        at(net, cpu, skb, Stage.nf_hook_slow)
    while k < hooks.n:
        verdict = path.call_nf_hookfn(hooks.function[k], net, cpu, hooks.priv[k], skb)
        if verdict == NF_WAIT:
            walk.entry = k
            return NF_WAIT
        if verdict == NF_DROP:
            kfree_skb_reason(net, cpu, skb, Stage.nf_hook_slow, Drop.NETFILTER_DROP)
            return NF_DROP
        if verdict == NF_STOLEN:                         # it has ended, or is on its way to
            return NF_DROP
        k += 1
    return NF_ACCEPT
