"""Cases made by hand: blocks of a ring as af_packet.c fills them, samples as the recorder writes them, so that every figure is known."""
import json
import struct
import zipfile

T0 = 1_700_000_000.0                    # wall clock of the first sample, monotonic 1000.0


def packet(t_ns, frame, snap=96, way=0, vlan=None):
    """struct tpacket3_hdr, sockaddr_ll, the frame; the next one's place is filled in by block()."""
    data = frame[:snap]
    mac = 82
    status, tci, tpid = 1, 0, 0
    if vlan is not None:
        status, tci, tpid = 1 | 1 << 4 | 1 << 6, vlan, 0x8100
    head = struct.pack("<IIIIIIHHIIHH8x", 0, t_ns // 10**9, t_ns % 10**9, len(data), len(frame), status, mac, mac + 14, 0, tci, tpid, 0)
    sll = struct.pack(">HHiHBB8x", 17, 0x0800, 2, 1, way, 6)
    body = (head + sll).ljust(mac, b"\0") + data
    return body.ljust(len(body) + 15 & ~15, b"\0")


def block(packets):
    """A block of a ring."""
    parts = [struct.pack("<I", len(p)) + p[4:] for p in packets]
    if parts:
        parts[-1] = struct.pack("<I", 0) + parts[-1][4:]
    size = 48 + sum(map(len, parts))
    head = struct.pack("<IIIIIIQIIII", 2, 48, 1, len(parts), 48, size, 1, 0, 0, 0, 0)
    return head + b"".join(parts)


def ring(packets, each=50, device=0):
    """The member capture.blocks."""
    blocks = [block(packets[i:i + each]) for i in range(0, len(packets), each)]
    return b"".join(struct.pack("<4sHHI", b"RXBK", device, 0, len(b)) + b for b in blocks)


def snmp(**udp):
    names = ("InDatagrams", "NoPorts", "InErrors", "OutDatagrams", "RcvbufErrors", "SndbufErrors", "InCsumErrors", "IgnoredMulti",
             "MemErrors")
    values = {**dict.fromkeys(names, 0), **udp}
    ip = "Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ReasmTimeout ReasmFails"
    return (f"Ip: {ip}\nIp: 2 64 {udp.get('InDatagrams', 0)} 0 0 0 0\n"
            f"Udp: {' '.join(names)}\nUdp: {' '.join(str(values[n]) for n in names)}\n").encode()


def softnet(dropped=0):
    return (" ".join(["00000000", f"{dropped & 0xFFFFFFFF:08x}", *["00000000"] * 13]) + "\n").encode()


def udp_table(port, recv_q, drops, inode=77):
    return (b"   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
            + f"  100: 0100000A:{port:04X} 00000000:0000 07 00000000:{recv_q:08X} 00:00000000 00000000     0        0 {inode} 2 "
              f"0000000000000000 {drops}\n".encode())


def samples(each):
    """The member counters: [(seconds from the first, {path: bytes})]; wall: by how much the wall clock is off."""
    out, last = [], {}
    for at, files, *wall in each:
        out.append(f"@ {int((1000 + at) * 1e9)} {int((T0 + at + (wall[0] if wall else 0)) * 1e9)} 100000\n".encode())
        for path, data in files.items():
            if last.get(path) == data:
                out.append(f"{path} =\n".encode())
            else:
                out.append(f"{path} {len(data)}\n".encode() + data + b"\n")
                last[path] = data
    return b"".join(out)


HOST = """kernel = "6.18"
cpus = 2
[nic]
driver = "veth"
addresses = ["10.0.0.1/24"]
mac = "02:00:00:00:00:01"
[[socket]]
name = "a"
bind = "10.0.0.1:5000"
[[app]]
name = "reader"
sockets = ["a"]
cpu = [1]
"""


def write(path, *, capture=b"", counters=b"", host=HOST, manifest=None, texts=None, lost=0, devices=None, compress=zipfile.ZIP_DEFLATED):
    """A case file."""
    said = {"format": 1, "tool": "test", "kernel": "6.18.0", "machine": "x86_64", "clocks": []}
    if counters:
        said["counters"] = {"file": "counters"}
    if capture:
        said["capture"] = {"file": "capture.blocks", "snap": 96, "devices": devices or [
            {"name": "eth0", "linktype": 1, "mac": "02:00:00:00:00:01", "frames": 1, "lost": lost}]}
    said |= manifest or {}
    with zipfile.ZipFile(path, "w", compress) as made:
        made.writestr("manifest.json", json.dumps(said))
        for name, data in {"capture.blocks": capture, "counters": counters, "host.toml": host.encode(), **(texts or {})}.items():
            if data:
                made.writestr(name, data)
    return str(path)
