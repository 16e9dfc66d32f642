"""Generated traffic: what a generator knows of its streams, and where it is.  No part of Net: a run may have none.

Times are ns with 16 more bits of fraction beside them, so that 3 million packets a second do not come at 333 ns but at 333.33.
Shares (weights, probabilities) are of 1 << 32.  The generator's memory is one region: a head for each stream, then the slots of frames."""
from enum import IntEnum

from .._compile import CACHELINE, Array, array, i64, struct, u16, u32
from .limits import NCARD

NSTREAM = 64                    # streams of a spec
NSIZE = 64                      # sizes of a stream
NFLOW = 1 << 20                 # flows of all streams
NPARETO = 256                   # cells of the Pareto table
FRACTION = 16                   # bits of time below the nanosecond
HEAD = 96                       # bytes of a frame that are written anew: the headers and what they may cover of the payload before


class Arrivals(IntEnum):
    """When the next datagram of a stream comes."""
    CONSTANT = 0
    POISSON = 1
    ONOFF = 2                   # bursts of one length, pauses of one length
    PARETO = 3                  # both with heavy tails


class Flows(IntEnum):
    """Which flow it belongs to."""
    IN_TURN = 0
    DRAWN = 1                   # all equally likely
    SKEWED = 2                  # by the stream's alias table


class Carries(IntEnum):
    UDP = 0
    ICMP = 1
    TCP_SYN = 2


class Sums(IntEnum):
    """Checksums."""
    GOOD = 0
    BAD = 1                     # of the transport header
    BAD_IP = 2
    NONE = 3                    # UDP without one


@struct()
class gen_size:
    """One size of datagram of a stream."""
    body: i64                   # bytes behind the IP header
    share: i64                  # of datagrams up to this size, of 1 << 32
    sum: i64                    # of what never changes: pseudo header, transport header, payload
    pieces: i64                 # fragments


@struct()
class gen_flow:
    src: u32
    dst: u32
    sport: u16
    dport: u16
    alias: u32                  # Walker's table: take this flow instead ...
    keep: u32                   # ... unless the die is below


@struct(align=CACHELINE)
class stream_t:
    t: i64                      # of its next datagram; NEVER: it has ended
    frac: i64
    end: i64                    # no datagram from here on
    left: i64                   # datagrams to come
    kind: i64                   # Arrivals
    gap: i64                    # between datagrams, in a burst: with 16 bits of fraction
    pause: i64                  # after a burst
    burst: i64                  # datagrams of one; PARETO: the smallest, with 16 bits of fraction
    in_burst: i64               # of these, still to come
    pareto: Array[i64] = array(NPARETO)     # its quantiles, of 1 << 16
    rng: i64
    carries: i64                # Carries
    sums: i64                   # Sums
    vlan: i64                   # bytes of VLAN tag
    ihl_at: i64                 # of the IP header in the frame
    ip_sum: i64                 # of the IP header without length, id, fragment, addresses
    mtu_body: i64               # bytes behind the IP header that fit into a frame
    incomplete: i64             # share of datagrams whose last fragment never comes
    ident: i64
    sequence: i64
    flows: i64                  # Flows
    flow_first: i64
    nflow: i64
    flow_at: i64
    nsize: i64
    size: Array[gen_size] = array(NSIZE)
    now_size: i64               # the datagram under way
    now_flow: i64
    now_piece: i64              # its next fragment, 0: none under way
    now_pieces: i64
    datagrams: i64              # so far
    frames: i64
    card: i64                   # of the host, to which it is sent


@struct(align=CACHELINE)
class gen_t:
    memory: i64                 # address
    slots_at: i64               # first slot
    stride: i64
    nslot: i64
    slot: i64                   # of the next frame
    nstream: i64
    line_num: i64               # ns * 1024 for a byte on the wire; 0: no line rate
    last_t: i64                 # of the last frame; times only grow
    late: i64                   # the longest that a frame had to wait for the line
    offered: i64
    bytes: i64
    frame_t: i64                # the frame just made
    frame_at: i64
    frame_len: i64
    card: i64                   # to which the frame goes
    card_t: Array[i64] = array(NCARD)       # when the last frame to each arrived
    pending: i64                # it has a place, but its queue was full
    pending_q: i64
    pending_hash: i64
    stream: Array[stream_t] = array(NSTREAM)
    flow: Array[gen_flow] = array(NFLOW)
