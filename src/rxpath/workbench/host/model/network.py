"""What the network layer is told, as a host file describes it: [[route]], [[neighbour]], [iptables]."""
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, field_validator, model_validator

from rxpath.workbench.toml_in.tables import Flag, Part, Wrong, key, texts
from rxpath.workbench.words import units

ROUTES_MAX = 16384
PLACE = 'table, chain and number of a rule, from 1, such as "filter INPUT 301"'
TABLES = ("raw", "mangle", "filter")


def rule_place(text: str) -> tuple[str, str, int]:
    """(table, chain, number) of a firewall rule."""
    words = text.split()
    if len(words) != 3 or words[0] not in TABLES or not (words[2].isascii() and words[2].isdigit() and 0 < int(words[2][:9])):
        raise ValueError(PLACE)
    return words[0], words[1], int(words[2])


class Route(Part):
    """A route beyond those that the addresses bring; as `ip route` writes it."""

    dst: str = key(..., "destination", 'a network "10.1.0.0/16" or "default"', example='"10.1.0.0/16"')
    type: Literal["unicast", "local", "broadcast", "blackhole", "unreachable", "prohibit"] = key(
        "unicast", "what happens to a packet for it", "unicast, local, broadcast, blackhole, unreachable or prohibit")
    via: str | None = key(None, "next hop", 'an IPv4 address such as "10.0.0.254"', example='"10.0.0.254"')
    dev: str | None = key(None, "interface; default the NIC", "the NIC's name or lo", example='"eth0"')

    @field_validator("dst", mode="before")
    @classmethod
    def _dst(cls, value: object) -> str:
        if value == "default":
            return "default"
        address, prefix = units.cidr(value)
        if address & ~units.netmask(prefix) & 0xFFFFFFFF:
            raise ValueError(f"{units.ipv4_text(address & units.netmask(prefix))}/{prefix} (the host bits must be 0)")
        return f"{units.ipv4_text(address)}/{prefix}"

    @field_validator("via", mode="before")
    @classmethod
    def _via(cls, value: object) -> object:
        return None if value is None else units.ipv4_text(units.ipv4(value))


class Neighbour(Part):
    """A known neighbour: `ip neigh`.  Others are learnt from the frames they send."""

    ip: str = key(..., "address", 'an IPv4 address such as "10.0.0.2"', example='"10.0.0.2"')
    mac: str = key(..., "its hardware address", 'a MAC address such as "02:00:00:00:00:02"', example='"02:00:00:00:00:02"')

    @field_validator("ip", mode="before")
    @classmethod
    def _ip(cls, value: object) -> str:
        return units.ipv4_text(units.ipv4(value))

    @field_validator("mac", mode="before")
    @classmethod
    def _mac(cls, value: object) -> str:
        return units.mac_text(units.mac(value))


class Iptables(Part):
    """Firewall rules as `iptables-save` prints them; `iptables = "FILE"` is short for `file`."""

    file: str | None = key(None, "file with the rules, relative to the host file", "a path", example='"rules.v4"')
    text: str | None = key(None, "the rules themselves", "text as iptables-save prints it",
                           example='"*filter\\n-A INPUT -p udp -m udp --dport 53 -j DROP\\nCOMMIT\\n"')
    first: Annotated[tuple[str, ...], BeforeValidator(texts)] = key(
        (), "rules that go to the front of their chains, in this order", PLACE + ", or a list of these", example='["filter INPUT 301"]')
    raw: Annotated[tuple[str, ...], BeforeValidator(texts)] = key(
        (), "rules that go to the front of raw's PREROUTING, before routing", PLACE + ", or a list of these", example='["filter INPUT 12"]')
    skip_unsupported: Flag = key(False, "leave out rules that are not modelled and report them, instead of refusing the file",
                                 "true or false")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.file is not None and self.text is not None:
            raise Wrong("iptables", "either file or text, not both")
        for name, places in (("first", self.first), ("raw", self.raw)):
            for text in places:
                try:
                    rule_place(text)
                except ValueError as error:
                    raise Wrong(f"iptables.{name}", str(error)) from None
        return self
