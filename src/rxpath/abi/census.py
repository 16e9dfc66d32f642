"""What one pass over a capture's headers keeps (cable/census.py): conversations under way, and what they add up to for each host and port.

All of it has a fixed size.  A conversation that needs another's place folds it into the tables of hosts and ports first; in those, sets of
eight places, the one that was seen least makes room, and is counted: of a million hosts the busy ones stay."""
from .._compile import CACHELINE, Array, array, i64, struct, table
from .survey import survey_t

NCONV = 8192                    # a power of two, as the others
NCENSUS_MAC, NCENSUS_HOST, NCENSUS_PORT = 4096, 16384, 131072
NARP, NDHCP, NJOIN, NREFUSED = 1024, 64, 256, 1024
NCHANGE = 16                    # times that a port opens or closes
WAYS = 8                        # places of a set


@struct(align=CACHELINE)
class census_conv:
    """A conversation under way.  End 0 is the one with the lower address and port; arrays of two are of what each end has sent."""
    meta: i64                   # 0: free
    ports: i64                  # of end 0 << 16 | of end 1
    mac_0: i64                  # -1: the capture has none
    mac_1: i64
    hi_0: i64
    lo_0: i64
    hi_1: i64
    lo_1: i64
    last: i64                   # who sent last, and when; -1: nobody.  From here to ttls: what each frame touches, a cache line
    last_ts: i64
    frames: Array[i64] = array(2)
    at: Array[i64] = array(2)           # the record of the last frame
    ttls: i64                   # of the last frames: of end 0 | of end 1 << 8
    first: i64                  # who sent the first
    into: Array[i64] = array(2)         # the capture itself says that it came in, or went out
    out: Array[i64] = array(2)
    near: Array[i64] = array(2)         # ns: its quickest answer, 0: none
    syn: Array[i64] = array(2)
    synack: Array[i64] = array(2)
    rst: Array[i64] = array(2)


@struct()
class census_mac:
    """A hardware address."""
    used: i64
    mac: i64
    rx: i64
    tx: i64
    group: i64                  # frames that it sent to groups or all
    order: i64


@struct()
class census_host:
    """An address behind a MAC (-1: the capture has none), in a VLAN."""
    used: i64
    mac: i64
    hi: i64
    lo: i64
    version: i64
    vlan: i64                   # -1: none; outer tag | inner << 12
    order: i64
    rx: i64
    tx: i64
    rx_udp: i64
    rx_tcp: i64
    rx_icmp: i64
    into: i64                   # received, and the capture says that they came in
    out: i64                    # sent, and the capture says that they went out
    fresh: i64                  # sent with a TTL that no router has touched
    worn: i64
    asked: i64                  # conversations that it began and that were answered
    answered: i64               # ... that others began and it answered
    nearer: i64                 # ... in which it answers much sooner than the other end
    farther: i64
    inward: i64                 # frames from and to the same MAC


@struct()
class census_port:
    """A port of an address, whatever its MAC."""
    used: i64
    hi: i64
    lo: i64
    proto: i64
    port: i64
    rx: i64
    tx: i64
    syn: i64
    synack: i64
    rst: i64
    unreachable: i64
    answered: i64               # conversations that others began and it answered


@struct()
class census_arp:
    """Who says in ARP that an address is his, and which addresses he has asked for."""
    used: i64
    mac: i64
    ip: i64
    requests: i64
    replies: i64
    least: i64                  # of the addresses that were asked for
    most: i64


@struct()
class census_dhcp:
    """What a DHCP server has given to a hardware address."""
    used: i64
    mac: i64
    ip: i64
    mask: i64
    router: i64


@struct()
class census_join:
    """A host that has joined a group, by its IGMP reports."""
    used: i64
    hi: i64
    lo: i64
    group: i64


@struct()
class census_refused:
    """A UDP port that was refused at some time with port unreachable: when it closed and opened, and what was sent from it since."""
    used: i64
    hi: i64
    lo: i64
    port: i64
    closed: i64                 # as of now
    last: i64                   # record of the last port unreachable
    sent: i64                   # datagrams from it since the first one
    n: i64                      # changes, with those for which there was no room
    at: Array[i64] = array(NCHANGE)     # record from which on it is closed, after which it is open, closed, ...


@struct(align=CACHELINE)
class census_t:
    """Who talks to whom in a capture."""
    records: i64
    frames: i64
    bare: i64                   # frames without MACs
    group: i64                  # frames to groups or all
    to_us: i64                  # the capture says so itself
    from_us: i64
    answers: i64                # what the kernel itself answered, if this is lo
    not_ip: i64
    lost_hosts: i64             # that made room for others, and their frames
    lost_frames: i64
    lost_ports: i64             # the same of UDP ports that somebody sent to, and these datagrams
    lost_datagrams: i64
    nrefused: i64
    nhost: i64
    nport: i64
    nmac: i64
    host_at: Array[i64] = array(NCENSUS_HOST)       # places in use, in the order in which they were taken
    port_at: Array[i64] = array(NCENSUS_PORT)
    mac_at: Array[i64] = array(NCENSUS_MAC)
    host_key: Array[i64] = array(NCENSUS_HOST)      # of each place: a hash of whose it is (0: nobody's), and how much was seen of it.  A
    host_seen: Array[i64] = array(NCENSUS_HOST)     # set is one cache line of each, where its eight places would be two or three lines each
    port_key: Array[i64] = array(NCENSUS_PORT)
    port_seen: Array[i64] = array(NCENSUS_PORT)
    conv: Array[census_conv] = array(NCONV)
    macs: Array[census_mac] = array(NCENSUS_MAC)
    hosts: Array[census_host] = array(NCENSUS_HOST)
    ports: Array[census_port] = array(NCENSUS_PORT)
    arps: Array[census_arp] = array(NARP)
    dhcps: Array[census_dhcp] = array(NDHCP)
    joins: Array[census_join] = array(NJOIN)
    refused: Array[census_refused] = array(NREFUSED)
    refused_port: Array[i64] = array(2048)          # their ports, as bits
    survey: survey_t = table()
