"""Numbers with the kernel's names (include/uapi/linux, include/linux) and the few of ours that have none."""
from enum import IntEnum

ETH_HLEN, ETH_ALEN, VLAN_HLEN, ETH_FCS_LEN = 14, 6, 4, 4
ETH_P_IP, ETH_P_ARP, ETH_P_8021Q, ETH_P_8021AD, ETH_P_IPV6, ETH_P_ALL, ETH_P_802_2, ETH_P_802_3, ETH_P_802_3_MIN = \
    0x0800, 0x0806, 0x8100, 0x88A8, 0x86DD, 0x0003, 0x0004, 0x0001, 0x0600
VLAN_DEVICE, VLAN_VID_MASK = 0x1000, 0x0FFF      # a VLAN device's vlan_id has the first bit: tag 0 is a tag too
IP_HLEN, UDP_HLEN, TCP_HLEN, ICMP_HLEN = 20, 8, 20, 8
TCPHDR_FIN, TCPHDR_SYN, TCPHDR_RST, TCPHDR_PSH, TCPHDR_ACK, TCPHDR_URG, TCPHDR_ECE, TCPHDR_CWR = \
    0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80
IP_CE, IP_DF, IP_MF, IP_OFFSET = 0x8000, 0x4000, 0x2000, 0x1FFF
AF_INET, AF_INET6 = 2, 10

PTYPE_HASH_SIZE = 16
MAX_SOFTIRQ_RESTART = 10
NAPI_STATE_SCHED, NAPI_STATE_MISSED, NAPI_STATE_DISABLE, NAPI_STATE_THREADED, NAPI_STATE_IN_BUSY_POLL = 1, 2, 4, 8, 16
NAPI_POLL_WEIGHT, BUSY_POLL_BUDGET = 64, 8
GRO_HASH_BUCKETS, MAX_GRO_SKBS, UDP_GRO_CNT_MAX, GRO_LEGACY_MAX_SIZE = 8, 8, 64, 65536
GRO_MERGED, GRO_MERGED_FREE, GRO_HELD, GRO_NORMAL, GRO_CONSUMED = 0, 1, 2, 3, 4
NET_RX_SUCCESS, NET_RX_DROP = 0, 1
CHECKSUM_NONE, CHECKSUM_UNNECESSARY, CHECKSUM_COMPLETE, CHECKSUM_PARTIAL = 0, 1, 2, 3
CHECKSUM_BREAK = 76             # up to here a UDP checksum is verified at arrival, beyond it at the read
PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST, PACKET_LOOPBACK = 0, 1, 2, 3, 5
NF_DROP, NF_ACCEPT, NF_STOLEN = 0, 1, 2
NF_WAIT = -2                    # ours: not this CPU's turn yet, ask again
XT_CONTINUE = -1

E1000_RXD_STAT_DD, E1000_RXD_STAT_EOP, E1000_RXD_STAT_IXSM, E1000_RXD_STAT_VP = 0x01, 0x02, 0x04, 0x08
E1000_RXD_STAT_UDPCS, E1000_RXD_STAT_TCPCS, E1000_RXD_STAT_IPCS = 0x10, 0x20, 0x40
E1000_RXDEXT_STATERR_L4E, E1000_RXDEXT_STATERR_IPE, E1000_RXDEXT_STATERR_RXE = 0x20000000, 0x40000000, 0x80000000
E1000_TXD_STAT_DD = 1
IGB_RX_BUFFER_WRITE = 16
MAX_JUMBO_FRAME_SIZE = 9728
RXD_L4_HASH = 1 << 18           # of a descriptor's status, for RSSTYPE: ports were hashed
IGB_TX_WORK = 128
IGB_START_ITR, IGB_4K_ITR, IGB_20K_ITR, IGB_70K_ITR = 648, 980, 196, 56          # quarters of a us
IGB_RSS_KEY_SIZE, NIC_MULTI = 40, 64
IGMP_ALL_HOSTS = 0xE0000001      # 224.0.0.1
ETH_ZLEN = 60                   # without FCS: igb pads what is shorter
NIC_MAC_SOURCE = 1 << 48        # mac_filter: the source address, not the destination
FEED_QUEUE = 8                  # arrival.flags: from this bit on the queue of a frame that waits in a packet buffer
NOT_OF_THE_BOOKS = 2            # skb.is_page of a frame that we send: no frame of the cable

