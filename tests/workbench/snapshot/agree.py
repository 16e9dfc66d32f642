"""Whether a host that was made of a reading shows the same settings: what differs must be said in its file."""
from rxpath.workbench.readings.records import Address, Channels, Coalesce, Features, FlowHash, Indirection, Link, Rings
from rxpath.workbench.readings.settings import Affinities, Napi, Steering


def differences(reading, made):
    """(device, what, the host's, ours) of each setting that differs; the caller looks for them in the comments."""
    found = []
    for dev in made.host.devices:
        def ask(what, theirs, ours, name=dev.name):
            if theirs is not None and theirs != ours:
                found.append((name, what, theirs, ours))

        rings, channels, coalesce, link, features, rss = (
            reading.device(kind, dev.name) for kind in (Rings, Channels, Coalesce, Link, Features, Indirection))
        if rings and dev.rx_ring:
            ask("rx", rings.current.get("rx") or None, dev.rx_ring)
            ask("tx", rings.current.get("tx") or None, dev.tx_ring)
        if channels:
            ask("queues", channels.rx_queues or None, dev.queue_count)
        if coalesce and dev.driver.has_interrupts:
            ask("rx-usecs", coalesce.values.get("rx-usecs"), dev.rx_usecs)
        if link:
            ask("mtu", link.mtu, dev.mtu)
            ask("mac", link.address or None, dev.nic.mac)
        if features:
            for name, ours in (("generic-receive-offload", dev.gro), ("rx-checksumming", dev.ethtool.rx_checksumming),
                               ("rx-vlan-offload", dev.ethtool.rx_vlan_offload)):
                ask(name, features.features[name].on if name in features.features else None, ours)
        if rss and rss.table:
            ask("indir", tuple(rss.table[i % len(rss.table)] for i in range(dev.driver.reta_size)), dev.indirection())
        for record in reading.of(Address, ""):
            if record.device == dev.name and record.family == 4 and f"{record.address}/{record.prefix}" not in dev.nic.addresses:
                found.append((dev.name, "address", record.address, dev.nic.addresses))
        for record in reading.of(Steering, ""):
            if record.device == dev.name and record.queue < dev.queue_count:
                ask(f"rps {record.queue}", record.rps_cpus, dev.rps_cpus(record.queue))
        affinities = {irq: one for record in reading.of(Affinities) for irq, one in record.irqs.items()}
        for napi in reading.of(Napi, ""):
            if napi.device == dev.name and napi.irq in affinities and napi.queue is not None and affinities[napi.irq].effective:
                ask(f"irq {napi.queue}", affinities[napi.irq].effective[0], dev.irq_cpu(napi.queue))
        for record in reading.of(FlowHash, ""):
            if record.device == dev.name and record.flow == "udp4" and record.letters:
                ask("udp4", record.letters, dev.rss_udp)
    return found


def unsaid(reading, made):
    """Those that the file does not say: neither the host's value, nor that it is no setting here."""
    plain = made.text.replace("\n# ", " ")
    return [(name, what, theirs, ours) for name, what, theirs, ours in differences(reading, made)
            if f"the host has {theirs}" not in plain and f"\n#{what} = " not in made.text and f"rx-usecs {theirs}" not in plain
            and f"not the same in {len(ours) if isinstance(ours, tuple) else 0} entries" not in plain]
