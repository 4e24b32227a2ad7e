"""The keeper's side of the dialogue with auth, over a feed; not a suite itself."""
import array
import base64
import hashlib
import hmac
import os
import socket
import subprocess

FIELDS = ("mechanism", "initial", "session", "client", "service", "version", "verified",
          "email", "fingerprint", "exporter", "endpoint")
TLS = {"version": "TLSv1.3", "exporter": base64.b64encode(b"E" * 32).decode(),
       "endpoint": base64.b64encode(b"S" * 32).decode()}


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def packet(letter, *fields):
    return letter.encode() + b"".join(f.encode() + b"\0" for f in fields)


class Attempt:
    """One connection; `last` is the letter that came last, `text` its first field."""

    def __init__(self, sock):
        self.sock = sock
        self.last = self.text = None

    def send(self, data):
        self.sock.send(data)

    def receive(self):
        try:
            data = self.sock.recv(8192)
        except ConnectionResetError:
            data = b""
        self.last = data[:1].decode() or "closed"
        fields = data[1:].split(b"\0")
        self.text = fields[0].decode() if len(fields) > 1 else None
        return self.last

    def begin(self, mechanism, initial="", **facts):
        facts = dict({"session": "s1", "client": "192.0.2.1", "service": "u"}, **facts)
        self.send(packet("a", mechanism, initial, *[facts.get(f, "") for f in FIELDS[2:]]))
        return self.receive()

    def respond(self, text):
        self.send(packet("r", text))
        return self.receive()

    def challenge(self):
        return base64.b64decode(self.text)

    def close(self):
        self.sock.close()


class Auth:
    """`auth -F` for a tree, its feed, and its log."""

    def __init__(self, program, conf, log, prefix=()):
        feed, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.feed = feed
        self.log = log

        def place():
            os.dup2(theirs.fileno(), 3)

        with open(log, "ab") as f:
            self.process = subprocess.Popen([*prefix, program, "-c", conf, "-F"],
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            stderr=f, pass_fds=[3], preexec_fn=place)
        theirs.close()

    def connect(self, timeout=60):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(timeout)
        self.feed.sendmsg([b"f"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                    array.array("i", [theirs.fileno()]))])
        theirs.close()
        return Attempt(ours)

    def stop(self):
        self.feed.close()
        return self.process.wait(20)


def plain(auth, login, password, authorize="", **facts):
    a = auth.connect()
    a.begin("PLAIN", b64("%s\0%s\0%s" % (authorize, login, password)), **dict(TLS, **facts))
    a.close()
    return a


class Scram:
    """A client of RFC 5802; flag is the GS2 header, binding what is bound."""

    def __init__(self, login, password, flag="n", binding=b"", authorize=""):
        self.header = "%s,%s," % (flag, "a=" + authorize if authorize else "")
        self.binding = binding
        self.password = password
        self.nonce = b64(os.urandom(18))
        self.bare = "n=%s,r=%s" % (login.replace("=", "=3D").replace(",", "=2C"), self.nonce)

    def first(self):
        return b64(self.header + self.bare)

    def final(self, challenge):
        fields = dict(f.split("=", 1) for f in challenge.decode().split(","))
        assert fields["r"].startswith(self.nonce) and len(fields["r"]) > len(self.nonce)
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(),
                                     base64.b64decode(fields["s"]), int(fields["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        stored = hashlib.sha256(key).digest()
        start = "c=%s,r=%s" % (b64(self.header.encode() + self.binding), fields["r"])
        said = ",".join((self.bare, challenge.decode(), start)).encode()
        proof = bytes(x ^ y for x, y in zip(key, hmac.digest(stored, said, "sha256")))
        server = hmac.digest(salted, b"Server Key", "sha256")
        self.signature = b"v=" + base64.b64encode(hmac.digest(server, said, "sha256"))
        return b64("%s,p=%s" % (start, b64(proof)))


def scram(auth, client, plus=False, **facts):
    a = auth.connect()
    mechanism = "SCRAM-SHA-256" + ("-PLUS" if plus else "")
    if a.begin(mechanism, client.first(), **dict(TLS, **facts)) == "c":
        if a.respond(client.final(a.challenge())) == "c":
            assert a.challenge() == client.signature
            a.respond("")
    a.close()
    return a
