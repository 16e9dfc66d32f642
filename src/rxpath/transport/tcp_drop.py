"""tcp_drop_reason() of net/ipv4/tcp_input.c: a segment of a connection is lost, and its socket counts it."""
from .._compile import cold, path_function
from ..abi.net import Net
from ..abi.skbuff import sk_buff
from ..abi.sock import sock
from ..skb import kfree_skb_reason


@cold
@path_function
def tcp_drop(net: Net, cpu: int, sk: sock, skb: sk_buff, stage: int, reason: int) -> int:
    """As it is seen at `stage`."""
    sk.drops += max(skb.gso_segs, 1)                 # sk_drops_skbadd()
    return kfree_skb_reason(net, cpu, skb, stage, reason)
