"""For the suites tls*.py, no suite itself: one `tls -F` with certificates of its own, fed
over a socket as smtpd feeds it, and clients. Environment: BUILD.
"""
import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

from listening import ROOT, expect, stat_fields, wait_for

FACTS = ["version", "cipher", "group", "sni", "resumed", "verified", "subject", "email",
         "fingerprint", "exporter", "endpoint"]
BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
RELAY_UID = 61002         # where the suite runs as root: session-user
SECONDS = 20


def openssl(*words):
    return subprocess.run(("openssl",) + words, check=True, capture_output=True).stdout


def make_key(path, kind):
    if kind == "rsa":
        openssl("genrsa", "-out", path, "2048")
    else:
        openssl("ecparam", "-genkey", "-noout", "-name", kind, "-out", path)
    os.chmod(path, 0o600)


def make_cert(path, key, names, issuer=None, days="90", email=None):
    """A certificate for the names; of issuer (its path without suffix), or self-signed."""
    alt = ["DNS:" + n for n in names] + (["email:" + email] if email else [])
    words = ["req", "-x509", "-new", "-key", key, "-subj", "/CN=" + names[0], "-days", days,
             "-out", path, "-addext", "subjectAltName=" + ",".join(alt)]
    if issuer:
        words += ["-CA", issuer + ".crt", "-CAkey", issuer + ".key",
                  "-addext", "basicConstraints=critical,CA:FALSE"]
    # -CA of `req` is newer than the OpenSSL of some hosts.
    openssl(*words)


