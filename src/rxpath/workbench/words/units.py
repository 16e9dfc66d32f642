"""Units and addresses as people write them: "20us", "4MiB", "1.2Mpps", "10Gbit", "10.0.0.1/24", "02:00:00:00:00:01", "0-3,8".

Everything that turns such text into whole numbers lives here; host files, iptables rules and the command line share it.  Each function
raises ValueError whose text says what is allowed, so that a caller only has to put the key in front."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address

_NUMBER = re.compile(r"\s*([0-9][0-9_]*(?:\.[0-9]+)?|\.[0-9]+)\s*([A-Za-zµμ/]*)\s*\Z")

_DURATION = {"ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60_000_000_000,
             "h": 3_600_000_000_000}
_SIZE = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000,
         "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SCALE = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}

DURATION_ALLOWED = 'a time such as "20us", "1.5ms", "2s", or a whole number of nanoseconds'
SIZE_ALLOWED = 'a size such as "4MiB", "256KiB", "64kB", or a whole number of bytes'
PPS_ALLOWED = 'a packet rate such as "1.2Mpps", "300kpps" or "5000pps"'
BPS_ALLOWED = 'a bit rate such as "10Gbit", "2.5Gbit" or "100Mbit"'
SHARE_ALLOWED = "a share such as 0.1% or 0.001, from 0 to below 100%"
CPUS_ALLOWED = 'CPUs as a list [1, 3], as text "0-3,8", or as a mask "0xe"'

LARGEST = (1 << 63) - 1                                     # all of these end in signed 64-bit fields


def whole(value: object) -> int:
    """A whole number and nothing that merely converts to one: TOML's true, 2.0 and "2" are mistakes here."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("")
    if not -LARGEST - 1 <= value <= LARGEST:
        raise ValueError("")
    return value


def on_off(value: object) -> bool:
    """true/false as TOML writes them, on/off as ethtool does, 1/0 as sysfs does."""
    if isinstance(value, bool):
        return value
    if value in ("on", "true", "yes", 1, "1"):
        return True
    if value in ("off", "false", "no", 0, "0"):
        return False
    raise ValueError("true or false (on or off)")


def share(value: str | float) -> float:
    """0.001 of "0.1%" or 0.001."""
    text = str(value).strip()
    try:
        found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        found = -1.0
    if not 0 <= found < 1:
        raise ValueError(SHARE_ALLOWED)
    return found


def _scaled(value: str, units: dict[str, int], allowed: str, *, fold: bool) -> int:
    """number x unit in exact integer arithmetic: 1.1us is 1100 ns, not what a float makes of it."""
    match = _NUMBER.match(value) if len(value) <= 40 else None
    if match is None:
        raise ValueError(allowed)
    digits, unit = match.group(1).replace("_", ""), match.group(2)
    factor = units.get(unit.lower() if fold else unit)
    if factor is None:
        raise ValueError(allowed)
    left, _, right = digits.partition(".")
    result: int = (int(left or "0") * 10 ** len(right) + int(right or "0")) * factor // 10 ** len(right)
    if result > LARGEST:
        raise ValueError(allowed)
    return result


def duration_ns(value: object) -> int:
    """Nanoseconds from "20us" or from a whole number (already nanoseconds)."""
    if isinstance(value, str):
        if value.isascii() and value.isdigit() and len(value) < 19:
            return int(value)
        return _scaled(value, _DURATION, DURATION_ALLOWED, fold=False)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise ValueError(DURATION_ALLOWED)
    return value


def size_bytes(value: object) -> int:
    """Bytes from "4MiB" or a whole number.  k, M and G alone are powers of 1024; kB, MB and GB are powers of 1000."""
    if isinstance(value, str):
        return _scaled(value, _SIZE, SIZE_ALLOWED, fold=True)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise ValueError(SIZE_ALLOWED)
    return value


def rate_pps(value: object) -> int:
    """Packets a second from "1.2Mpps"; a bare number is packets a second."""
    if isinstance(value, str):
        text = value.strip()
        lower = text.lower()
        text = text[: -len("pps")] if lower.endswith("pps") else text
        result = _scaled(text, _SCALE, PPS_ALLOWED, fold=True)
    elif isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(PPS_ALLOWED)
    else:
        result = value
    if not 0 < result <= LARGEST:
        raise ValueError(PPS_ALLOWED)
    return result


def rate_bps(value: object) -> int:
    """Bits a second from "10Gbit" (also Gbps, Gb/s); a bare number is Gb/s, the unit in which people name a link."""
    if isinstance(value, str):
        match = re.fullmatch(r"(.*?)(?:bits?|bps|b/s|bit/s)", value.strip(), re.IGNORECASE | re.DOTALL)
        if match is None:
            raise ValueError(BPS_ALLOWED)
        result = _scaled(match.group(1), _SCALE, BPS_ALLOWED, fold=True)
    elif isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 100_000:
        raise ValueError(BPS_ALLOWED)
    else:
        result = value * 1_000_000_000
    if not 1_000 <= result <= 10**12:                        # what a cable takes
        raise ValueError(f"{BPS_ALLOWED}, 1kbit to 1000Gbit")
    return result


