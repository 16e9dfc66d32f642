"""The writer's side: sys_sendto -> inet_sendmsg -> sk_prot->sendmsg.  net/socket.c, net/ipv4/af_inet.c.

Called by the driver of time when it is the sending thread's turn; never blocks: EAGAIN says that there is no room, and poll() says when
there is."""
from .. import path
from .._compile import entry, path_function
from ..abi.net import Net
from ..abi.numbers import EAGAIN
from ..path import Stage
from ..turn import charge


@path_function
def sys_sendto(net: Net, cpu: int, t: int) -> int:
    """Bytes that thread t has sent, all or none, or a negative errno."""
    th = net.thread[t]
    sk = net.socks[th.sock]
    charge(net, cpu, Stage.sys_sendto)
    if sk.port == 0:                                 # inet_autobind()
        if path.call_proto_get_port(sk.protocol, net, sk, 0):
            return EAGAIN
    return path.call_proto_sendmsg(sk.protocol, net, cpu, t)


@entry
def send_now(net: Net, cpu: int, t: int) -> int:
    """sendto() of a thread that the engine does not run; a length or a negative errno."""
    return sys_sendto(net, cpu, t)
