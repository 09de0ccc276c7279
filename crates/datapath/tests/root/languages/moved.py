# A socket made before its process joined a cgroup, and one handed on by exec().
# Arguments: the cgroup's cgroup.procs, a port; then the socket handed on.

import os
import socket
import sys

PORT = int(sys.argv[2])


def ask(sock):
    sock.connect(("127.0.0.1", PORT))
    sock.sendall(b"q\n")
    print(sock.recv(99).decode().strip(), flush=True)


if len(sys.argv) == 3:
    early = socket.socket()
    with open(sys.argv[1], "w") as procs:
        procs.write("0")
    ask(early)
    late = socket.socket()
    late.set_inheritable(True)
    os.execv(sys.executable, [sys.executable, *sys.argv, str(late.fileno())])
else:
    ask(socket.socket(fileno=int(sys.argv[3])))
