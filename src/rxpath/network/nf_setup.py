"""Control plane of netfilter's hooks: net/netfilter/core.c.  Call it while no packet is on its way."""
from .. import path
from ..abi.net import Net
from ..abi.netfilter import NHOOKFN, nf_hook_entries


def nf_register_net_hook(net: Net, hook: int, function: str, priv: int, priority: int) -> None:
    """From now on that function (@nf_hookfn) is called at the hook with `priv`: in front of those of its priority and above."""
    number, entries = path.nf_hookfn.handler(function), net.nf_hooks[hook]
    if entries.n == NHOOKFN:
        raise ValueError(f"{function}: a hook takes {NHOOKFN} functions at most")
    hooks = registered(entries)
    at = sum(p < priority for p, _, _ in hooks)
    write(net, entries, [*hooks[:at], (priority, number, priv), *hooks[at:]])


def nf_unregister_net_hook(net: Net, hook: int, function: str) -> None:
    """It is not called there any more, with whatever `priv`."""
    number, entries = path.nf_hookfn.handler(function), net.nf_hooks[hook]
    write(net, entries, [h for h in registered(entries) if h[1] != number])


def registered(entries: nf_hook_entries) -> list[tuple[int, int, int]]:
    """(priority, function, priv) of each."""
    return [(entries.priority[k], entries.function[k], entries.priv[k]) for k in range(entries.n)]


def write(net: Net, entries: nf_hook_entries, hooks: list[tuple[int, int, int]]) -> None:
    entries.n = len(hooks)
    for k, h in enumerate(hooks):
        entries.priority[k], entries.function[k], entries.priv[k] = h
    net.nf_active = int(any(net.nf_hooks[h].n for h in range(len(net.nf_hooks))))
