"""The network card and its driver's rings: what the NIC writes, what igb keeps."""
from .._compile import CACHELINE, Array, array, i64, path_function, struct, u16, u32
from .limits import BUFSZ
from .numbers import NO_QUEUE, NO_THREAD, SENDER_ROOM
from .skbuff import sk_buff_list


@struct()
class rx_desc:
    """union e1000_adv_rx_desc, written back: 16 bytes of the device's layout, then where the buffer lies and when the frame came."""
    rss: u32
    length: u16
    vlan: u16
    status: u32                 # status and errors; DD is written last
    pkt_info: u32               # virtio_net: how long the buffer is, with its header
    buf: i64                    # rx_buffer_info: offset of the buffer in packet memory
    ts: i64
    frame: i64


@struct()
class tx_desc:
    """A frame to send: the skb that holds it."""
    skb: i64
    ts: i64                     # when the NIC has sent it: DD from then on
    cleaned: i64                # when igb_clean_tx_irq has freed it, NEVER while it waits


RECORD_BITS = 36                # arrival.frame: the capture's record, from 1; above it which segment of it, from 0 (cable/split.py)
RECORD = (1 << RECORD_BITS) - 1
FIRST_MADE = 1 << 50            # arrival.frame of the first that is made during a run


def frame_place(frame: int) -> tuple[int, int]:
    """(record, segment of it from 0) of a capture's arrival.frame."""
    return frame & RECORD, frame >> RECORD_BITS


@struct()
class arrival:
    """A frame on the cable: when its last bit arrives, and where its bytes lie in feed memory."""
    t: i64
    offset: i64
    len: i64                    # on the wire
    caplen: i64                 # of these, present in feed memory; the rest is zeros
    hash: i64
    frame: i64
    flags: i64                  # FEED_*


@struct(align=CACHELINE)
class rx_ring:
    """One receive queue: struct igb_ring, its q_vector's interrupt, and the cable before it."""
    next_to_clean: i64          # counts up; the descriptor is next_to_clean % size
    next_to_use: i64            # refilled up to here
    hw_head: i64                # the NIC's next descriptor
    clean_at: i64               # the same three, reduced modulo size (a ring need not be a power of two)
    hw_at: i64
    size: i64
    up: i64
    mode: i64                   # NicMode
    irq_handler: i64 = -1       # of the irq_handler table: what request_irq() was given; -1: the queue has no interrupt
    cpu: i64                    # affinity of its interrupt
    next_of_cpu: i64            # the next queue that interrupts the same CPU
    shared: i64                 # another CPU may look at it than its interrupt's, or poll its NAPI: state is a touch
    unmasked: i64
    itr_ns: i64                 # interrupts come at least this far apart
    itr_mode: i64               # 0 fixed (itr_ns), 1 adaptive, 3 adaptive conservative
    cable_rx: i64               # of the cable_rx table
    itr_packets: i64            # since the last interrupt, for the adaptive throttle
    itr_bytes: i64
    last_irq: i64
    irq_allowed: i64            # from when on the throttle let that one come, and when its handler had done
    irq_done: i64
    dev: i64
    nic: i64                    # its card
    missed: i64                 # no descriptor: rx_queue_N_drops
    packets: i64
    bytes: i64
    irqs: i64
    filtered: i64               # on the way into this queue: the MAC filter, frames that are too long, a link that is down
    length_errors: i64
    link_down: i64
    arrived: i64                # frames of the cable that have passed here, whatever became of them
    feed_head: i64              # next arrival not yet pulled in
    feed_tail: i64
    spilled: i64                # frames behind them, for which the cable had no room, and the first of these
    spill_at: i64
    feed_time: i64              # of the last arrival that the generator made
    rng: i64
    fill_max: i64               # high-water mark
    skb: i64 = -1               # a frame that spans several descriptors, being put together
    skb_tail: i64
    fifo: i64                   # of `missed`, those that igb counts as rx_queue_N_drops: the queue drops for itself, there are several
    runts: i64                  # of length_errors, the too short
    multicast: i64              # frames that the NIC took, by kind
    broadcast: i64
    itr_val: i64                # igb's q_vector->itr_val, quarters of a us; the NIC hears of it at the next interrupt
    set_itr: i64
    itr_tx_packets: i64
    itr_tx_bytes: i64
    buffers: i64                # descriptors that have ever had a buffer: a resize keeps them
    reset: i64                  # frames that a reset found in the ring
    sender_xmit: i64            # of the sender_xmit table, for a queue without an interrupt
    sender: i64 = NO_THREAD     # virtual time: the thread that sends
    staged: i64                 # no ring: frames that the sender has not handed over yet, and these
    stage: sk_buff_list
    pb: i64 = -1                # the packet buffer in front of it: of net.buffer, -1: none
    cable_dma: i64 = -1         # of the cable_dma table: how a frame that has waited there gets into the ring
    call_t: i64                 # of the last frame that was sent: when it was due, its flow and which datagram it is of
    call_flow: i64
    call_datagram: i64
    call_began: i64             # with sender_slow: of the call under way, 0: none; and before when the next one does not begin
    call_next: i64
    late_max: i64               # by how much a call of the sender was late, at most
    no_buffer: i64              # frames that had to wait there (RNBC)
    held: i64                   # frames that the sender could not send: lost there
    eop_status: i64             # what the last descriptor of a long frame said
    eop_rss: i64
    eop_vlan: i64
    itr_class: i64
    alloc_failed: i64
    csum_err: i64
    mrg_avg_pkt_len: i64        # virtio_net: running average of packets' lengths, which makes the next buffers' size
    poll_filled: i64 = -1       # the poll (napi.polls) that has posted buffers
    kicks: i64                  # how often the host was told of them
    frag_left: i64              # bytes that are left of the page fragment from which they are cut
    burst_lost: i64             # frames missed since a poll found it empty, and the most that it would have held
    burst_needs: i64
    buf_len: i64 = BUFSZ        # bytes of a frame that a buffer takes, and what an skb is charged for it
    buf_truesize: i64 = BUFSZ


