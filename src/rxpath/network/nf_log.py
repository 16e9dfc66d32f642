"""net/netfilter/nf_log_syslog.c: what the kernel's log shows of a packet."""
from typing import Any


def log_line(flat: Any, rule: int, packet: bytes, interface: str = "eth0") -> str:
    """What the kernel's log shows of a packet that met a LOG rule; packet: an Out.LOG record's bytes."""
    ip, ihl = packet[14:], (packet[14] & 15) * 4
    tos, length, ident, frag, ttl, proto = ip[1], int.from_bytes(ip[2:4], "big"), int.from_bytes(ip[4:6], "big"), \
        int.from_bytes(ip[6:8], "big"), ip[8], ip[9]
    words = [f"IN={interface} OUT= MAC={packet[:14].hex(':')}", "SRC=" + ".".join(map(str, ip[12:16])),
             "DST=" + ".".join(map(str, ip[16:20])), f"LEN={length} TOS=0x{tos & 0x1E:02X} PREC=0x{tos & 0xE0:02X} TTL={ttl} ID={ident}"]
    words += [word for bit, word in ((0x8000, "CE"), (0x4000, "DF"), (0x2000, "MF")) if frag & bit]
    words += [f"FRAG:{frag & 0x1FFF}"] if frag & 0x1FFF else []
    words.append("PROTO=" + {1: "ICMP", 6: "TCP", 17: "UDP", 136: "UDPLITE"}.get(proto, str(proto)))
    l4 = ip[ihl:]
    if not frag & 0x1FFF and len(l4) >= 8:
        one, two, three = (int.from_bytes(l4[k:k + 2], "big") for k in (0, 2, 4))
        if proto in (17, 136):
            words.append(f"SPT={one} DPT={two} LEN={three}")
        elif proto == 6 and len(l4) >= 20:
            flags = [n for bit, n in ((32, "URG"), (16, "ACK"), (8, "PSH"), (4, "RST"), (2, "SYN"), (1, "FIN")) if l4[13] & bit]
            words.append(f"SPT={one} DPT={two} WINDOW={int.from_bytes(l4[14:16], 'big')} RES=0x00 {' '.join(flags)} "
                         f"URGP={int.from_bytes(l4[18:20], 'big')}")
        elif proto == 1:
            words.append(f"TYPE={l4[0]} CODE={l4[1]}" + (f" ID={three} SEQ={int.from_bytes(l4[6:8], 'big')}" if l4[0] in (0, 8) else ""))
    return str(flat.prefixes[flat.rules[rule].log][0]) + " ".join(words)
