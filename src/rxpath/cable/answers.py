"""What a kernel itself answers, by its form: echo and timestamp replies, ICMP errors, the reset of a segment that is no answer (its
sequence number is 0: net/ipv4/tcp_ipv4.c, tcp_v4_send_reset).  On lo such a frame is in the capture because the receiver's own kernel sent
it; the path sends its own, so that one of the capture would come twice.  Asked by scan.py and census.py."""
from .._compile import Mem, be16, be32, byte, path_function
from ..abi.capture import scan_t
from ..abi.numbers import ETH_HLEN, ETH_P_IP, ICMP, ICMP_HLEN, IP_HLEN, IP_MF, IP_OFFSET, IPPROTO, TCPHDR_ACK, TCPHDR_RST
from .ether import is_local_address

TCP_FLAGS, TCP_SEQ, TCP_RST_ACK = 13, 4, TCPHDR_RST | TCPHDR_ACK


@path_function
def answer_of_kernel(mem: Mem, ip: int, n: int) -> bool:
    """n bytes of an IPv4 packet that is no later fragment."""
    up = (byte(mem, ip) & 15) * 4
    proto = byte(mem, ip + 9)
    if proto == IPPROTO.ICMP and n >= up + ICMP_HLEN:
        kind = byte(mem, ip + up)
        return kind == ICMP.ECHOREPLY or kind == ICMP.TIMESTAMPREPLY or kind == ICMP.DEST_UNREACH or kind == ICMP.TIME_EXCEEDED \
            or kind == ICMP.PARAMETERPROB
    if proto == IPPROTO.TCP and n > up + TCP_FLAGS:
        return byte(mem, ip + up + TCP_FLAGS) & TCP_RST_ACK == TCP_RST_ACK and be32(mem, ip + up + TCP_SEQ) == 0
    return False


@path_function
def kernel_answered(s: scan_t, mem: Mem, ip: int, n: int) -> bool:
    """n bytes of an IPv4 packet, whose fragments share the lot of their first."""
    frag, ident = be16(mem, ip + 6), be16(mem, ip + 4)
    if frag & IP_OFFSET:
        return s.answer_ident == ident
    answer = answer_of_kernel(mem, ip, n)
    if frag & IP_MF:
        s.answer_ident = -1
        if answer:
            s.answer_ident = ident
    return answer


@path_function
def own_answer(s: scan_t, mem: Mem) -> bool:
    """Of a frame of lo."""
    ip, n = s.rec_at + ETH_HLEN, s.rec_caplen - ETH_HLEN
    return n >= IP_HLEN and be16(mem, ip - 2) == ETH_P_IP and is_local_address(s, 0, be32(mem, ip + 12), 4) and \
        kernel_answered(s, mem, ip, n)
