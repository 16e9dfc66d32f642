"""A hidden case: nothing of whoever's it was is in any member, in any form, and it says the same as before."""
import ipaddress
import json
import pathlib
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxpath.cable.case_file import CaseFile
from rxpath.cable.pcapng import link_kind
from rxpath.cable.ring_source import CaseCapture
from rxpath.cable.write import write_pcap
from rxpath.workbench.case.hiding.addresses import Pseudonyms
from rxpath.workbench.case.hiding.frames import Frames
from rxpath.workbench.cli import app as cli
from rxpath.workbench.readings.case import open_recorded
from tests.frames import arp, csum, eth, fragments, icmp, ip, multicast_mac, tcp, udp, udp_frame
from tests.workbench.case.made import HOST, packet, ring, samples, snmp, softnet, udp_table, write

V4 = ("203.77.166.155", "10.77.166.99", "172.29.177.66", "239.77.166.155", "10.77.166.111")
V6 = ("2001:db8:77a6::9b55", "fe80::877:a6ff:fe9b:5566", "fd77:a69b::7b")
MACS = ("0a:7b:a6:9b:5c:6d", "0a:7b:a6:9b:5c:7e")
NAMES = ("zanzibar", "quirinal", "frobnitz", "marzipan", "wilhelmina", "kasbah", "gurkensalat", "xylofon", "hallimasch", "5550199")


def forms(address):
    """Bytes that would show it: packed and swapped, in hexadecimal, in decimal, as it is written."""
    made = ipaddress.ip_address(address)
    packed = made.packed
    swapped = b"".join(packed[i:i + 4][::-1] for i in range(0, len(packed), 4))
    found = {packed, swapped, packed[::-1], address.encode()}
    found |= {p.hex().encode() for p in (packed, swapped)} | {p.hex().upper().encode() for p in (packed, swapped)}
    if made.version == 4:
        found |= {str(int(made)).encode(), str(int.from_bytes(packed, "little")).encode()}
    else:
        found |= {made.exploded.encode(), made.exploded.replace(":", "").encode()}
    return found


def mac_forms(mac):
    plain = mac.replace(":", "")
    dotted = ".".join(plain[i:i + 4] for i in (0, 4, 8))
    texts = (mac, mac.replace(":", "-"), plain, dotted)
    return {bytes.fromhex(plain)} | {t.encode() for t in texts} | {t.upper().encode() for t in texts}


def leaks(path):
    """(member, what): everything of the above that a case shows."""
    wanted = {form: a for a in (*V4, *V6) for form in forms(a)} | {form: m for m in MACS for form in mac_forms(m)}
    found = []
    with zipfile.ZipFile(path) as made:
        for name in made.namelist():
            data = name.encode() + b"\n" + made.read(name)
            found += [(name, what) for form, what in wanted.items() if form in data]
            found += [(name, word) for word in NAMES if word.encode() in data.lower()]
    return found


def stored(address):
    packed = ipaddress.ip_address(address).packed
    return "".join(f"{int.from_bytes(packed[i:i + 4], 'little'):08X}" for i in range(0, len(packed), 4))


A, B, C, GROUP, D = V4
# each begins with ==> its name <==; they hold the addresses and names above
TEXTS = {part.split(" <==\n", 1)[0]: part.split(" <==\n", 1)[1] for part in
         (pathlib.Path(__file__).parents[2] / "data" / "texts_to_hide.txt").read_text().split("==> ")[1:]}
RECORDED = ("uname_-a", "proc/version", "proc/cmdline", "ss_-uamnpe", "ip_-s_-s_-d_link", "ip_address",
            "ip_route_show_table_all", "ip_neigh",
            "proc/net/igmp", "iptables-save_-c", "nft_list_ruleset", "sysctl_-a", "ethtool_-i_eth0")
OWN_HOST = HOST.replace("10.0.0.1", B).replace("02:00:00:00:00:01", MACS[0]).replace('"reader"', '"frobnitz"  # call 5550199') + f"""
[[neighbour]]
ip = "{D}"
mac = "{MACS[1]}"
[iptables]
text = \"\"\"
*filter
:INPUT ACCEPT [0:0]
:MARZIPAN - [0:0]
# of wilhelmina
-A INPUT -s {A}/32 -m comment --comment "wilhelmina" -j MARZIPAN
-A MARZIPAN -p udp --dport 53 -j DROP
COMMIT
\"\"\"
"""