SHARED_INFO = 320               # struct skb_shared_info, with alignment
NET_SKB_PAD = 64                # in front of what a card has written
PACKET_PAD = 2                  # and of what a packet socket has sent: LL_RESERVED_SPACE(), less the Ethernet header
TRUESIZE_OVERHEAD = 256         # sizeof(struct sk_buff), beside the half page of igb: 2304 in all
SENDER_ROOM = 31                # of a datagram's skb (ip_make_skb): LL_RESERVED_SPACE() of Ethernet, and 15 to align
PACKET_ROOM = 30                # of a packet socket's (packet_alloc_skb): LL_RESERVED_SPACE(), and the Ethernet header
SMALL_HEAD = 576                # an object of skb_small_head_cache here; distributions' kernels, with WLAN and tunnels: 704
SEGMENT_TRUESIZE = 832          # of a segment made in software: a kmalloc of 576 for its headers, and sizeof(struct sk_buff)
MAX_SKB_FRAGS = 17

EAGAIN, EINTR, EBADF, ENOMEM, EINVAL, EADDRINUSE, ENOBUFS, ENOTCONN, ECONNREFUSED = -11, -4, -9, -12, -22, -98, -105, -107, -111
EOPNOTSUPP, EISCONN, ECONNRESET, EPIPE, EFAULT, EMFILE = -95, -106, -104, -32, -14, -24
EADDRNOTAVAIL, ETIMEDOUT, EALREADY, EINPROGRESS = -99, -110, -114, -115
MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_DONTWAIT, MSG_WAITALL, MSG_WAITFORONE = 0x1, 0x2, 0x20, 0x40, 0x100, 0x10000
MSG_DONTROUTE, MSG_CONFIRM, MSG_MORE = 0x4, 0x800, 0x8000

NO_SKB = NO_NAPI = NO_SOCK = NO_THREAD = NO_QUEUE = NO_TOUCH = NO_ROUTE = NO_SHARE = NO_DEV = NO_CPU = NO_TIMER = NO_PROG = -1
NO_REQ = NO_TW = NO_METRICS = -1
FRAME_OF_OURS = -(1 << 40)       # skb.frame of what this host sends by itself: it answers no frame
OUTPUT_MULTICAST = -2           # skb.dst of what comes back to its sender, to a group or a broadcast address: its sender's route
# arrival.flags: what is known of a frame beside its bytes.  All but the error go on with the packet (skb.wire), through FEED_WIRE bits of a
# descriptor's status.  The checksum of its transport was right on the wire, and so was its IP header's: a snap length cut the frame, or
# the capturing sender had left them to its card.  Its transport's header, or one before that, is not in the capture.
FEED_CSUM_GOOD, FEED_RX_ERROR, FEED_IP_CSUM_GOOD, FEED_HEADER_CUT = 1, 2, 4, 8
FEED_STEER = 32                 # from this bit on: what the addresses that a hidden capture does not show change in the card's hash
FEED_WIRE, RXD_WIRE_SHIFT = FEED_CSUM_GOOD | FEED_IP_CSUM_GOOD | FEED_HEADER_CUT, 20
NEVER = 1 << 54                 # a time; shifted by SLOT_BITS it still fits into 63 bits
SLOT_BITS = 8
DONE, YIELD = 0, -1             # what a loop that can be left and re-entered says
# a call on a stream: it owns the socket, and its time so far is to pass first; another call owns it; a page of its buffer is missing
OWNING, LOCKED, FAULTING = -4096, -4097, -4098
DRAIN = -2                      # what the engine says when a ring of outputs is half full
MASK63 = 0x7FFF_FFFF_FFFF_FFFF


