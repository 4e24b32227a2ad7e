"""The keeper's side of the dialogue with auth, over a feed; not a suite itself."""
import array
import base64
import glob
import hashlib
import hmac
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback

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


def say(auth, mechanism, *texts, **facts):
    """Begins with the first text (None: none), answers challenges with the others."""
    a = auth.connect()
    a.begin(mechanism, texts[0] if texts and texts[0] is not None else "",
            **dict(TLS, **facts))
    for text in texts[1:]:
        if a.last == "c":
            a.respond(text)
    a.close()
    return a


def plain(auth, login, password, authorize="", **facts):
    return say(auth, "PLAIN", b64("%s\0%s\0%s" % (authorize, login, password)), **facts)


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


def scram(auth, user, plus=False, **facts):
    a = auth.connect()
    mechanism = "SCRAM-SHA-256" + ("-PLUS" if plus else "")
    if a.begin(mechanism, user.first(), **dict(TLS, **facts)) == "c":
        if a.respond(user.final(a.challenge())) == "c":
            assert a.challenge() == user.signature
            a.respond("")
    a.close()
    return a


# -- what the suites share -----------------------------------------------------------

ROOT = os.geteuid() == 0
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(TOP, "build")))
KEEPER, SESSION, AUTH = 61001, 61002, 61003
# Nothing of this may ever be in a log.
PASSWORD = "canary Pencil 37"


class Bad(Exception):
    """What was seen is not what has to be."""


def expect(good, *seen):
    if not good:
        raise Bad(" ".join(map(str, seen)))


def is_last(attempt, letter, text=None):
    expect(attempt.last == letter and (text is None or attempt.text == text),
           "expected %r %r, got %r %r" % (letter, text, attempt.last, attempt.text))


class Tree:
    """A working tree with alice@here.test, and `auth -F` for it."""

    made = []

    def __init__(self, **keys):
        self.dir = tempfile.mkdtemp(prefix="postern-auth.")
        os.chmod(self.dir, 0o755)
        self.made.append(self)
        self.conf = os.path.join(self.dir, "t", "postern.conf")
        self.log = os.path.join(self.dir, "log")
        owners = ["--owner", str(KEEPER), "--session-user", str(SESSION),
                  "--auth-user", str(AUTH)] if ROOT else []
        self.auth = None
        self.postern("init", os.path.join(self.dir, "t"), "--hostname", "mx.here.test",
                     "--domain", "here.test", "--no-password", "--user", "alice", *owners)
        self.verifiers = os.path.join(self.dir, "t", "state", "auth")
        self.set(**keys)

    def postern(self, *words, stdin="", code=0):
        done = subprocess.run([os.path.join(BUILD, "postern"), "-c", self.conf, *words],
                              input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        expect(done.returncode == code, words, done.returncode, done.stdout)
        return done.stdout

    def set(self, **keys):
        """mechanisms="...", or timeouts_command="1s" for [timeouts] command."""
        with open(self.conf) as f:
            text = f.read()
        for name, value in keys.items():
            section, _, key = name.rpartition("timeouts_")
            if section or name.startswith("timeouts_"):
                text += "\n[timeouts]\n%s = %s\n" % (key, value)
            else:
                text = "%s = %s\n" % (name.replace("_", "-"), value) + text
        with open(self.conf, "w") as f:
            f.write(text)

    def password(self, login="alice@here.test", password=PASSWORD, *options):
        self.postern("user", "password", login, "--password-stdin", *options,
                     stdin=password + "\n")

    def verifier(self, login="alice"):
        return os.path.join(self.verifiers, "here.test", login)

    def copy(self, *logins):
        """The same password for more logins of here.test, without hashing again."""
        for login in logins:
            self.postern("user", "add", login + "@here.test", "--no-password")
            shutil.copy(self.verifier(), self.verifier(login))
            if ROOT:
                os.chown(self.verifier(login), AUTH, AUTH)

    def start(self, prefix=()):
        self.auth = Auth(os.path.join(BUILD, "auth"), self.conf, self.log, prefix)
        return self.auth

    def lines(self, *words):
        with open(self.log, encoding="ascii") as f:
            return [line for line in f if all(w in line for w in words)]

    def remove(self):
        if self.auth is not None and self.auth.process.poll() is None:
            self.auth.process.kill()
            self.auth.process.wait()
        shutil.rmtree(self.dir)


def secrets(password):
    """A password as it is, and in base64 at each of three offsets."""
    yield password.encode()
    for lead in range(3):
        text = base64.b64encode(b"\0" * lead + password.encode())
        yield text[(lead * 8 + 5) // 6:-4]


def check_log(tree):
    """No secret in it, nothing but lines of ours, no child that was killed."""
    with open(tree.log, "rb") as f:
        log = f.read()
    for secret in secrets(PASSWORD):
        expect(secret not in log, "the log holds", secret)
    for path in glob.glob(os.path.join(tree.verifiers, "*", "*")):
        with open(path) as f:
            for word in f.read().split():
                expect(len(word) < 20 or word.encode() not in log, "the log holds", word)
    for line in log.splitlines():
        expect(re.fullmatch(rb'event=[a-z-]+( [a-z-]+=([^ "]+|"([^"\\]|\\.)*"))*', line), line)
    expect(b"child-died" not in log, log)


cases = []


def case(name, root=False):
    def add(function):
        cases.append((name, root, function))
        return function
    return add


def run_cases():
    for name, root, function in cases:
        if len(sys.argv) > 1 and not any(w in name for w in sys.argv[1:]):
            continue
        if root and not ROOT:
            print("skip %s: only root can look" % name, flush=True)
            continue
        try:
            began = time.monotonic()
            skipped = function()
            print("skip %s: %s" % (name, skipped) if skipped else "ok " + name, flush=True)
            print("# %.1f s" % (time.monotonic() - began), flush=True)
        except Exception as e:  # noqa: BLE001, one case's accident must not hide the others
            print("not ok %s: %s" % (name, str(e).replace("\n", " ")[:600] or repr(e)))
            for entry in traceback.extract_tb(e.__traceback__)[1:]:
                print("    %s:%d: %s" % (os.path.basename(entry[0]), entry[1], entry[3]))
            sys.stdout.flush()
    for tree in Tree.made:
        tree.remove()
