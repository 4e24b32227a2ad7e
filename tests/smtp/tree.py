"""A throw-away Postern tree and connections to a real smtpd in it.

Used by run.py and exact.py; holds no test. Environment: BUILD (folder with
the programs), SMTPD (another program with smtpd's interface), WRAP (words put
before the command, such as valgrind), SLOW (factor for every deadline).
"""
import atexit
import fcntl
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import secure

KEEPER_UID = 61001   # any number that is nobody's; only used when run as root
SESSION_UID = 61002
AUTH_UID = 61004     # of STATE/auth, and of the key, where they are not the keeper's
TLS_UID = 61005
HOST = "mx.test"
DOMAIN = "here.test"
SLOW = float(os.environ.get("SLOW", "1"))
DEADLINE = 10 * SLOW
SUFFIX = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

# keeper/maildir.c: SEC.M..P..R...HOST,S=size
MAILDIR_NAME = re.compile(r"^\d{10,}\.M\d+P\d+R\w+\.%s,S=(\d+)$" % re.escape(HOST))


class Failure(Exception):
    """What was expected and what came; ends a case."""


def is_root():
    return os.geteuid() == 0


def default_smtpd():
    build = os.environ.get("BUILD")
    if not build:
        top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
        build = os.path.join(os.path.normpath(top), "build")
    return os.environ.get("SMTPD", os.path.join(build, "smtpd"))


_copies = {}
_lock = threading.Lock()


def copied_smtpd(without=()):
    """smtpd where any user may run it: a checkout may lie in a closed home. Beside it
    its helpers, but for those named."""
    with _lock:
        if without not in _copies:
            folder = tempfile.mkdtemp(prefix="postern-smtp.")
            os.chmod(folder, 0o755)
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            _copies[without] = shutil.copy(default_smtpd(), os.path.join(folder, "smtpd"))
            for name in {"tls", "auth"} - set(without):
                shutil.copy(os.path.join(os.path.dirname(default_smtpd()), name), folder)
        return _copies[without]


_verifiers = {}


def find_verifier(password):
    """A verifier file's text: made once a run, since a password's costs its time."""
    with _lock:
        if password not in _verifiers:
            other = Tree()
            other.postern("user", "passwd", "alice@" + DOMAIN, "--password-stdin",
                          text=password + "\n")
            with open(os.path.join(other.state, "auth", DOMAIN, "alice")) as f:
                _verifiers[password] = f.read()
            other.remove()
        return _verifiers[password]