def frames():
    """Twelve kinds of frames with every address, and text in each payload."""
    us, peer = (bytes.fromhex(m.replace(":", "")) for m in MACS)
    text = b"GET www.zanzibar.example wilhelmina " + ipaddress.ip_address(A).packed * 4
    found = []
    found += [eth(ip(udp(text, src=D, dst=B), D, B), us, peer)] * 200
    found.append(arp(1, peer, D, bytes(6), B) + b"wilhelmina")
    head = struct.pack(">IHBB", 0x60000000, 8 + len(text), 17, 64)
    six = head + ipaddress.ip_address(V6[0]).packed + ipaddress.ip_address(V6[1]).packed
    found.append(us + peer + b"\x86\xdd" + six + struct.pack(">HHHH", 1, 2, 8 + len(text), 7) + text)
    found.append(us + peer + b"\x88\xcc" + text)                                                   # LLDP
    found.append(eth(ip(text, proto=47, src=A, dst=B), dst=us, src=peer))                          # GRE
    inner = ip(udp(text, src=B, dst=A), B, A)
    found.append(eth(ip(struct.pack(">BBHI", 3, 3, 7, 0) + inner, proto=1, src=D, dst=B), dst=us, src=peer))
    found.append(eth(ip(struct.pack(">BBH", 0x16, 0, 7) + ipaddress.ip_address(GROUP).packed, proto=2, src=D, dst=GROUP),
                     dst=bytes.fromhex("01005e4da69b"), src=peer))
    tcp = struct.pack(">HHIIBBHHH", 80, 81, 1, 2, 0xA0, 0x18, 100, 7, 0) + b"\x13\x12" + text[:16] + b"\1\1" + text
    found.append(eth(ip(tcp, proto=6, src=A, dst=B), dst=us, src=peer))
    found.append(eth(ip(udp(b"x", src=D, dst=B), D, B), us, peer) + MACS[0].encode())          # padding
    return found


def counters():
    table = udp_table(5000, 0, 3).replace(b"0100000A", stored(B).encode())
    each = []
    for i in range(5):
        each.append((i * 0.1, {"/proc/net/softnet_stat": softnet(i), "/proc/net/snmp": snmp(InDatagrams=10 * i, RcvbufErrors=i),
                               "/proc/net/udp": table,
                               "/proc/net/dev": b"Inter-|  Receive\n face |\nbr-marzipan-zanzibar0: " + b" ".join([b"1"] * 16) + b"\n",
                               "/sys/class/net/br-marzipan-zanzibar0/statistics/rx_dropped": b"3\n",
                               "/proc/7/task/7/schedstat": f"{i * 1000} 5 6\n".encode(),
                               "/proc/7/task/7/stat": b"7 (frob nitz)) S " + b" ".join([b"1"] * 49) + b"\n"}))
    return samples(each)


PROGRAMS = [{"name": "frobnitz", "pid": 7, "sockets": [[3, 77]], "epoll": {"5": "pos:\t0\ntfd: 3 events: 19 data: 3 wilhelmina"},
             "threads": [{"id": 7, "cpus": [0, 1], "stat": "7 (frobnitz) S 1 1", "syscall": "45 0x3 0x7ffc 0x10 0x0 0x0 0x0 0x7f 0x7f"}]}]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hide")
    capture = ring([packet(int(1.7e18) + i * 1_000_000, f, snap=200) for i, f in enumerate(frames())])
    texts = {f"settings/{n}": TEXTS[n].encode() for n in RECORDED} | {"begin/ss_-uamnpe": TEXTS["ss_-uamnpe"].encode()}
    texts |= {f"moments/{n}/sosreport-zanzibar-hallimasch/{name}": text.encode() for n in (0, 1) for name, text in TEXTS.items()}
    texts |= {"moments/0/sosreport-zanzibar/ip_netns_exec_kasbah_ss_-uamnpe": TEXTS["ss_-uamnpe"].encode(),
              "settings/ethtool_-g_br-marzipan-zanzibar0": b"Ring parameters for br-marzipan-zanzibar0:\nPre-set maximums:\nRX:\t\t4096\n"
                                                         b"Current hardware settings:\nRX:\t\t512\n",
              "programs.json": json.dumps(PROGRAMS).encode(), "notes/of-wilhelmina.txt": b"zanzibar"}
    manifest = {"no_capture": "zanzibar", "owner": "wilhelmina", "network_namespace": "kasbah", "moments": [
        {"of": "sosreport-zanzibar.tar", "left_out": ["etc/hallimasch: not read"]}, {"of": "kasbah"}]}
    return write(folder / "whole.rxcase", capture=capture, counters=counters(), host=OWN_HOST, manifest=manifest, texts=texts, devices=[
        {"name": "br-marzipan-zanzibar0", "linktype": 1, "mac": MACS[0], "frames": 1, "lost": 0, "note": "wilhelmina"}])


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    file = tmp_path_factory.mktemp("key") / "key"
    file.write_bytes(b"0123456789abcdef0123456789abcdef\n")
    return str(file)


