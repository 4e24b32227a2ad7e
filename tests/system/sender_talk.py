"""The runner's side of base/sending.h, and next hops to send to; not a suite itself."""
import array
import os
import socket
import subprocess
import tempfile
import threading
import time

RIGHTS = (socket.SOL_SOCKET, socket.SCM_RIGHTS)


class Outcome:
    def __init__(self, fields):
        self.cls, self.enhanced, self.text, self.source, self.relayed = fields


class Sender:
    """A sender, and the runner's end of its boundary."""

    def __init__(self, program, *args, prefix=()):
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(60)
        fd = theirs.fileno()
        self.process = subprocess.Popen([*prefix, program, "run", str(fd), *args],
                                        stdin=subprocess.DEVNULL, pass_fds=[fd])
        theirs.close()

    def send(self, letter, *fields, fd=None):
        data = letter.encode() + b"".join(str(f).encode() + b"\0" for f in fields)
        self.sock.sendmsg([data], [(*RIGHTS, array.array("i", [fd]))] if fd is not None else [])

    def receive(self):
        """(letter, fields, descriptor or None); letter "" when the sender is gone."""
        try:
            data, ancillary, _, _ = self.sock.recvmsg(8192, socket.CMSG_SPACE(8))
        except ConnectionResetError:
            data, ancillary = b"", []
        fds = array.array("i")
        for _, _, d in ancillary:
            fds.frombytes(d[:len(d) // 4 * 4])
        return (data[:1].decode(), [f.decode() for f in data[1:].split(b"\0")[:-1]],
                fds[0] if fds else None)

    def connect(self, port, address="127.0.0.1", protocol="smtp", tls="n", fd=None,
                seconds=(5, 5, 5)):
        self.send("C", address, port, protocol, "mx.here.test", tls, *seconds, fd=fd)
        return self.receive()

    def message(self, data, to, sender=("alice", "here.test"), skip=0, body="8BITMIME",
                flags="", ret="", envid="", auth="", size=None):
        """Outcomes by recipient, and the field of SEND_END (None: the sender is gone)."""
        if isinstance(data, bytes):
            f = tempfile.TemporaryFile()
            f.write(data)
            f.flush()
        else:
            f = data
        size = os.fstat(f.fileno()).st_size if size is None else size
        with open("/proc/self/fd/%d" % f.fileno(), "rb") as r:
            self.send("M", "id.1", *sender, skip, size, body, flags, ret, envid, auth, len(to),
                      fd=r.fileno())
        for one in to:
            one = one if isinstance(one, tuple) else (one,)
            local, domain = one[0].rsplit("@", 1)
            self.send("R", local, domain, *(one[1:] or ("-", "")))
        self.send("G")
        return self.outcomes(len(to))

    def outcomes(self, n):
        found = [None] * n
        while True:
            letter, fields, _ = self.receive()
            if letter == "p":
                continue
            if letter != "o":
                return found, fields[0] if letter == "e" else None
            for run in fields[0].split(" "):
                first, _, last = run.partition("-")
                for i in range(int(first), int(last or first) + 1):
                    assert found[i] is None, "two outcomes for recipient %d" % i
                    found[i] = Outcome(fields[1:])

    def end(self):
        """The exit code, once it has been told to end, or its boundary is closed."""
        try:
            self.send("Q")
        except OSError:
            pass
        self.sock.close()
        return self.process.wait(20)


class Gone(Exception):
    """The client has closed, or the script said to."""


class Hop:
    """
    A next hop on a port of its own, or a unix socket. `say` overrides replies by verb: text,
    or a function of (hop, connection, line) that returns text or None for no reply. "greet",
    "end" (after the final dot) and "chunk" count as verbs.
    """

    def __init__(self, extensions=("PIPELINING", "8BITMIME", "SIZE", "ENHANCEDSTATUSCODES"),
                 say=None, path=None, lmtp=False):
        self.extensions, self.said = list(extensions), say or {}
        self.lmtp = lmtp
        self.commands, self.messages, self.flights = [], [], []
        self.connections = 0
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
        else:
            self.listener = socket.socket()
            self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(8)
        self.port = None if path else self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.serve(conn)

    def close(self):
        """What the client has said by now is in self.commands afterwards."""
        self.listener.shutdown(socket.SHUT_RDWR)     # ends accept(), as close() would not
        self.thread.join(1)
        self.listener.close()

    def read_some(self):
        data = self.conn.recv(65536)
        if not data:
            raise Gone
        self.flights.append(data)
        self.buffer += data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.read_some()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def octets(self, n):
        while len(self.buffer) < n:
            self.read_some()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def words(self, verb, usual, line=b""):
        said = self.said.get(verb, usual)
        if callable(said):
            said = said(self, self.conn, line)
            if said is None:
                said = usual
        return said if isinstance(said, bytes) else (said + "\r\n").encode()

    def reply(self, verb, usual, line=b""):
        data = self.words(verb, usual, line)
        self.conn.sendall(data)
        return data[:1]

    def greetings(self, verb):
        if verb == "HELO" or not self.extensions:
            return "250 hop.test"
        lines = ["hop.test"] + self.extensions
        return "\r\n".join("250%s%s" % (" " if i == len(lines) - 1 else "-", l)
                           for i, l in enumerate(lines))

    def final(self, data):
        said = self.words("end", "250 2.0.0 taken")
        if said.startswith(b"2"):
            self.messages.append((self.sender, self.to, data))
        self.conn.sendall(said)
        for _ in range(len(self.to) - 1 if self.lmtp else 0):
            self.reply("end", "250 2.0.0 taken")
        self.sender, self.to, self.chunks = None, [], b""

    def data(self):
        if not self.to and "DATA" not in self.said:
            self.reply("none", "554 5.5.1 nobody")
            return
        if self.reply("DATA", "354 go") != b"3":
            return
        lines = []
        while True:
            line = self.line()
            if line == b".":
                break
            assert b"\r" not in line and b"\n" not in line, "a bare CR or LF"
            lines.append(line[1:] if line.startswith(b".") else line)
        self.final(b"".join(l + b"\r\n" for l in lines))

    def bdat(self, line):
        words = line.split()
        data = self.octets(int(words[1]))
        if not self.to:
            self.reply("none", "503 5.5.1 nobody")
            return
        self.chunks += data
        if words[-1] == b"LAST":
            self.final(self.chunks)
        else:
            self.reply("chunk", "250 2.0.0 ok")

    def dialogue(self):
        self.reply("greet", "220 hop.test ESMTP")
        while True:
            line = self.line()
            self.commands.append(line.decode())
            verb = line.split()[0].upper().decode() if line.split() else ""
            if verb in ("EHLO", "LHLO", "HELO"):
                self.reply(verb, self.greetings(verb))
            elif verb == "MAIL":
                if self.reply(verb, "250 2.1.0 ok", line) == b"2":
                    self.sender = line
            elif verb == "RCPT":
                if self.sender is None:
                    self.reply("none", "503 5.5.1 MAIL first")
                elif self.reply(verb, "250 2.1.5 ok", line) == b"2":
                    self.to.append(line)
            elif verb == "DATA":
                self.data()
            elif verb == "BDAT":
                self.bdat(line)
            elif verb == "RSET":
                self.reply(verb, "250 2.0.0 ok")
                self.sender, self.to, self.chunks = None, [], b""
            elif verb == "QUIT":
                self.reply(verb, "221 2.0.0 bye")
                raise Gone
            else:
                self.reply(verb, "502 5.5.2 what?", line)

    def serve(self, conn):
        self.conn, self.buffer = conn, b""
        self.sender, self.to, self.chunks = None, [], b""
        try:
            self.dialogue()
        except (Gone, OSError):
            pass
        conn.close()


def hang(hop, conn, line):
    """Says nothing until the client gives up."""
    conn.settimeout(30)
    while conn.recv(65536):
        pass
    raise Gone


def drop(hop, conn, line):
    raise Gone


def dribble(hop, conn, line):
    """One octet every fifth of a second, of a line that does not end."""
    try:
        while True:
            conn.sendall(b"2")
            time.sleep(0.2)
    except OSError:
        raise Gone


def endless(hop, conn, line):
    """Lines without a last one."""
    try:
        while True:
            conn.sendall(b"250-more\r\n" * 100)
    except OSError:
        raise Gone


def long_line(hop, conn, line):
    try:
        while True:
            conn.sendall(b"250 " + b"x" * 10000)
    except OSError:
        raise Gone