def ipv4(text: object) -> int:
    """An IPv4 address in dotted decimal as a 32-bit integer.  No leading zeros: "010" means 8 to some programs and 10 to others."""
    try:
        return int(IPv4Address(text if isinstance(text, str) else ""))      # it takes a number, too; we do not
    except AddressValueError:
        later = isinstance(text, str) and ":" in text and all(c in "0123456789abcdefABCDEF:." for c in text)
    raise ValueError('an IPv4 address such as "10.0.0.1"' + ("; IPv6 is not modelled yet" if later else ""))


def ipv4_text(address: int) -> str:
    return str(IPv4Address(address))


def netmask(prefix: int) -> int:
    return (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF


def cidr(text: object) -> tuple[int, int]:
    """(address, prefix length) of "10.0.0.1/24"; the host bits stay.  Without a slash the prefix is 32."""
    if not isinstance(text, str):
        raise ValueError('an address with a prefix such as "10.0.0.1/24"')
    address, slash, prefix = text.partition("/")
    number = ipv4(address)
    if slash and not (prefix.isascii() and prefix.isdigit() and len(prefix) <= 2 and int(prefix) <= 32):
        raise ValueError('an address with a prefix of 0 to 32 such as "10.0.0.1/24"')
    return number, int(prefix) if slash else 32


def mac(text: object) -> int:
    """A MAC address as a 48-bit integer, first octet highest."""
    if isinstance(text, str) and re.fullmatch(r"[0-9a-fA-F]{1,2}(?:[:-][0-9a-fA-F]{1,2}){5}", text):
        value = 0
        for part in re.split("[:-]", text):
            value = value << 8 | int(part, 16)
        return value
    raise ValueError('a MAC address such as "02:00:00:00:00:01"')


def mac_text(address: int) -> str:
    return ":".join(f"{address >> shift & 255:02x}" for shift in range(40, -8, -8))


def cpu_list(value: object) -> tuple[int, ...]:
    """CPUs in ascending order from [1, 3], 2, "0-3,8" (the form of smp_affinity_list) or "0xe" (the mask of rps_cpus)."""
    cpus: set[int] = set()
    if isinstance(value, str) and re.fullmatch(r"0[xX][0-9a-fA-F,]{1,64}", value):
        mask = int(value[2:].replace(",", "") or "0", 16)
        return tuple(cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1)
    if isinstance(value, str):
        for part in value.split(",") if value.strip() else []:
            match = re.fullmatch(r"\s*([0-9]{1,4})(?:\s*-\s*([0-9]{1,4}))?\s*", part, re.ASCII)
            if match is None or (match.group(2) and int(match.group(2)) < int(match.group(1))):
                raise ValueError(CPUS_ALLOWED)
            cpus.update(range(int(match.group(1)), int(match.group(2) or match.group(1)) + 1))
        return tuple(sorted(cpus))
    values = value if isinstance(value, (list, tuple)) else [value]
    for item in values:
        if isinstance(item, bool) or not isinstance(item, int) or not 0 <= item <= 9999:
            raise ValueError(CPUS_ALLOWED)
        cpus.add(item)
    return tuple(sorted(cpus))


def cpu_list_text(cpus: tuple[int, ...]) -> str:
    """The shortest "0-3,8" for a sorted tuple."""
    runs: list[list[int]] = []
    for cpu in cpus:
        if runs and runs[-1][1] == cpu - 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def duration_text(ns: int) -> str:
    """The shortest exact writing of a time: 20us, 1500us, 2s."""
    for unit, factor in (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)):
        if ns and ns % factor == 0:
            return f"{ns // factor}{unit}"
    return f"{ns}ns"


def size_text(size: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def bps_text(bps: int) -> str:
    for unit, factor in (("Gbit", 1_000_000_000), ("Mbit", 1_000_000), ("kbit", 1_000)):
        if bps % factor == 0:
            return f"{bps // factor}{unit}"
    return f"{bps / 1e9:g}Gbit"


def nearest(word: str, known: list[str]) -> str:
    """The known word that was probably meant, or "" when none is close.  difflib is imported here: only mistakes pay for it."""
    import difflib

    found = difflib.get_close_matches(word, known, 1, 0.6)
    return found[0] if found else ""


def shown(value: object) -> str:
    """A value as an error line shows it: short, on one line, in TOML's spelling of true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f'"{value}"' if isinstance(value, str) and '"' not in value and value.isprintable() else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