class Files:
    """Keys and certificates, made once for all servers of a suite."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="tls")
        for name, kind, names in (("ec", "prime256v1", ["mx.test"]), ("rsa", "rsa", ["mx.test"]),
                                  ("new", "prime256v1", ["mx.test"]),
                                  ("other", "secp384r1", ["other.test"]),
                                  ("ca", "prime256v1", ["CA"])):
            make_key(self[name + ".key"], kind)
            make_cert(self[name + ".crt"], self[name + ".key"], names)
        make_key(self["client.key"], "prime256v1")
        make_cert(self["client.crt"], self["client.key"], ["client.test"], self["ca"],
                  email="alice@example.test")
        os.chmod(self.dir, 0o755)

    def __getitem__(self, name):
        return os.path.join(self.dir, name)

    def remove(self):
        shutil.rmtree(self.dir)


class Tls:
    """A running tls with the global lines and sections of `conf`."""

    deaths = 0                # processes that are expected to die by a signal

    def __init__(self, files, conf="", keys="ec rsa", sections=""):
        self.dir = tempfile.mkdtemp(prefix="tls")
        os.chmod(self.dir, 0o755)
        os.mkdir(os.path.join(self.dir, "domains"))
        for name in os.listdir(files.dir):
            shutil.copy2(files[name], self.dir)
            owner = os.stat(files[name])
            os.chown(self[name], owner.st_uid, owner.st_gid)
        self.write_conf(keys, conf, sections)
        self.log_file = open(os.path.join(self.dir, "log"), "wb")
        self.feed, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Through a shell, which can put a descriptor on a fixed number.
        self.process = subprocess.Popen(
            ["bash", "-c", 'exec 3<&%d "$@"' % end.fileno(), "bash",
             os.path.join(BUILD, "tls"), "-c", self["postern.conf"], "-F"],
            pass_fds=[end.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=self.log_file, start_new_session=True)
        end.close()

    def __getitem__(self, name):
        return os.path.join(self.dir, name)

    def write_conf(self, keys, conf="", sections=""):
        keys = keys.split()
        with open(self["postern.conf"], "w", encoding="ascii") as f:
            f.write("hostname = mx.test\nstate = state\n%s%stls-cert = %s\ntls-key = %s\n%s" % (
                "session-user = %d\n" % RELAY_UID if ROOT else "", conf,
                " ".join(k + ".crt" for k in keys), " ".join(k + ".key" for k in keys),
                sections))

    def log(self):
        with open(self["log"], encoding="ascii") as f:
            return f.read()

    def wait_log(self, word, count=1):
        wait_for(lambda: self.log().count(word) >= count, "no %r in the log %r" % (
            word, self.log()))

    def asker(self):
        """A connection to tls, as helper_connect() makes it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        socket.send_fds(self.feed, [b"f"], [theirs.fileno()])
        theirs.close()
        ours.settimeout(SECONDS)
        return ours

    def serve(self, conn, session="s1"):
        """Has tls serve a connection. The plain end, and the asker."""
        ours, theirs = socket.socketpair()
        asker = self.asker()
        socket.send_fds(asker, [b"s" + session.encode() + b"\0" + b"192.0.2.1\0" + b"s\0"],
                        [conn.fileno(), theirs.fileno()])
        theirs.close()
        ours.settimeout(SECONDS)
        return ours, asker

    def connect(self):
        """A client's plain TCP connection that tls serves: Link."""
        with socket.create_server(("127.0.0.1", 0)) as door:
            client = socket.create_connection(door.getsockname(), timeout=SECONDS)
            conn, _ = door.accept()
        plain, asker = self.serve(conn)
        conn.close()
        return Link(client, plain, asker)

    def link(self, context=None, name="mx.test", session=None):
        """The same with its handshake done and its facts read."""
        link = self.connect()
        link.shake_hands(context or client_context(), name, session)
        return link

    def processes(self, name):
        """Numbers of our processes called so: the session is ours alone."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open("/proc/%s/comm" % pid) as f:
                    if f.read().strip() != name:
                        continue
                with open("/proc/%s/stat" % pid) as f:
                    fields = f.read().rpartition(")")[2].split()
                if fields[0] != "Z" and int(fields[3]) == self.process.pid:
                    found.append(int(pid))
        return found

    def reload(self, word="reloaded"):
        count = self.log().count(word)
        self.process.send_signal(signal.SIGHUP)
        self.wait_log(word, count + 1)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.feed.close()
        try:
            code = self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = "none"
        self.log_file.close()
        log = self.log()
        shutil.rmtree(self.dir)
        if kind is None:
            expect(code == 0, "tls ended with %s: %s" % (code, log[-500:]))
            expect(log.count("child-died") == self.deaths, log)


class Link:
    """One connection: the client's socket, the session's plain end, the asker."""

    def __init__(self, client, plain, asker):
        self.client, self.plain, self.asker = client, plain, asker
        self.facts = None

    def shake_hands(self, context, name="mx.test", session=None):
        self.client = context.wrap_socket(self.client, server_hostname=name, session=session,
                                          suppress_ragged_eofs=False)
        self.read_facts()

    def read_facts(self):
        packet = self.asker.recv(4096)
        expect(packet[:1] == b"+", "the asker got %r" % packet)
        values = packet[1:].split(b"\0")
        expect(len(values) == len(FACTS) + 1 and values[-1] == b"", "facts are %r" % values)
        self.facts = dict(zip(FACTS, (v.decode("ascii") for v in values)))
        self.asker.close()

    def is_refused(self):
        try:
            return self.asker.recv(4096)[:1] == b"-"
        finally:
            self.close()

    def echo(self, up=b"EHLO client.test\r\n", down=b"250 mx.test\r\n"):
        """Both ways; the first octets from the server bring the client its ticket."""
        self.client.sendall(up)
        expect(receive(self.plain, len(up)) == up, "the session got something else")
        self.plain.sendall(down)
        expect(receive(self.client, len(down)) == down, "the client got something else")

    def close(self):
        for s in (self.plain, self.client, self.asker):
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def receive(sock, size):
    got = bytearray()         # adding to bytes would copy all of them each time
    while len(got) < size:
        data = sock.recv(min(size - len(got), 1 << 16))
        if not data:
            break
        got += data
    return bytes(got)


def client_context(version=None, ciphers=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def is_gone(pid):
    fields = stat_fields(pid)
    return not fields or fields[0] == "Z"


def sleep_until(condition, seconds=SECONDS):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()
