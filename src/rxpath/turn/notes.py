"""Word for the driver of time (abi.numbers.Note): only it can wake a thread or interrupt another CPU."""
from .._compile import path_function
from ..abi.limits import NNOTE
from ..abi.net import Net
from .clock import come_back


@path_function
def tell_driver(net: Net, cpu: int, what: int, whom: int) -> None:
    """Only the driver can wake a thread or interrupt another CPU."""
    sd = net.sd[cpu]
    net.note[cpu][sd.note_tail & NNOTE - 1] = whom << 8 | what
    sd.note_tail += 1
    come_back(net, cpu)