@struct(align=CACHELINE)
class packet_buffer:
    """Frames that have arrived and wait for descriptors, in order: a card's packet buffer, in front of one ring or (without DROP_EN) of all
    of them; or the queue of a guest's tap, in front of one."""
    size: i64                   # bytes of frames that it holds
    most: i64                   # frames at most
    first: i64                  # the rings behind it
    rings: i64
    addr: i64                   # the frames' bytes, each `stride` from the one before
    stride: i64
    head: i64                   # both count up
    tail: i64
    bytes: i64
    bytes_max: i64              # high-water marks
    waiting_max: i64
    tx_pause: i64               # pause frames are sent from high_water on, lifted below low_water
    high_water: i64
    low_water: i64
    xoff: i64                   # our pause frame holds the sender back
    xoffs: i64                  # pause frames sent, and those that lift it
    xons: i64


@struct()
class fdir_filter:
    """A flow and its queue, -1: dropped.  Values are under the card's mask."""
    proto: i64                  # 0: any
    saddr: i64
    daddr: i64
    ports: i64                  # source << 16 | destination
    queue: i64


@struct(align=CACHELINE)
class tx_ring:
    next_to_use: i64            # counts up, as next_to_clean; the descriptor is next_to_use % size
    next_to_clean: i64
    size: i64
    packets: i64
    bytes: i64
    busy: i64                   # frames that found no descriptor
    wire_free: i64              # when the frames sent so far have left
    poll_seen: i64              # the poll (napi.polls) that has cleaned it
    more: i64                   # that poll did not get through
    dropped: i64                # the device was down
    itr_class: i64
    itr_jiffy: i64              # ixgbe: until then what has come since the last choice of the throttle is young


@struct(align=CACHELINE)
class nic_t:
    """The card: filters, RSS, offloads."""
    mac: i64
    promisc: i64
    allmulti: i64
    nqueue: i64
    nmulti: i64
    rx_csum: i64
    rss_udp_ports: i64          # rx-flow-hash udp4 sdfn
    rss_tcp_ports: i64
    vlan_strip: i64
    max_frame: i64
    link_up: i64
    first: i64                  # its first ring in the pool
    reta_mask: i64
    multi: Array[i64] = array(64)
    reta: Array[i64] = array(512)
    toeplitz: Array[Array[i64]] = array(36, 256)      # what each byte of the tuple adds to the hash; IPv6 has the longest
    rss: i64                    # the card hashes
    max_queue: i64              # queues that it was probed with
    sender_cpu: i64             # no ring: the CPU that sends to us
    speed: i64                  # Mbit/s
    node: i64                   # NUMA node of its slot
    multi_overflow: i64         # more groups than filters: all multicast passes
    l4_hash: i64                # the descriptor tells whether ports were hashed
    nfdir: i64                  # filters of Flow Director, and the mask of all
    fdir_saddr_mask: i64
    fdir_daddr_mask: i64
    fdir_ports_mask: i64
    fdir_match: i64             # frames that one fitted, and the others
    fdir_miss: i64
    filters: i64                # ethtool -N: any of those below
    etype: Array[i64] = array(4)        # ETQF: EtherType, and its queue
    etype_queue: Array[i64] = array(4, init=NO_QUEUE)
    prio_queue: Array[i64] = array(8, init=NO_QUEUE)    # VLAPQF: queue of a VLAN priority
    mac_filter: Array[i64] = array(16)  # RAH: an address | NIC_MAC_SOURCE, and its queue
    mac_queue: Array[i64] = array(16, init=NO_QUEUE)


@struct(align=CACHELINE)
class net_device:
    """struct net_device and its in_device, as far as receiving asks."""
    ifindex: i64
    nic: i64                    # its card
    up: i64
    mac: i64
    mtu: i64
    gro: i64
    udp_gro_forwarding: i64
    rp_filter: i64              # max(all, this), as the kernel takes it
    accept_source_route: i64
    accept_local: i64
    route_localnet: i64
    drop_unicast_in_l2_multicast: i64
    xmit: i64 = -1              # handler of the xmit table: ndo_start_xmit
    truesize_rule: i64          # 0: by receive buffer; 1: kmalloc sizes of the sender's memory
    sender_room: i64 = SENDER_ROOM      # of rule 1: bytes that the sender allocated beside the IP packet
    addr: i64                   # primary IPv4 address
    mask: i64
    vlan_id: i64                # a VLAN device: its tag | VLAN_DEVICE, the kind of tag as skb.vlan has it, and the device below
    vlan_proto: i64
    real_dev: i64
    forwarding: i64
    arp_ignore: i64
    drop_gratuitous_arp: i64
    head_frag: i64              # an skb's head is a page fragment
    counts_multicast: i64       # a card counts what passes its filter; without one packets and bytes only
    igmp_old_until: i64         # ns: a querier that speaks IGMPv1 or v2 was heard (mr_v1_seen, mr_v2_seen)


@path_function
def netif_running(dev: net_device) -> bool:
    """include/linux/netdevice.h: it is up."""
    return dev.up != 0