@pytest.fixture(scope="module")
def hidden(whole, key, tmp_path_factory):
    out = str(tmp_path_factory.mktemp("out") / "hidden.rxcase")
    assert cli.run(["case", whole, "--hide", "--key", key, "-o", out]) == 0
    return out


def test_the_case_holds_every_address_and_name_before(whole):
    shown = {what for _, what in leaks(whole)}
    assert shown >= {*V4, *V6, *MACS, *NAMES}


def test_nothing_of_them_is_in_the_hidden_case(hidden):
    assert leaks(hidden) == []


def test_what_is_counted_is_the_same(whole, hidden):
    a, b = open_recorded(whole), open_recorded(hidden)
    assert len(a.moments) == len(b.moments) == 2 and len(a.samples) == len(b.samples) == 5
    assert b.host_text and not b.problems
    with zipfile.ZipFile(hidden) as made:
        names = [n for n in made.namelist() if n.startswith("moments/0/")]
    assert len(names) == len(TEXTS)                         # the note is left out, the namespace's is there
    for x, y in zip((a.settings, *a.moments), (b.settings, *b.moments), strict=True):
        assert [type(r) for r in x.records] == [type(r) for r in y.records]
        assert x.counter("Udp", "RcvbufErrors") == y.counter("Udp", "RcvbufErrors")
    assert [s.reading("/proc/net/snmp").counter("Udp", "InDatagrams") for s in b.samples] == [0, 10, 20, 30, 40]


# ---------------------------------------------------------------- pseudonyms
def made(subnets=(), secret=b"a secret of the test"):
    return Pseudonyms(secret, subnets)


def v4(text):
    return int(ipaddress.IPv4Address(text))


def shared(a, b, width):
    return width - (a ^ b).bit_length()


@given(st.integers(0x0B000000, 0x63FFFFFF), st.integers(0, 31))
def test_addresses_that_share_a_prefix_share_it_afterwards(address, bit):
    other = address ^ 1 << bit
    p = made()
    if 0x0B000000 <= other <= 0x63FFFFFF and shared(address, other, 32) >= 12:          # the longest prefix that is told apart
        assert shared(p.v4(address), p.v4(other), 32) == shared(address, other, 32)
    six = 0x20010db8 << 96 | address
    assert shared(p.v6(six), p.v6(six ^ 1 << bit), 128) == 127 - bit


@given(st.sampled_from(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "232.0.0.0/8", "239.0.0.0/8"]),
       st.integers(0, 1 << 32))
def test_private_and_group_addresses_stay_what_they_are(net, n):
    network = ipaddress.IPv4Network(net)
    address = int(network.network_address) + n % network.num_addresses
    assert ipaddress.IPv4Address(made().v4(address)) in network


def test_no_public_address_becomes_one_that_means_something_else():
    p = made()
    special = [ipaddress.IPv4Network(n) for n in (
        "0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3")]
    for octet in (*range(1, 10), *range(11, 127), *range(128, 172), *range(173, 192), *range(193, 224)):
        address = ipaddress.IPv4Address(p.v4(octet << 24 | 0x123456))
        assert not any(address in net for net in special), address


def test_a_subnet_keeps_its_own_address_and_its_broadcast_and_no_two_become_one():
    p = made({(v4("10.9.8.0"), 24)})
    hosts = [p.v4(v4("10.9.8.0") + n) for n in range(256)]
    assert len(set(hosts)) == 256 and {h >> 8 for h in hosts} == {hosts[0] >> 8}
    assert hosts[0] & 255 == 0 and hosts[255] & 255 == 255 and p.net4(v4("10.9.8.0"), 24) == hosts[0]
    assert hosts != [v4("10.9.8.0") + n for n in range(256)]


def test_what_everybody_has_stays():
    p = made()
    for text in ("0.0.0.0", "127.0.0.1", "255.255.255.255", "255.255.252.0", "224.0.0.251"):
        assert p.ipv4_text(text) == text
    for text in ("::", "::1", "ff02::1", "ff02::fb"):
        assert p.ipv6_text(text) == text
    for text in ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:80:c2:00:00:0e"):
        assert p.mac_text(text) == text


