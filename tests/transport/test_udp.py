"""UDP receive, as a dialogue of frames."""
from ..frames import udp_frame


def test_a_datagram_reaches_its_reader(lab):
    host = lab()
    app = host.app(host.udp(5000))
    host.send(udp_frame(b"hello"))
    host.run()
    assert host.ends() == {"RECEIVED": 1}
    assert host.data(app, 5) == b"hello"
    assert host.mib() == {"Ip.InReceives": 1, "Ip.InDelivers": 1, "Udp.InDatagrams": 1}


def test_a_socket_that_nobody_reads_fills_up(lab):
    host = lab()
    host.udp(5000, rcvbuf=4608)
    host.send(*[udp_frame() for _ in range(10)])
    host.run()
    assert host.ends() == {"SOCKET_RCVBUFF": 8}                 # 4608 // 2304 are queued
    assert host.mib()["Udp.RcvbufErrors"] == 8