class Tree:
    """Configuration and state in a folder of its own."""

    def __init__(self, owner=False):
        """owner: the keeper's user holds key and verifiers too."""
        self.auth_uid, self.tls_uid = (KEEPER_UID,) * 2 if owner else (AUTH_UID, TLS_UID)
        self.dir = tempfile.mkdtemp(prefix="postern-smtp.")
        os.chmod(self.dir, 0o755)
        self.state = os.path.join(self.dir, "state")
        self.conf = {("", "hostname"): HOST, ("", "state"): "state"}
        self.domains = {}
        os.mkdir(os.path.join(self.dir, "domains"))
        os.mkdir(self.state, 0o755)
        for name in ("auth", "mail", "tmp", "spool", "partial", "jail"):
            os.mkdir(os.path.join(self.state, name), 0o700)
        with open(os.path.join(self.state, "jail.owner"), "w"):
            pass
        os.chmod(os.path.join(self.state, "jail"), 0o555)
        self._own(self.state)
        for name in ("mail", "tmp", "spool", "partial"):
            self._own(os.path.join(self.state, name))
        self._own(os.path.join(self.state, "auth"), self.auth_uid)
        if is_root():
            os.chown(os.path.join(self.state, "jail.owner"), SESSION_UID, SESSION_UID)
        # Nobody sends what a case has queued: flush's socket is there, and is not read.
        self.flush = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.flush.bind(os.path.join(self.dir, "flush.socket"))
        self._own(os.path.join(self.dir, "flush.socket"))
        self.conf[("sockets", "flush")] = "flush.socket"
        self.set_domain(DOMAIN)
        self.add_user("alice")
        self.add_user("bob")
        self.write_conf()

    def _own(self, path, uid=KEEPER_UID):
        if is_root():
            os.chown(path, uid, uid)

    def add_certificate(self):
        """For mx.test, its key readable for tls alone."""
        for name in ("mx.pem", "mx.key", "ca.pem"):
            shutil.copy(os.path.join(secure.certificates(), name), self.dir)
        os.chmod(os.path.join(self.dir, "mx.key"), 0o600)
        self._own(os.path.join(self.dir, "mx.key"), self.tls_uid)
        self.set_conf("", "tls-cert", "mx.pem")
        self.set_conf("", "tls-key", "mx.key")

    def postern(self, *args, text=""):
        """The command; it must succeed."""
        run = subprocess.run(
            [os.path.join(os.path.dirname(default_smtpd()), "postern"), "-c",
             os.path.join(self.dir, "postern.conf"), *args], input=text.encode(),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if run.returncode != 0:
            raise Failure("postern %s: %s" % (" ".join(args), run.stdout.decode()))

    def add_password(self, user, password):
        self.add_user(user)
        local, _, domain = user.partition("@")
        folder = os.path.join(self.state, "auth", domain or DOMAIN)
        os.makedirs(folder, 0o700, exist_ok=True)
        self._own(folder, self.auth_uid)
        with open(os.path.join(folder, local), "w") as f:
            f.write(find_verifier(password))
        os.chmod(f.name, 0o600)
        self._own(f.name, self.auth_uid)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def write_conf(self):
        sections = {}
        for (section, key), value in self.conf.items():
            sections.setdefault(section, []).append("%s = %s\n" % (key, value))
        with open(os.path.join(self.dir, "postern.conf"), "w") as f:
            for section in sorted(sections):
                if section:
                    f.write("[%s]\n" % section)
                f.writelines(sections[section])

    def set_conf(self, section, key, value):
        self.conf[(section, key)] = value
        self.write_conf()

    def set_domain(self, name, key=None, value=None):
        keys = self.domains.setdefault(name, {"deliver": "maildir"})
        if key is not None:
            keys[key] = value
        with open(os.path.join(self.dir, "domains", name + ".conf"), "w") as f:
            f.writelines("%s = %s\n" % item for item in keys.items())
        path = os.path.join(self.state, "mail", name)
        if not os.path.isdir(path):
            os.mkdir(path, 0o700)
            self._own(path)

    def user_dir(self, user):
        local, _, domain = user.partition("@")
        return os.path.join(self.state, "mail", domain or DOMAIN, local)

    def add_user(self, user):
        path = self.user_dir(user)
        if not os.path.isdir(path):
            os.mkdir(path, 0o700)
            self._own(path)

    def set_forward(self, user, lines):
        self.add_user(user)
        path = os.path.join(self.user_dir(user), "forward")
        with open(path, "w") as f:
            f.writelines(line + "\n" for line in lines)
        self._own(path)

    def add_maildir(self, user):
        """As after a first delivery. Returns its path."""
        self.add_user(user)
        path = os.path.join(self.user_dir(user), "Maildir")
        for name in ("", "tmp", "new", "cur"):
            sub = os.path.join(path, name)
            if not os.path.isdir(sub):
                os.mkdir(sub, 0o700)
                self._own(sub)
        return path

    def fill(self, user, octets):
        """An older message in cur/, read, of so many octets."""
        path = self.add_maildir(user)
        number = len(os.listdir(os.path.join(path, "cur")))
        name = "1000000000.M%06dP1R1.%s,S=%d:2,S" % (number, HOST, octets)
        file = os.path.join(path, "cur", name)
        with open(file, "wb") as f:
            f.write(b"Subject: old\n\n")
            f.truncate(octets)
        self._own(file)

    def add_waiting(self, domain, number, how=""):
        """A queue of so many messages, which nobody reads; the paths in it."""
        path = os.path.join(self.state, "spool", domain)
        names = ["%08x%05x.1.1.%s" % (1795346553 + n // 1000, n % 1000, end)
                 for n in range(number) for end in "em"] + ["lock"] * (how not in ("", "closed"))
        os.mkdir(path, 0o700)
        for name in names:
            with open(os.path.join(path, name), "w") as f:
                if name == "lock" and how != "run":
                    f.write("%d\n" % (time.time() - int(how.replace("asked", "0"))))
            self._own(f.name)
        self._own(path)
        if how == "run":
            self.lock = open(os.path.join(path, "lock"))
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        if how == "closed":
            os.chmod(path, 0)
        return [os.path.join(path, name) for name in names]

    def flush_word(self, seconds):
        """What flush is told next, or None."""
        self.flush.settimeout(seconds)
        try:
            return self.flush.recv(8192)
        except TimeoutError:
            return None

    def messages(self, user):
        """Paths of the messages in new/, oldest first."""
        new = os.path.join(self.user_dir(user), "Maildir", "new")
        if not os.path.isdir(new):
            return []
        paths = [os.path.join(new, n) for n in os.listdir(new)]
        return sorted(paths, key=lambda p: (os.stat(p).st_mtime_ns, p))

    def leftovers(self):
        """Files beneath STATE that are no mailbox's: there must be none."""
        found = []
        for top in ("tmp", "spool", "partial", "jail"):
            for at, dirs, files in os.walk(os.path.join(self.state, top)):
                found += [os.path.join(at, n) for n in files + dirs]
        for at, _, files in os.walk(os.path.join(self.state, "mail")):
            if os.path.basename(at) == "tmp":
                found += [os.path.join(at, n) for n in files]
        return [os.path.relpath(p, self.state) for p in found]

    def all_new(self):
        found = []
        for at, _, files in os.walk(os.path.join(self.state, "mail")):
            if os.path.basename(at) == "new":
                found += [os.path.join(at, n) for n in files]
        return found


def check_name(path):
    match = MAILDIR_NAME.match(os.path.basename(path))
    if not match:
        raise Failure("odd Maildir name: " + os.path.basename(path))
    if int(match.group(1)) != os.stat(path).st_size:
        raise Failure("S= differs from the size: " + os.path.basename(path))


def connected_pair(client):
    """(ours, smtpd's, environment) for a client address; loopback comes by TCP."""
    if client == "none":
        return (*socket.socketpair(), {})
    if not client.startswith("127.") and client != "::1":
        return (*socket.socketpair(), {"TCPREMOTEIP": client})
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((client, 0))
        listener.listen(1)
        ours = socket.socket(family)
        ours.bind((client, 0))
        ours.connect(listener.getsockname())
        theirs, _ = listener.accept()
    ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ours, theirs, {}


class Connection:
    """One smtpd and the client's end of its connection."""

    def __init__(self, tree, service="smtp", client="127.0.0.1", env=None, owner=False,
                 without=()):
        """owner: started by root under the uid that owns STATE, as by tcpserver -u.
        without: helpers that are not there."""
        self.sock, theirs, extra = connected_pair(client)
        self.errfile = tempfile.TemporaryFile(dir=tree.dir)
        clean = {k: v for k, v in os.environ.items()
                 if k == "PATH" or k.startswith(("ASAN_", "UBSAN_", "LSAN_"))}
        clean.update(extra)
        clean.update(env or {})
        command = shlex.split(os.environ.get("WRAP", "")) + [
            copied_smtpd(without) if owner or without else default_smtpd(),
            "-c", os.path.join(tree.dir, "postern.conf")]
        ids = {"user": KEEPER_UID, "group": KEEPER_UID, "extra_groups": []}
        if service != "smtp":
            command += ["-s", service]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=self.errfile, env=clean,
            cwd="/", start_new_session=True, **(ids if owner else {}))
        theirs.close()
        self.sock.setblocking(False)
        self.received = bytearray()
        self.eof = False      # smtpd has closed
        self.broken = ""      # errno text of a reset
        self.tls = None       # secure.Tls, once there is

    def _read_some(self):
        try:
            data = self.sock.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as e:
            self.broken = e.strerror
            self.eof = True
            return
        if self.tls:
            self.tls.feed(data)
            self.received += self.tls.read()
            self.broken = self.broken or self.tls.broken
            self.eof = not data or self.tls.notified
        elif data:
            self.received += data
        else:
            self.eof = True

    def start_tls(self, version="", certificate=""):
        """The handshake; False when smtpd closes instead."""
        if self.received:
            raise Failure("in clear before the handshake: %r" % bytes(self.received))
        tls = secure.Tls(version, certificate)
        until = time.monotonic() + DEADLINE
        while not tls.shake():
            self._send_raw(tls.out())
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                raise Failure("the handshake takes longer than %g s" % DEADLINE)
            try:
                data = self.sock.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                self.eof = True
                return False
            tls.feed(data)
        self._send_raw(tls.out())
        self.tls = tls
        self.received += tls.read()
        return True

    def send(self, data):
        """Writes all of data, reading meanwhile. False when the peer is gone."""
        return self._send_raw(self.tls.write(data) if self.tls else data)

    def _send_raw(self, data):
        view = memoryview(data)
        until = time.monotonic() + DEADLINE + len(data) / 1e6 * SLOW
        while view:
            left = until - time.monotonic()
            if left <= 0:
                raise Failure("smtpd does not read: %d octets left" % len(view))
            reads = [] if self.eof else [self.sock]
            ready = select.select(reads, [self.sock], [], left)
            if ready[0]:
                self._read_some()
            if ready[1]:
                try:
                    view = view[self.sock.send(view):]
                except BlockingIOError:
                    pass
                except OSError:
                    return False
        return True

    def wait_input(self, seconds):
        """True when octets or an end came within the time."""
        before = len(self.received)
        until = time.monotonic() + seconds
        while not self.eof and len(self.received) == before:
            left = until - time.monotonic()
            if left <= 0:
                return False
            if select.select([self.sock], [], [], left)[0]:
                self._read_some()
        return True

    def line(self):
        """The next line with its end; what there is when smtpd closed."""
        until = time.monotonic() + DEADLINE
        while b"\n" not in self.received and not self.eof:
            left = until - time.monotonic()
            if left <= 0 or not self.wait_input(left):
                raise Failure("no answer within %g s, only %r" %
                              (DEADLINE, bytes(self.received)))
        at = self.received.find(b"\n") + 1 or len(self.received)
        line = bytes(self.received[:at])
        del self.received[:at]
        if at > 512:          # RFC 5321 4.5.3.1.5
            raise Failure("a reply line of %d octets: %r" % (at, line[:80]))
        return line

    def reply(self):
        """All lines of one reply as text; for callers that read no transcript."""
        lines = []
        while True:
            line = self.line()
            if not line.endswith(b"\r\n"):
                raise Failure("smtpd closed after %r" % line)
            lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
            if lines[-1][3:4] != "-":
                return "\n".join(lines)

    def command(self, line, expect=None):
        self.send(line.encode() + b"\r\n")
        reply = self.reply()
        if expect is not None and not reply.startswith(expect):
            raise Failure("%s: expected %s, got %s" % (line, expect, reply))
        return reply

    def wait_eof(self):
        until = time.monotonic() + DEADLINE
        while not self.eof:
            if not self.wait_input(max(0, until - time.monotonic())):
                raise Failure("smtpd does not close")

    def shut_writing(self, notify=True):
        """notify: with TLS, its end is said first (RFC 8446 6.1)."""
        if self.tls and notify:
            self._send_raw(self.tls.close_notify())
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass              # smtpd was faster

    def finish(self):
        """Closes, waits for smtpd's end. Returns its exit code."""
        self.sock.close()
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure("smtpd does not exit") from None

    def kill(self):
        """For the case that went wrong: the group is this smtpd's alone."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def log(self):
        self.errfile.seek(0)
        return self.errfile.read().decode("utf-8", "replace")