def test_macs_stay_apart_and_lose_their_maker():
    p = made()
    macs = [p.mac(0x3CFDFE000000 + n) for n in range(4096)]
    assert len(set(macs)) == 4096 and all(m >> 41 & 1 and not m >> 40 & 1 for m in macs)
    assert len({m >> 24 for m in macs}) > 4000
    assert p.mac(0x35CDFE000000) >> 40 & 1                  # a group stays a group


def test_another_key_gives_other_pseudonyms_and_the_same_key_the_same():
    a, b, c = made(), made(), made(secret=b"another secret")
    for of in (lambda p: p.v4(0x5BC82D11), lambda p: p.v6(0x20010db8 << 96 | 77), lambda p: p.mac(0x3CFDFE0001), lambda p: p.name("web1")):
        assert of(a) == of(b) != of(c)


# ---------------------------------------------------------------- frames
def hide_frame(frame, length=None, link=1):
    data = bytearray(frame)
    Frames(made()).hide(data, link, len(frame) if length is None else length)
    return bytes(data)


def ip_of(frame):
    """(header, what is behind it) of an Ethernet frame, and whether the header's sum is right."""
    header = frame[14:14 + (frame[14] & 15) * 4]
    return header, frame[14 + len(header):14 + struct.unpack(">H", header[2:4])[0]], csum(header) == 0


def sum_is_right(header, data, proto):
    return csum(header[12:20] + struct.pack(">BBH", 0, proto, len(data)) + data) == 0


@given(st.binary(max_size=70), st.sampled_from(["udp", "tcp", "icmp", "igmp"]), st.integers(0, 3))
def test_a_right_checksum_stays_right_and_a_wrong_one_wrong(payload, kind, wrong):
    body = {"udp": lambda: udp(payload, src=A, dst=B), "tcp": lambda: tcp(payload, src=A, dst=B, options=b"\x13\x06abcd\1\1"),
            "icmp": lambda: icmp(payload=payload), "igmp": lambda: _igmp(payload)}[kind]()
    number = {"udp": 17, "tcp": 6, "icmp": 1, "igmp": 2}[kind]
    at = {"udp": 6, "tcp": 16, "icmp": 2, "igmp": 2}[kind]
    if wrong:
        said = struct.unpack(">H", body[at:at + 2])[0]
        body = body[:at] + struct.pack(">H", (said + 0x1357 * wrong) & 0xFFFF or 1) + body[at + 2:]
    before = eth(ip(body, A, B, number))
    if wrong and (sum_is_right(ip_of(before)[0], body, number) if number in (6, 17) else csum(body) == 0):
        return
    header, data, right = ip_of(hide_frame(before))
    assert right and len(data) == len(body)
    assert (sum_is_right(header, data, number) if number in (6, 17) else csum(data) == 0) is not bool(wrong)
    if kind in ("udp", "tcp"):
        assert set(data[8 if kind == "udp" else 28:]) <= {0} and data[:4] == body[:4]


def _igmp(payload):
    body = b"\x16\0\0\0" + ipaddress.ip_address(GROUP).packed + payload
    return body[:2] + struct.pack(">H", csum(body)) + body[4:]


def test_a_checksum_left_to_the_card_stays_left_to_it():
    n = 40
    pseudo = ~csum(ipaddress.ip_address(A).packed + ipaddress.ip_address(B).packed + struct.pack(">HH", 17, n)) & 0xFFFF
    header, data, _ = ip_of(hide_frame(eth(ip(udp(b"x" * (n - 8), check=pseudo), A, B))))
    assert struct.unpack(">H", data[6:8])[0] == ~csum(header[12:20] + struct.pack(">HH", 17, n)) & 0xFFFF


def test_a_datagram_without_a_checksum_has_none_afterwards():
    assert ip_of(hide_frame(eth(ip(udp(b"abc", check=0), A, B))))[1][6:8] == b"\0\0"


@given(st.binary(min_size=24, max_size=200))
def test_a_datagram_in_fragments_is_as_right_as_before(payload):
    whole = udp(payload, src=A, dst=B)
    parts = [ip_of(hide_frame(f)) for f in fragments(whole, [8, 16], src=A, dst=B)]
    data = b"".join(p[1] for p in parts)
    if len(payload) % 8 == 1:                               # a last byte alone cannot hold a sum
        return
    assert all(right for *_, right in parts) and sum_is_right(parts[0][0], data, 17)
    assert not any(payload[i:i + 4] in data for i in range(0, len(payload) - 4, 4) if len(set(payload[i:i + 4])) > 2)


