"""A draft becomes text that TOML reads back, and that the checks of a host file take, whatever is in it."""
import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.workbench.host.file import loads
from rxpath.workbench.host.snapshot.draft import Draft


def nested(data):
    """Flat sysctl names as TOML nests them: compared by leaves."""
    leaves = {}

    def walk(prefix, value):
        if isinstance(value, dict):
            for k, v in value.items():
                walk((*prefix, *str(k).split(".")), v)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for i, v in enumerate(value):
                walk((*prefix, str(i)), v)
        else:
            leaves[prefix] = list(value) if isinstance(value, tuple) else value
    walk((), data)
    return leaves


def a_draft():
    draft = Draft()
    draft.top.set("cpus", 4)
    draft.table("nic").set("addresses", ["10.0.0.1/24"], "as ip address shows it")
    draft.table("irq").set("0", 3, "irq 38")
    return draft


def test_text_and_data_are_the_same_host():
    draft = a_draft()
    draft.table("sysctl").set("net.core.rmem_max", 8388608)
    draft.table("iptables").set("text", '*filter\n-A INPUT -m comment --comment "a \\"b\\" \\\\" -j DROP\nCOMMIT\n')
    card = draft.add("card")
    card.set("name", "eth1")
    card.below("ethtool").set("rx", 512)
    card.below("irq").set("0", 2)
    host = draft.settle("a test")
    assert nested(tomllib.loads(draft.text())) == nested(draft.data())
    assert loads(draft.text()) == host
    assert host.device.irq_cpu(0) == 3 and host.devices[1].irq_cpu(0) == 2 and host.devices[1].rx_ring == 512


def test_a_refused_setting_becomes_a_comment_that_says_why_and_the_others_stay():
    draft = a_draft()
    draft.table("nic").set("mtu", 99999)
    draft.table("sysctl").set("net.core.netdev_budget_usecs", 3)
    draft.table("sysctl").set("net.core.netdev_budget", 600)
    draft.table("irq").set("1", 77)
    host = draft.settle("a test")
    text = draft.text()
    assert host.nic.mtu is None and host.sysctls()["net.core.netdev_budget"] == 600 and host.cpus == 4
    for setting, why in (("#mtu = 99999", "9216"), ("#net.core.netdev_budget_usecs = 3", "8000"), ("#1 = 77", "no CPU 77")):
        at = text.index(setting)
        assert why in text[:at].rpartition("\n\n")[2] or why in text[at:].partition("\n")[0], setting


def test_an_entry_without_its_necessary_key_goes_as_a_whole():
    draft = a_draft()
    for bind in ("0.0.0.0:53", "nowhere", "0.0.0.0:54"):
        socket = draft.add("socket")
        socket.set("name", f"s{bind[-2:]}")
        socket.set("bind", bind)
    app = draft.add("app")
    app.set("name", "dns")
    app.set("sockets", ["s53", "sre", "s54"])
    host = draft.settle("a test")
    assert [s.bind for s in host.sockets] == [("0.0.0.0:53",), ("0.0.0.0:54",)]
    assert "#[[socket]]\n#name = \"sre\"\n#bind = \"nowhere\"" in draft.text() and "# Not taken here:" in draft.text()
    assert loads(draft.text()) == host


def test_what_was_read_cannot_leave_its_comment_or_its_string():
    draft = a_draft()
    evil = 'x"\ncpus = 63\r\n[nic]\u2028cpus = 62\x85cpus = 61\x00'
    draft.top.note(evil)
    draft.top.not_here("hz", evil, evil)
    draft.remarks.append(evil)
    draft.table("nic").set("name", evil)                    # refused: it has a blank
    tap = draft.add("tap", evil)
    tap.off = evil
    tap.set("file", evil)
    host = draft.settle("a test")
    assert host.cpus == 4 and tomllib.loads(draft.text())["cpus"] == 4
    assert nested(tomllib.loads(draft.text())) == nested(draft.data())
    assert all(c.isprintable() or c == "\n" for c in draft.text())


NAMES = ["cpus", "hz", "kernel", "rx", "tx", "rx-usecs", "queues", "mtu", "name", "driver", "addresses", "0", "9", "bind", "dst", "via",
         "ip", "mac", "siblings", "nodes", "net.core.rmem_max", "net.ipv4.udp_mem",
         "sockets", "threads", "cpu", "indir", "hkey", "", "a b", 'q"']
VALUES = st.one_of(st.integers(-2, 5000), st.text(max_size=6), st.booleans(), st.lists(st.integers(0, 70), max_size=4),
                   st.sampled_from(["igb", "veth", "10.0.0.1", "10.0.0.1/24", "0.0.0.0:53", "02:00:00:00:00:01", "default", "1 2 3"]))
TABLES = st.lists(st.tuples(st.sampled_from(["", "cpu", "nic", "ethtool", "irq", "rps", "sysctl", "iptables", "+socket", "+app", "+route",
                                             "+neighbour", "+card", "+tap", "+nowhere", "other"]),
                            st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)), max_size=12)


@settings(max_examples=40, deadline=None)
@given(TABLES)
def test_whatever_is_in_it_the_file_is_taken(tables):
    draft = Draft()
    for name, entries in tables:
        table = draft.add(name[1:]) if name.startswith("+") else draft.table(name) if name else draft.top
        for key, value in entries.items():
            if key and not any(e.key == key for e in table.entries):
                table.set(key, value)
    host = draft.settle("a test")
    assert loads(draft.text()) == host
