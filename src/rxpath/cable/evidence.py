"""Why a host of a capture may be its receiver: each piece of evidence with its points, in words.  receiver.py takes the host with most.

The question is where the capture was taken, for that is the host whose losses the user asks about.  Some pieces prove it (the capture
marks its directions; checksums that a card was yet to make exist only on the host that sends), most only point to it (who is an end of
every frame, who answers at once), and where nothing does, the host that most frames go to is the receiver."""
from .hosts import Census, Face, Host, MacRow

PROOF, STRONG = 100, 40
SHARE = 20                      # being an end of every frame that is for one host
MOST = 14                       # receiving more than any other
END_OF_LINE, ROUTED = 8, -8
MARKED = 0.75                   # share of a host's frames that the capture marks as coming in or going out there
NEARER = 10                     # answering at once: the way to the other end is not in between


def weigh(census: Census, hosts: list[Host]) -> None:
    """Points and reasons for each host."""
    most = max((_received(h) for h in hosts), default=0)
    ends = max(census.single, 1)
    single_ip = max(sum(e.rx for e in census.ends if e.one_host), 1)
    groups = {e.lo for e in census.ends if e.version == 4 and e.lo >> 28 == 14 and e.rx}
    rows = {m.mac: m for m in census.macs}
    for h in hosts:
        found: list[tuple[float, str]] = []
        found += _marked(census, h)
        found += _interface(census, h)
        n, looked_at = max((census.sums_left.get(str(a), (0, 1)) for a in h.addresses), default=(0, 1))
        if n:
            found.append(((STRONG + min(n, 20)) * n / looked_at,
                          f"it sends with checksums left to its card ({n:,} of {looked_at:,} that were looked at)"))
        found += _place(h, _end_of(h, rows.get(h.mac)) / (single_ip if h.by_address else ends), len(hosts))
        if most and _received(h):
            share = _received(h) / most
            found.append((MOST * share, "more than any other host" if share == 1 else ""))
        found += _manners(census, h, groups)
        h.points = round(sum(points for points, _ in found), 1)
        h.why = [text for points, text in sorted(found, key=lambda item: -item[0]) if text and points > 0]


def conversations(n: int) -> str:
    return f"{n:,} conversation{'s' * (n != 1)}"


def _received(h: Host) -> int:
    return h.total("rx")


def _marked(census: Census, h: Host) -> list[tuple[float, str]]:
    """Packet types of cooked records, directions of pcapng."""
    if not census.marked:
        return []
    said, all_ = h.total("into") + h.total("out"), h.total("rx") + h.total("tx")
    if not said or said < MARKED * all_:
        return []
    return [(PROOF, f"the capture says which packets came in and which went out ({said:,} frames)")]


def _interface(census: Census, h: Host) -> list[tuple[float, str]]:
    """The file describes the interface that it was taken on."""
    mine = {e.lo for e in h.ends if e.version == 4}
    face: Face | None = next((f for f in census.faces if (f.mac > 0 and f.mac == h.mac) or (f.ip and f.ip in mine)), None)
    return [] if face is None else [(PROOF, f"the file says that its interface {face.name or ''} has this address".replace("  ", " "))]


def _end_of(h: Host, row: MacRow | None) -> int:
    """Frames for one host of which it is an end."""
    if h.by_address:
        return h.total("rx") + h.total("tx")
    return h.rx + h.tx if row is None else row.rx + row.tx - row.group


def _place(h: Host, share: float, hosts: int) -> list[tuple[float, str]]:
    """Where it is in the network: all frames pass by it, and it is no way to others."""
    share = min(share, 1.0)
    most = "every frame" if share > 0.999 else f"{share:.0%} of the frames"
    found = [(SHARE * share, "" if hosts < 3 or share < 0.9 else f"it is an end of {most} for one host")]
    if h.behind:
        found.append((ROUTED, ""))
    elif not h.by_address and len([a for a in h.addresses if a.version == 4]) == 1:
        found.append((END_OF_LINE / 2, ""))
    fresh, worn = h.total("fresh"), h.total("worn")
    if fresh and not worn:
        found.append((END_OF_LINE, "its packets still have an initial TTL"))
    elif worn > fresh:
        found.append((ROUTED, ""))
    return found


def _manners(census: Census, h: Host, groups: set[int]) -> list[tuple[float, str]]:
    """How it behaves: answers, asks, joins."""
    found: list[tuple[float, str]] = []
    nearer, farther = h.total("nearer"), h.total("farther")
    if nearer > 2 * farther:
        found.append((min(3.0 * nearer, NEARER), f"it answers much sooner than the other side ({conversations(nearer)})"))
    elif farther > 2 * nearer:
        found.append((-min(3.0 * farther, NEARER), ""))
    asked, answered = h.total("asked"), h.total("answered")
    if answered:
        found.append((5 * answered / (asked + answered), f"it answers requests ({conversations(answered)})"))
    mine = {e.lo for e in h.ends if e.version == 4}
    if any(d.mac == h.mac and (d.ip in mine or not mine) for d in census.dhcps):
        found.append((4, "DHCP gave it its address"))
    if any(a.mac == h.mac and a.requests for a in census.arps):
        found.append((2, "it asks for its neighbours (ARP)"))
    joined = [j for j in census.joins if j.lo in mine and j.group in groups]
    if joined:
        found.append((3, f"it has joined {len(joined)} group{'s' * (len(joined) > 1)} that traffic goes to"))
    if h.total("tx") and not h.total("rx"):
        found.append((-20, ""))
    return found