@given(st.binary(max_size=120), st.sampled_from([1, 101, 113, 276, 0, 228, 229, 108]), st.integers(0, 40))
def test_any_bytes_are_hidden_without_an_error(data, linktype, more):
    b = bytearray(data)
    Frames(made()).hide(b, link_kind(linktype), len(data) + more)
    assert len(b) == len(data)


def test_a_group_s_mac_follows_its_address():
    out = hide_frame(eth(ip(udp(b"x", dst=GROUP), D, GROUP), multicast_mac(GROUP)))
    assert out[:6] == multicast_mac(str(ipaddress.IPv4Address(out[30:34]))) and out[:6] != multicast_mac(GROUP)


# ---------------------------------------------------------------- the command
def test_a_hidden_case_loses_what_it_lost(whole, hidden, capsys):
    answers = []
    for path in (whole, hidden):
        assert cli.run(["replay", path, "--no-whatif", "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    a, b = answers
    same = ("offered", "delivered", "dropped", "received", "not_offered", "queues", "counters", "latency_ns", "cpus")
    assert {k: a[k] for k in same} == {k: b[k] for k in same} and a["offered"] > 200


def test_the_same_key_gives_the_same_bytes(whole, hidden, key, tmp_path):
    again, other = str(tmp_path / "again.rxcase"), str(tmp_path / "other.rxcase")
    assert cli.run(["case", whole, "--hide", "--key", key, "-o", again]) == 0
    assert cli.run(["case", whole, "--hide", "-o", other]) == 0
    bytes_of = [pathlib.Path(p).read_bytes() for p in (hidden, again, other)]
    assert bytes_of[0] == bytes_of[1] != bytes_of[2]


def test_what_is_left_out_is_said(whole, tmp_path, capsys):
    assert cli.run(["case", whole, "--hide", "-o", str(tmp_path / "h.rxcase")]) == 0
    said = capsys.readouterr().err
    assert "not a part of a case that is known here" in said and "not a text that is read here" in said and "a key that is not kept" in said
    assert not any(name in said.lower() for name in NAMES)


def test_texts_and_a_capture_with_comments_are_hidden_at_once(tmp_path, key):
    frames_of = [(i * 1000, f) for i, f in enumerate(frames())]
    write_pcap(tmp_path / "plain.pcap", frames_of)
    head = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    face = struct.pack("<IIHHI", 1, 36, 1, 0, 0) + struct.pack("<HH", 2, 8) + b"zanzibar" + bytes(4) + struct.pack("<I", 36)
    note = struct.pack("<HH", 1, 8) + b"marzipan" + bytes(4)
    names = struct.pack("<IIHH", 4, 36, 1, 14) + ipaddress.ip_address(A).packed + b"gurkensal\0" + bytes(6) + struct.pack("<I", 36)
    blocks = [head, face, names]
    for t, f in frames_of:
        pad = -len(f) % 4
        size = 32 + len(f) + pad + len(note)
        blocks.append(struct.pack("<IIIIIII", 6, size, 0, 0, t, len(f), len(f)) + f + bytes(pad) + note + struct.pack("<I", size))
    (tmp_path / "noted.pcapng").write_bytes(b"".join(blocks))
    (tmp_path / "zanzibar.txt").write_text(TEXTS["ss_-uamnpe"])
    for name in ("plain.pcap", "noted.pcapng"):
        out = str(tmp_path / (name + ".rxcase"))
        assert cli.run(["case", str(tmp_path / "zanzibar.txt"), str(tmp_path / name), "--hide", "--key", key, "-o", out]) == 0
        assert leaks(out) == []
        with CaseFile(out) as case:
            capture = CaseCapture(case)
            assert capture.total > 200 * 60
            capture.close()


def test_mistakes_are_one_line(whole, tmp_path, capsys):
    short = tmp_path / "short"
    short.write_bytes(b"123")
    out = str(tmp_path / "o.rxcase")
    for words, said in ((["--key", str(short)], "--key: only with --hide"), (["--hide", "--key", str(short)], "a key has 16 to"),
                        (["--hide", "--key", str(tmp_path / "no")], "No such file")):
        assert cli.run(["case", whole, *words, "-o", out]) == 2
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1
    assert not (tmp_path / "o.rxcase").exists()
    assert cli.run(["case", whole, "--hide", "-o", whole]) == 2 and "already exists" in capsys.readouterr().err


# ---------------------------------------------------------------- queues
CARD = """kernel = "6.18"
cpus = 4
[nic]
driver = "igb"
addresses = ["10.0.0.1/24"]
mac = "02:00:00:00:00:01"
queues = 4
[[socket]]
name = "a"
bind = "10.0.0.1:5000"
[[app]]
name = "reader"
sockets = ["a"]
cpu = [3]
"""


@pytest.mark.parametrize("given", [[], ["--set", "nic.queues=2"], ["--set", "ethtool.rx-flow-hash-udp4=sdfn"]])
def test_each_frame_takes_the_queue_that_it_took(tmp_path, key, capsys, given):
    mac = bytes.fromhex("020000000001")
    sent = [udp_frame(b"x" * 40, sport=4000 + n % 3, src=f"10.{n % 40}.7.{n * 37 % 250 + 1}", dst="10.0.0.1", mac=mac) for n in range(400)]
    capture = ring([packet(int(1.7e18) + i * 50_000, f, snap=200) for i, f in enumerate(sent)])
    whole = write(tmp_path / "card.rxcase", capture=capture, host=CARD)
    hidden, spoilt = str(tmp_path / "h.rxcase"), str(tmp_path / "s.rxcase")
    assert cli.run(["case", whole, "--hide", "--key", key, "-o", hidden]) == 0
    with zipfile.ZipFile(hidden) as a, zipfile.ZipFile(spoilt, "w") as b:
        for name in a.namelist():
            b.writestr(name, a.read(name).replace(b"rxst", b"none"))
    capsys.readouterr()
    queues = []
    for path in (whole, hidden, spoilt):
        assert cli.run(["replay", path, "--no-whatif", "--json", *given]) == 0
        queues.append([q["frames"] for q in json.loads(capsys.readouterr().out)["queues"]])
    assert queues[0] == queues[1] != queues[2] and min(queues[0]) > 0


def _changed(whole, out, change):
    """The case with members changed: change(name, data) is what it becomes, or None."""
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            if (data := change(name, old.read(name))) is not None:
                new.writestr(name, data)
    return str(out)


DAMAGES = {
    "cut": lambda whole, out: out.write_bytes(pathlib.Path(whole).read_bytes()[:-3000]),
    "empty": lambda whole, out: out.write_bytes(b"PK\x03\x04"),
    "no manifest": lambda whole, out: _changed(whole, out, lambda n, d: None if n == "manifest.json" else d),
    "no JSON": lambda whole, out: _changed(whole, out, lambda n, d: d[:-9] if n == "manifest.json" else d),
    "a list": lambda whole, out: _changed(whole, out, lambda n, d: b"[1]" if n == "manifest.json" else d),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_case_is_one_line_and_leaves_nothing(damage, whole, key, tmp_path, capsys):
    bad = tmp_path / "bad.rxcase"
    DAMAGES[damage](whole, bad)
    assert cli.run(["case", str(bad), "--hide", "--key", key, "-o", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"rxpath: {bad}") and err.count("\n") == 1 and not out
    assert [p.name for p in tmp_path.iterdir()] == ["bad.rxcase"]


def test_damaged_members_and_names_that_escape_leave_no_trace_of_the_host(whole, key, tmp_path, capsys):
    damaged = {"programs.json": b'[{"name": "wilhelmina", "pid": []}]', "host.toml": b"cpus = [[[ # kasbah"}
    bad = _changed(whole, tmp_path / "bad.rxcase",
                   lambda n, d: damaged.get(n, d[:len(d) * 2 // 3] if n.startswith("capture") else d))
    with zipfile.ZipFile(bad, "a") as more:
        for name in ("../zanzibar", "/etc/zanzibar", "settings/../../zanzibar", "moments/0/../../kasbah"):
            more.writestr(name, b"zanzibar wilhelmina")
    assert cli.run(["case", bad, "--hide", "--key", key, "-o", str(tmp_path / "out")]) == 0
    err = capsys.readouterr().err
    assert "programs.json: not as the recorder writes it" in err and "host.toml: not a host file" in err
    assert not leaks(tmp_path / "out") and not [w for w in NAMES if w in err.lower()]
    with zipfile.ZipFile(tmp_path / "out") as made:
        assert not [n for n in made.namelist() if n.startswith("/") or ".." in n or n in ("programs.json", "host.toml")]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.rxcase", "out"]
