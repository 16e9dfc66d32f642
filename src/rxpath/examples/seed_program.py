"""The program that the seeds end with: a UDP socket, bind, recvfrom, print.  It runs on the simulated host as it stands; on a real one,
`import socket as s` in place of the argument."""
from typing import Any


def program(s: Any) -> None:
    sock = s.socket(s.AF_INET, s.SOCK_DGRAM)
    sock.bind(("0.0.0.0", 5000))
    while True:
        data, addr = sock.recvfrom(2048)
        print(f"{len(data)} bytes from {addr[0]}:{addr[1]}: {data!r}")
