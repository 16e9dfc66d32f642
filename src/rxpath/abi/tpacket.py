"""The state of who turns blocks of a packet socket's ring (TPACKET_V3) into records of pcapng: where it is in the block."""
from .._compile import i64, struct


@struct()
class ring_block_t:
    """struct tpacket_block_desc of <linux/if_packet.h>, while its packets are read."""
    at: i64                     # the next packet's header, from the start of the block
    left: i64                   # packets
    end: i64                    # bytes of the block
    face: i64                   # interface of the pcapng section
    packets: i64                # of all blocks
    out: i64                    # bytes that were written
    bad: i64                    # blocks whose packets do not lie in them
