"""What a pass over a capture finds out about its senders beside who they are (cable/survey.py).  All of it has a fixed size."""
from .._compile import CACHELINE, Array, array, i64, struct

NSOURCE_SUMS = 16384            # a power of two
WAYS = 8                        # places of a set: where it is full, who says least makes room


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


@struct(align=CACHELINE)
class survey_t:
    last: i64                   # the place that the packet before took
    left: i64                   # checksums that were left to a card, of all sources
    sums: Array[source_sums] = array(NSOURCE_SUMS)