class Trail(IntEnum):
    """Which frames leave marks."""
    UNWATCHED = -1              # none, and stations are neither charged nor counted: real time, whose clock is on the wall
    OFF = 0
    ALL = 1
    MAP = 2                     # those whose bit is set in net.trail_map
    LOST = 3                    # only the end of a frame that is lost
    ENDS = 4                    # of every frame only its end, its socket with what was in its queue, and where its time went
    TIMELINE = 5                # the ends of lost frames; and what CPUs do goes into net.timeline, with frames whose bit is set


class Run(IntEnum):
    """Where a run stands: neighbours of one protocol that go up together (napi.run).  link/dev.py gathers it and hands it up; a list_func
    that is left between packets goes on where it was (network/ip_input.py).

    GATHER -> HAND_UP -> IP: [HOOK ->] FINISH -> DELIVER -> GATHER"""
    GATHER = 0                  # the next packet may still belong to it
    HAND_UP = 1                 # it is complete
    HOOK = 2                    # ip_list_rcv: its packets pass PRE_ROUTING, one by one
    FINISH = 3                  # they are routed
    DELIVER = 4                 # each goes to its dst.input


class Softirq(IntEnum):
    """softirq types (include/linux/interrupt.h), in their order."""
    HI = 0
    TIMER = 1
    NET_TX = 2
    NET_RX = 3
    BLOCK = 4
    IRQ_POLL = 5
    TASKLET = 6
    SCHED = 7
    HRTIMER = 8
    RCU = 9


class Secret(IntEnum):
    """Rows of net.siphash_key: what is drawn at boot so that a peer cannot guess what is made from it."""
    net_secret = 0              # initial sequence numbers, offsets of time stamps (net/core/secure_seq.c)
    syncookie_0 = 1             # the two of net/ipv4/syncookies.c
    syncookie_1 = 2
    fastopen = 3                # tcp_fastopen_key


class IPPROTO(IntEnum):
    ICMP = 1
    IGMP = 2
    TCP = 6
    UDP = 17
    PIM = 103
    UDPLITE = 136
    RAW = 255


class TCP(IntEnum):
    """States of a socket, of any protocol (include/net/tcp_states.h)."""
    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECV = 3
    FIN_WAIT1 = 4
    FIN_WAIT2 = 5
    TIME_WAIT = 6
    CLOSE = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11
    NEW_SYN_RECV = 12


class ICMP(IntEnum):
    """Types of ICMP messages (include/uapi/linux/icmp.h), and the codes that are sent from here."""
    ECHOREPLY = 0
    DEST_UNREACH = 3
    SOURCE_QUENCH = 4
    REDIRECT = 5
    ECHO = 8
    TIME_EXCEEDED = 11
    PARAMETERPROB = 12
    TIMESTAMP = 13
    TIMESTAMPREPLY = 14
    ADDRESS = 17
    ADDRESSREPLY = 18
    EXT_ECHO = 42
    EXT_ECHOREPLY = 43


ICMP_NET_UNREACH, ICMP_HOST_UNREACH, ICMP_PROT_UNREACH, ICMP_PORT_UNREACH, ICMP_FRAG_NEEDED = 0, 1, 2, 3, 4
ICMP_NET_ANO, ICMP_HOST_ANO, ICMP_PKT_FILTERED, ICMP_PREC_VIOLATION, ICMP_PREC_CUTOFF, NR_ICMP_UNREACH = 9, 10, 13, 14, 15, 15
ICMP_EXC_TTL, ICMP_EXC_FRAGTIME, NR_ICMP_TYPES = 0, 1, 18
RT_TABLE_MAIN, RT_TABLE_LOCAL = 254, 255
EHOSTUNREACH, ENETUNREACH, EACCES, EMSGSIZE, EDESTADDRREQ, ENODEV = -113, -101, -13, -90, -89, -19
DEMUX_ROUTED = -1               # early demux has found the socket, and its route with it
POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLRDNORM, POLLWRNORM, POLLWRBAND, POLLRDHUP = 1, 2, 4, 8, 16, 64, 256, 512, 8192


class RTN(IntEnum):
    """Kinds of route (include/uapi/linux/rtnetlink.h)."""
    UNSPEC = 0
    UNICAST = 1
    LOCAL = 2
    BROADCAST = 3
    ANYCAST = 4
    MULTICAST = 5
    BLACKHOLE = 6
    UNREACHABLE = 7
    PROHIBIT = 8


