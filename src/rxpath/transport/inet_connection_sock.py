"""TCP's side of the socket calls: tcp_prot of net/ipv4/tcp_ipv4.c and net/ipv4/tcp.c, ports by net/ipv4/inet_connection_sock.c.

Called through the tables of struct proto (path.py) by user/.  There are listeners, and sockets that are neither that nor connected."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import EADDRINUSE, EISCONN, ENOTCONN, EOPNOTSUPP, IPPROTO, POLLHUP, POLLOUT, POLLWRNORM, TCP
from ..abi.sock import SOCK_BINDADDR_LOCK, sock
from ..path import proto_close, proto_connect, proto_disconnect, proto_get_port, proto_init, proto_poll, proto_recvmsg
from ..user.sock import sk_common_release
from .inet_hashtables import LOCAL_PORTS, inet_bind_hash, inet_lhashfn, inet_local_port, inet_put_port, inet_unhash


@proto_init(IPPROTO.TCP)
@path_function
def tcp_v4_init_sock(net: Net, sk: sock) -> int:
    sk.rcvbuf = 0                                    # tcp_rmem[1], once there are connections: nothing is queued yet
    return 0


@path_function
def inet_csk_bind_conflict(net: Net, sk: sock, port: int) -> bool:
    """Two sockets may share a port when their devices or addresses differ, when both say SO_REUSEPORT, or both SO_REUSEADDR and the other
    one does not listen."""
    i = net.tcp_bhash[inet_lhashfn(port)]
    while i >= 0:
        other = net.socks[i]
        i = other.hnext2
        if other.port != port or other.idx == sk.idx:
            continue
        if other.bound_dev and sk.bound_dev and other.bound_dev != sk.bound_dev:
            continue
        if sk.rcv_saddr_lo and other.rcv_saddr_lo and sk.rcv_saddr_lo != other.rcv_saddr_lo:
            continue
        if sk.reuse and other.reuse and other.state != TCP.LISTEN:
            continue
        if sk.reuseport and other.reuseport:
            continue
        return True
    return False


@proto_get_port(IPPROTO.TCP)
@path_function
def inet_csk_get_port(net: Net, sk: sock, port: int) -> int:
    """bind(); and listen(), which asks again for the port that the socket has.  Port 0: the first free one."""
    chosen = port
    if port == 0:
        for k in range(LOCAL_PORTS):
            chosen = inet_local_port(net, k)
            if not inet_csk_bind_conflict(net, sk, chosen):
                break
    if inet_csk_bind_conflict(net, sk, chosen):
        return EADDRINUSE
    if sk.port == 0:
        inet_bind_hash(net, sk, chosen)
    return 0


@proto_connect(IPPROTO.TCP)
@path_function
def tcp_v4_connect(net: Net, sk: sock, local: int, daddr: int, dport: int) -> int:
    """There are no connections yet."""
    return EOPNOTSUPP if sk.state == TCP.CLOSE else EISCONN


@proto_disconnect(IPPROTO.TCP)
@path_function
def tcp_disconnect(net: Net, sk: sock) -> int:
    """connect(AF_UNSPEC): a listener ends to listen; its port stays its own."""
    inet_unhash(net, sk)
    sk.state = TCP.CLOSE
    if sk.userlocks & SOCK_BINDADDR_LOCK == 0:
        sk.rcv_saddr_lo = 0
    return 0


@proto_close(IPPROTO.TCP)
@path_function
def tcp_close(net: Net, cpu: int, sk: sock) -> int:
    inet_unhash(net, sk)
    sk.state = TCP.CLOSE
    if sk.port:
        inet_put_port(net, sk)
    sk_common_release(net, cpu, sk)
    return 0


# ---------------------------------------------------------------- reading
@proto_recvmsg(IPPROTO.TCP)
@path_function
def tcp_recvmsg(net: Net, cpu: int, t: int) -> int:
    return ENOTCONN


@proto_poll(IPPROTO.TCP)
@path_function
def tcp_poll(net: Net, cpu: int, sk: sock) -> int:
    """A listener has events when somebody can be accepted."""
    return 0 if sk.state == TCP.LISTEN else POLLOUT | POLLWRNORM | POLLHUP
