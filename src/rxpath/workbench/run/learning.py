"""What the replies of a capture's receiver teach of its program, and the host with a program that works so.

It takes the place of a program that nobody has described: the only one of the host, without a `service` of its own."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rxpath.cable.receiver import Receiver
from rxpath.workbench.host import file as hostfile
from rxpath.workbench.host.model.host import Host
from rxpath.workbench.run.outcome import Taught

if TYPE_CHECKING:
    from rxpath.workbench.traffic.service_times import Learned


def learn(capture: str, who: Receiver, host: Host) -> tuple[Host, Taught | None]:
    """(the host, what was learned and what came of it); None: the capture holds no replies of its receiver."""
    if not who.answered or who.loopback:
        return host, None
    from rxpath.workbench.traffic.service_times import of_receiver

    found = of_receiver(capture, who)
    if found is None:
        return host, None
    why_not = _described(host) or found.why_not() or who.far
    app = host.apps[0] if host.apps else None
    if why_not or app is None:
        return host, _taught(found, why_not)
    written: dict[str, Any] = dict(host._raw["app"][0]) if "app" in host._raw else {"name": app.name}
    written["service"] = {"capture": capture, "waits": True}
    threads = app.threads
    if "threads" not in app.model_fields_set and found.threads > 1:
        written["threads"] = threads = found.threads
        if not app.cpu:
            written["cpu"] = [host.app_cpu(app, 0)]         # nothing says that it computes on several
        if host.opens_from_capture and len(who.udp_ports) > 1 and app.wait in ("auto", "epoll"):
            written["wait"], written["shared_epoll"] = "epoll", True      # one that is free takes the next
    return hostfile.revise(host, {"app": [written]}), _taught(found, "", app.name, threads)


def _described(host: Host) -> str:
    """Is there a program that nobody has said of how long it works?"""
    if len(host.apps) != 1:
        return "the host file describes its programs"
    return f"the host file says how long {host.apps[0].name} works" if "service" in host.apps[0].model_fields_set else ""


def _taught(found: Learned, why_not: str, app: str = "", threads: int = 0) -> Taught:
    text, work = found.teaches(), found.work
    if why_not:
        text += f"; not applied: {why_not}"
    else:
        _, sleeps = found.work_and_sleep()
        mean = sum(sleeps) / len(sleeps) / 1000
        text += f"; applied: {app} works " + (f"{work / 1000:.1f} us on a datagram and waits {mean:.1f} on average" if mean else "as long")
        text += f", {threads} threads" if threads > 1 else ""
        text += f" (--set app.{app}.service=0us: not)"
    return Taught(text, found.requests, found.replies, work, found.together, found.threads, found.pauses, not why_not, why_not)
