"""ICMP errors reach their socket: __udp4_lib_err of net/ipv4/udp.c, icmp_err_convert[] of net/ipv4/icmp.c.  RFC 1122 4.1.3.3.

Called through err_handler by icmp_socket_deliver, within a touch.  A connected socket remembers what is fatal, and its next call
returns it; with IP_RECVERR any socket remembers any error."""
from .._compile import path_function
from ..abi.net import Net
from ..abi.numbers import ICMP, ICMP_FRAG_NEEDED, NR_ICMP_UNREACH, TCP
from ..abi.sock import sock
from ..user.wait import sk_error_report

ENONET, EPROTO, EMSGSIZE, ENOPROTOOPT, EOPNOTSUPP = 64, 71, 90, 92, 95
ENETUNREACH, ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH = 101, 111, 112, 113
FATAL = 1 << 16


@path_function
def icmp_err_convert(code: int) -> int:
    """The errno of a destination unreachable, with FATAL."""
    if code == 0 or code == 11:                      # network, network for that service
        return ENETUNREACH
    if code == 1 or code == 12:                      # host
        return EHOSTUNREACH
    if code == 2:
        return ENOPROTOOPT | FATAL
    if code == 3:
        return ECONNREFUSED | FATAL
    if code == 5:                                    # source route failed
        return EOPNOTSUPP
    if code == 6 or code == 9:                       # network unknown, forbidden
        return ENETUNREACH | FATAL
    if code == 7:                                    # host unknown
        return EHOSTDOWN | FATAL
    if code == 8:                                    # isolated
        return ENONET | FATAL
    return EHOSTUNREACH | FATAL                      # host forbidden, filtered, precedence


@path_function
def udp_error_of(icmp_type: int, code: int) -> int:
    """errno with FATAL; 0: the socket does not hear of it."""
    if icmp_type == ICMP.SOURCE_QUENCH or icmp_type == ICMP.REDIRECT:
        return 0
    if icmp_type == ICMP.PARAMETERPROB:
        return EPROTO | FATAL
    if icmp_type == ICMP.DEST_UNREACH:
        if code == ICMP_FRAG_NEEDED:                 # the path MTU: IP_PMTUDISC_WANT is the default
            return EMSGSIZE | FATAL
        if code <= NR_ICMP_UNREACH:
            return icmp_err_convert(code)
    return EHOSTUNREACH                              # time exceeded


@path_function
def __udp4_lib_err(net: Net, cpu: int, sk: sock, icmp_type: int, code: int) -> int:
    """0: the socket was found, whatever it made of it."""
    err = udp_error_of(icmp_type, code)
    if err == 0:
        return 0
    if sk.recverr == 0 and (err & FATAL == 0 or sk.state != TCP.ESTABLISHED):
        return 0
    sk.err = err & ~FATAL
    sk_error_report(net, cpu, sk)
    return 0