class Hook(IntEnum):
    """netfilter hooks that a received packet meets."""
    PRE_ROUTING = 0
    LOCAL_IN = 1


class Ctx(IntEnum):
    """What a CPU is doing.  Hard IRQs are moments, not states."""
    IDLE = 0
    TASK = 1
    SOFTIRQ = 2


class Idle(IntEnum):
    """Idle states, in the order of Stage.IDLE_EXIT and what follows it.  POLL: idle=poll, the CPU spins."""
    C1 = 0
    C1E = 1
    C3 = 2
    C6 = 3
    POLL = 4


class Th(IntEnum):
    """State of a thread."""
    SLEEPING = 0
    RUNNABLE = 1
    RUNNING = 2
    EXITED = 3


class Pausing(IntEnum):
    """A program that stands still for a time."""
    NONE = 0
    DUE = 1                     # the time has come; it is in the kernel, or has not run since
    STOPPED = 2                 # it goes no further
    UNDER_WAY = 3


class Kind(IntEnum):
    """What a thread is."""
    KSOFTIRQD = 0
    APP = 1                     # a compiled application model: receives, works, receives
    HOST = 2                    # a Python program: the engine returns to it with each datagram
    NAPI = 3                    # napi/eth0-N of threaded NAPI
    HOG = 4                     # computes; with a period it sleeps between
    SENDER = 5                  # a task of another network namespace, which sends to us over veth, or of this host over lo
    STREAM = 6                  # an application model that serves TCP


class Kthread(IntEnum):
    """Who does the softirq work of a CPU."""
    NONE = 0                    # inline: whoever is current pays
    KSOFTIRQD = 1
    NAPI = 2                    # a threaded NAPI polls with bottom halves off
    BUSY = 3                    # a reader busy-polls with bottom halves off


class WaitBy(IntEnum):
    """How a thread waits for datagrams."""
    RECV = 0                    # sleeps in recvfrom()
    EPOLL = 1                   # epoll_wait(), level-triggered, then reads until EAGAIN
    POLL = 2                    # poll(), then reads until EAGAIN
    SPIN = 3                    # MSG_DONTWAIT, again and again


class RecvStep(IntEnum):
    """What a call that reads a stream does next."""
    NONE = 0                    # it has not begun, or it sleeps
    COPY = 1
    FLUSH = 2                   # it has read all: the backlog, then on
    WAIT = 3                    # it lets the socket go, and sleeps if the backlog has brought nothing
    END = 4                     # it lets the socket go, and returns


class Op(IntEnum):
    """What a Python program asks of the engine."""
    NONE = 0
    RECV = 1
    SLEEP = 2
    WORK = 3
    EXIT = 4
    POLL = 5                    # poll() of its pollfd list
    EPOLL = 6                   # epoll_wait()
    ACCEPT = 7
    SEND = 8                    # sendto(), sendmsg()


class Note(IntEnum):
    """Word that a station leaves for its driver (virtual time: the engine; real time: the thread's loop)."""
    WAKE_READER = 0
    WAKE_KSOFTIRQD = 1
    RPS_IPI = 2
    IRQ_ENABLED = 3
    WAKE_NAPI = 4
    TIMER = 5                   # a timer of that CPU comes earlier than the driver knows
    IRQ_SOONER = 6              # a queue's interrupt may be due sooner: a frame was given to the NIC, or came from its packet buffer


class Out(IntEnum):
    """What leaves the path as bytes (outputs.py)."""
    TAP = 0                     # a packet socket's copy
    TX = 1                      # a frame that this host sent
    LOG = 2                     # the packet of an iptables LOG line


IRQ_HANDLED = 1                 # what a handler returns
HRTIMER_NORESTART = 0           # and what the function of an hrtimer does


class NicMode(IntEnum):
    """How a device's frames reach the stack."""
    NAPI = 0                    # a card: ring, hard IRQ, napi_schedule
    IRQ_PER_PACKET = 1          # no NAPI: each frame interrupts, netif_rx() from the handler
    NETIF_RX = 2                # no ring: the sender's context calls netif_rx()
