"""What a pass over a capture finds out about its senders beside who they are (cable/survey.py).  All of it has a fixed size."""
from .._compile import CACHELINE, Array, array, i64, struct

NLOCAL = 64                     # addresses of the receiver
NSOURCE_SUMS, NFLOW = 16384, 65536      # powers of two
WAYS = 8                        # places of a set: where it is full, who says least makes room
NTUNNEL_PORT = 3                # abi.protocols.TUNNELS


@struct()
class source_sums:
    """Checksums that an IPv4 source has left to its card, and those that it has made; damaged ones are neither."""
    used: i64
    address: i64
    ip_left: i64
    ip_made: i64
    udp_left: i64
    udp_made: i64
    tcp_left: i64
    tcp_made: i64


@struct()
class tcp_flow:
    """A TCP connection over IPv4, or what looks like one.  End 0 has the lower address (and port); arrays are of what each end has sent."""
    used: i64
    addr_0: i64
    addr_1: i64
    ports: i64                  # of end 0 << 16 | of end 1
    syn: Array[i64] = array(2)          # SYN without ACK
    rst: Array[i64] = array(2)
    others: Array[i64] = array(2)       # the rest: SYN with ACK, ACK, FIN; one with data counts twice
    mss: Array[i64] = array(2)          # that its last SYN has announced; 0: none
    full: Array[i64] = array(2)         # bytes of data in its full segments: what most have or are multiples of, and by how many votes
    full_votes: Array[i64] = array(2)
    acked: Array[i64] = array(2)        # what its last segment acknowledged, the window that it gave, and which scale of windows the
    window: Array[i64] = array(2)       # other end's data show at least
    wscale: Array[i64] = array(2)


@struct(align=CACHELINE)
class survey_t:
    last: i64                   # the place that the packet before took
    left: i64                   # checksums that were left to a card, of all sources
    inner: i64                  # connections of which both ends are in local
    flows: i64                  # TCP connections
    spilled: i64                # of these, that found no place
    nlocal: i64                 # the receiver's IPv4 addresses, when they are known
    local: Array[i64] = array(NLOCAL)
    tunnel: Array[Array[i64]] = array(NTUNNEL_PORT, 2)      # datagrams to a tunnel's port: without and with a valid header
    refused: Array[i64] = array(256)    # IP protocols that somebody has answered with protocol unreachable
    outer_ad: Array[i64] = array(128)   # outer tags of 802.1ad (0x88A8): a bit for each VLAN id, 32 a word
    spilled_port: Array[i64] = array(2048)                  # the servers' ends of those connections, as bits
    sums: Array[source_sums] = array(NSOURCE_SUMS)
    flow: Array[tcp_flow] = array(NFLOW)
