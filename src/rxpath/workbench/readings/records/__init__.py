"""What the texts of a host say, free of how they looked: one frozen dataclass for each kind of knowledge, and the Reading that holds all of
one moment.  Whoever makes them - the readers of texts, the live reading - and whoever asks (doctor, snapshot, counters) meet here.

Names are the kernel's: /proc/net/snmp's for the counters of protocols, rtnl_link_stats64's for devices, ethtool's for cards.  None means
that the text does not say it; 0 is a zero that was printed."""
from .base import DeviceRecord, Record, Source, Unread
from .cards import (
    Channels,
    Coalesce,
    DriverInfo,
    EthtoolStats,
    Feature,
    Features,
    FlowHash,
    FlowRule,
    FlowRules,
    Indirection,
    LinkSettings,
    Pause,
    Rings,
    Value,
)
from .drops import Drop, Drops, Exporter, Sample
from .machine import CpuTimes, Interrupts, Irq, Kernel, Lscpu, Moment, Mpstat, SchedRow, Schedstat, Softirqs, Softnet, SoftnetRow, Stat
from .network import Address, Conntrack, Link, Neighbour, NetDev, Route, Snmp, Sockstat
from .reading import R, Reading
from .rules import RuleCount, Rules, Sysctls
from .sockets import Packet, PacketSocket, Program, Skmem, TcpSocket, TcpSockets, UdpSocket, UdpSockets

__all__ = [
    "Address", "Channels", "Coalesce", "Conntrack", "CpuTimes", "DeviceRecord", "DriverInfo", "Drop", "Drops", "EthtoolStats",
    "Exporter", "Feature", "Features", "FlowHash", "FlowRule", "FlowRules", "Indirection", "Interrupts", "Irq", "Kernel", "Link",
    "LinkSettings", "Lscpu", "Moment", "Mpstat", "Neighbour", "NetDev", "Packet", "PacketSocket", "Pause", "Program", "R", "Reading",
    "Record", "Rings", "Route", "RuleCount", "Rules", "Sample", "SchedRow", "Schedstat", "Skmem", "Snmp", "Sockstat", "Softirqs",
    "Softnet", "SoftnetRow", "Source", "Stat", "Sysctls", "TcpSocket", "TcpSockets", "UdpSocket", "UdpSockets", "Unread", "Value",
]
