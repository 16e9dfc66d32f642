"""What a segment costs beside TCP's own work, by where its memory lies: cache lines that come from another CPU, and the pages of its data.

A softirq and a reader on two CPUs take a connection's lines from each other (struct sock: lock, backlog, rmem_alloc; tcp_sock), and the
sk_buff of every segment goes one way with its data and comes back free: TCP_BOUNCE, on each side, where UDP's datagram costs BOUNCE.  GRO
and coalescing save that, since it is for each sk_buff.  Its pages they do not: each is taken from the allocator, given to the card and
given back after the copy (PAGE), and its struct page is written by both CPUs (BOUNCE, on each side).

A page is 4 KiB of one frame: of 9,000 bytes igb's frame has three buffers, an mlx5's three pages."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import NO_CPU
from ..abi.skbuff import TCP_SKB_CB, sk_buff
from ..abi.sock import sock
from ..abi.tcp import tcp_sock
from ..path import Stage
from ..turn import charge, charge_times, line_from
from ..user.memory import lines_wanted

PAGE_SIZE = 4096


@path_function
def tcp_line_from(net: Net, cpu: int, other: int) -> int:
    """As line_from(), for a segment's and its connection's lines."""
    return Stage.TCP_BOUNCE_NODE if line_from(net, cpu, other) == Stage.BOUNCE_NODE else Stage.TCP_BOUNCE


@path_function
def tcp_connection_arrives(net: Net, cpu: int, sk: sock) -> None:
    """The connection was last written by another CPU: its reader, or the softirq of another queue."""
    lock = sk.lock
    last = lock.last_cpu
    if last != cpu:
        if last >= 0:
            charge(net, cpu, tcp_line_from(net, cpu, last))
            lines_wanted(net, cpu, sk)
        lock.last_cpu = cpu


@path_function
def tcp_segment_arrives(net: Net, cpu: int, skb: sk_buff) -> None:
    """Its sk_buff was last written by another CPU's softirq."""
    if skb.rx_cpu != cpu:
        charge(net, cpu, tcp_line_from(net, cpu, skb.rx_cpu))
        skb.rx_cpu = cpu


# ---------------------------------------------------------------- pages
@path_function
def pages_of(n: int) -> int:
    """Of a frame with so many bytes of data."""
    return (n + PAGE_SIZE - 1) // PAGE_SIZE


@path_function
def tcp_pages_came(net: Net, cpu: int, sk: sock, tp: tcp_sock, skb: sk_buff) -> None:
    """Softirq: the card's pages, which the reader had given back."""
    tp.incoming_cpu = cpu
    cb = TCP_SKB_CB(skb)
    if sk.reader_cpu >= 0 and sk.reader_cpu != cpu and cb.end_seq != cb.seq:
        if skb.gso_segs > 1:
            n = skb.gso_segs * pages_of(skb.gso_size)
        else:
            n = pages_of(skb.len)
        charge_times(net, cpu, line_from(net, cpu, sk.reader_cpu), n)


@path_function
def tcp_pages_read(net: Net, cpu: int, tp: tcp_sock, skb: sk_buff) -> None:
    """The reader gives them back: those of each frame of a segment that was joined of many."""
    n, own = 0, skb.len
    i = skb.frag_list
    while i >= 0:
        part = net.skb[i]
        n += pages_of(part.len)
        own -= part.len
        i = part.next
    n += pages_of(own)
    charge_times(net, cpu, Stage.PAGE, n)
    if tp.incoming_cpu != cpu and tp.incoming_cpu != NO_CPU:
        charge_times(net, cpu, line_from(net, cpu, tp.incoming_cpu), n)
