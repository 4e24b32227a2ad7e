"""A bad line for the suites of CHECKPOINT; not a suite itself.

line.py PORT HOST:PORT OCTETS|OCTETS-OCTETS    until killed; prints what it counted

Every connection breaks when so many octets of the client's have gone through it, or a
random number of them between two. What the client has in its own buffers then is lost,
and so are replies under way.
"""
import random
import select
import socket
import sys
import threading
import time


class Line:
    """sent: octets that entered the line from the client's side, of all connections."""

    def __init__(self, target, cut=None, port=0, seed=1, replies=None, slow=False):
        self.target, self.cut, self.replies, self.slow = target, cut, replies, slow
        self.random = random.Random(seed)
        self.sent = self.connections = self.cuts = 0
        self.held = b""             # of the one connection of a slow line
        self.rounds = []            # per connection: turns from client to server and back
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            self.held = b""
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def limit(self):
        if self.cut is None or isinstance(self.cut, int):
            return self.cut
        return self.random.randint(*self.cut)

    def _serve(self, client):
        left = self.limit()
        server = socket.create_connection(self.target)
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        state = {"turn": None}
        turns = [0]
        self.rounds.append(turns)
        back = threading.Thread(target=self._back, args=(server, client, state, turns),
                                daemon=True)
        back.start()
        try:
            while left is None or left > 0:
                data = client.recv(65536 if left is None else min(left, 65536))
                if not data:
                    server.shutdown(socket.SHUT_WR)
                    back.join(10)
                    break
                if state["turn"] != "client":
                    state["turn"] = "client"
                    turns[0] += 1
                self.sent += len(data)
                if left is not None:
                    left -= len(data)
                server.sendall(self._travel(client, data))
            else:
                self.cuts += 1
        except OSError:
            pass
        for s in (client, server):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def _travel(self, client, data):
        """Of a slow line all is under way until the client waits; a cut then loses it."""
        if self.slow and select.select([client], [], [], 0.05)[0]:
            self.held += data
            return b""
        data, self.held = self.held + data, b""
        return data

    def _back(self, server, client, state, turns):
        left = self.replies
        try:
            while left is None or left > 0:
                data = server.recv(65536)
                if not data:
                    break
                state["turn"] = "server"
                client.sendall(data)
                if left is not None:
                    left -= len(data)
            client.shutdown(socket.SHUT_WR if left is None or left > 0 else socket.SHUT_RDWR)
        except OSError:
            pass


if __name__ == "__main__":
    host, _, port = sys.argv[2].rpartition(":")
    low, _, high = sys.argv[3].partition("-")
    line = Line((host, int(port)), (int(low), int(high)) if high else int(low),
                int(sys.argv[1]))
    try:
        while True:
            time.sleep(0.2)
            print("%d connections, %d cuts, %d octets" %
                  (line.connections, line.cuts, line.sent), flush=True)
    except KeyboardInterrupt:
        pass
