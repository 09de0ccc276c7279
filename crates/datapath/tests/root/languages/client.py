# A client in Python. Arguments: VIP, TCP port, UDP port, name.

import asyncio
import socket
import sys

VIP, TCP, UDP, NAME = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]


def tell(what, text, peer):
    print(what, text.decode().strip(), f"{peer[0]}:{peer[1]}", flush=True)


def blocking():
    with socket.create_connection((VIP, TCP), timeout=5) as stream:
        stream.sendall(b"q\n")
        tell("tcp", stream.recv(99), stream.getpeername())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(5)
        datagrams.sendto(b"q\n", (VIP, UDP))
        tell("udp", *datagrams.recvfrom(99))
        datagrams.connect((VIP, UDP))
        datagrams.send(b"q\n")
        tell("connected-udp", datagrams.recv(99), datagrams.getpeername())


class Asking(asyncio.DatagramProtocol):
    def __init__(self, answered):
        self.answered = answered

    def datagram_received(self, text, peer):
        self.answered.set_result((text, peer))


async def waiting():
    reader, writer = await asyncio.open_connection(VIP, TCP)
    writer.write(b"q\n")
    tell("asyncio-tcp", await reader.readline(), writer.get_extra_info("peername"))
    writer.close()
    loop = asyncio.get_running_loop()
    for what, options in [("udp", {"local_addr": ("0.0.0.0", 0)}), ("connected-udp", {"remote_addr": (VIP, UDP)})]:
        answered = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(lambda: Asking(answered), **options)
        transport.sendto(b"q\n", None if "remote_addr" in options else (VIP, UDP))
        tell(f"asyncio-{what}", *await asyncio.wait_for(answered, 5))
        transport.close()


blocking()
asyncio.run(waiting())
# The C library's resolver.
print("dns", socket.gethostbyname(NAME), flush=True)
