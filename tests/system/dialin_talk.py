"""For the suites of mail on demand (ETRN, ATRN), no suite itself: a provider, which is a
smtpd that listens and what its starter runs, and a client that logs in."""
import base64
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "smtp"))
import tree as trees  # noqa: E402
from flush_talk import Hop  # noqa: E402, F401, used by the suites

BUILD = os.path.abspath(os.environ.get("BUILD") or os.path.join(HERE, "..", "..", "build"))
DEADLINE = 30
LOGIN, PASSWORD = "isp@here.test", "geheim1"


def expect(good, *what):
    if not good:
        raise AssertionError(" ".join(str(w) for w in what))


def where_named(*command):
    """The command where this host's name is one that resolves: fetchmail asks for it."""
    if not trees.is_root():
        return list(command)
    return ["unshare", "--uts", "sh", "-c", 'hostname localhost && exec "$@"', "sh", *command]


def wait_for(condition, what, seconds=DEADLINE):
    until = time.monotonic() + seconds
    while not (value := condition()):
        expect(time.monotonic() < until, "after %d s: %s" % (seconds, what))
        time.sleep(0.02)
    return value


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


cases = []


def case(name):
    def add(function):
        cases.append((name, function))
        return function
    return add


def run_cases():
    for name, function in cases:
        if len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:]):
            continue
        try:
            skipped = function()
            print("skip %s: %s" % (name, skipped) if skipped else "ok " + name, flush=True)
        except Exception as e:  # noqa: BLE001, one case's accident must not hide the others
            where = traceback.extract_tb(e.__traceback__)[-1]
            print("not ok %s: %s (%s:%d)" % (name, str(e).replace("\n", " ")[:900] or repr(e),
                                             os.path.basename(where[0]), where[1]), flush=True)


def programs():
    """All of them in one folder, where any user may run them."""
    folder = tempfile.mkdtemp(prefix="postern-dialin.")
    os.chmod(folder, 0o755)
    for name in ("smtpd", "tls", "auth", "flush", "spool", "postern", "dns"):
        shutil.copy(os.path.join(BUILD, name), folder)
    return folder


class Place(trees.Tree):
    """A tree whose smtpd listens: service name -> port."""

    def __init__(self, *services, **domains):
        super().__init__()
        self.flush.close()
        del self.conf[("sockets", "flush")]
        self.set_conf("", "postmaster", "alice@" + trees.DOMAIN)
        self.set_conf("", "dns", "127.0.0.1@1")
        self.set_conf("", "dns-anchor", "none")
        self.add_certificate()
        self.services = services
        self.log_path = os.path.join(self.dir, "log")
        self.process = None
        self.count = 0

    def add_login(self, login=LOGIN, *options):
        local, _, domain = login.partition("@")
        if domain not in self.domains:
            self.set_domain(domain)
        self.add_user(login)
        self.postern("user", "passwd", login, "--password-stdin", *options,
                     text=PASSWORD + "\n")

    def start(self):
        self.port = {s: free_port() for s in self.services}
        argv = [os.path.join(FOLDER, "smtpd"), "-c", os.path.join(self.dir, "postern.conf")]
        for service in self.services:
            argv += ["-s", service, "-L", "127.0.0.1:%d" % self.port[service]]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log,
                                            stdout=log, start_new_session=True)
        for port in self.port.values():
            wait_for(lambda p=port: self.is_open(p), "smtpd listens: " + self.log())

    @staticmethod
    def is_open(port):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def lines(self, event):
        return [line for line in self.log().splitlines() if "event=%s " % event in line]

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def remove(self):
        self.stop()
        super().remove()

    def hold(self, domain, where="hold", login=LOGIN, **keys):
        self.set_domain(domain, "deliver", where)
        if login:
            self.set_domain(domain, "etrn", login)
        for key, value in keys.items():
            self.set_domain(domain, key, value)

    def put(self, domain, *to, age=0, body=b"Subject: hello\n\ntext\n", extra=""):
        """Queues a message as the keeper does; its id."""
        self.count += 1
        mid = "%08x%05x.1.%x" % (int(time.time()) - age, self.count, self.count)
        folder = os.path.join(self.state, "spool", domain)
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o700)
            self._own(folder)
        head = b"Return-Path: <alice@here.test>\n"
        lines = "".join("to .- 0000000000 000 - - %s\n" % a for a in to)
        envelope = ("postern 1\nid %s\nhold -\narrived %d\nskip %d\nsize %d\nbody 8BITMIME\n"
                    "utf8 no\n%ssender alice@here.test\n%send\n" %
                    (mid, int(time.time()) - age, len(head), len(head) + len(body), extra,
                     lines))
        for name, content in ((mid + ".m", head + body), (mid + ".e", envelope.encode())):
            path = os.path.join(folder, name)
            with open(path + ".new", "wb") as f:
                f.write(content)
            self._own(path + ".new")
            os.rename(path + ".new", path)
        return mid

    def waiting(self, domain):
        folder = os.path.join(self.state, "spool", domain)
        return sorted(n[:-2] for n in os.listdir(folder)
                      if n.endswith(".e")) if os.path.isdir(folder) else []

    def is_locked(self, domain):
        path = os.path.join(self.state, "spool", domain, "lock")
        if not os.path.exists(path):
            return False
        with open(path) as f:
            try:
                trees.fcntl.flock(f, trees.fcntl.LOCK_SH | trees.fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    def drop(self, domain):
        """Its queue, once no run works on it."""
        wait_for(lambda: not self.is_locked(domain), "the run ends")
        shutil.rmtree(os.path.join(self.state, "spool", domain), ignore_errors=True)
        expect(self.waiting(domain) == [], "the queue of", domain)

    def forget_asking(self, domain):
        """As if the last run that was asked for were long ago."""
        path = os.path.join(self.state, "spool", domain, "lock")
        if os.path.exists(path):
            with open(path, "w") as f:
                f.write("1000000000\n")


def context():
    c = ssl.create_default_context(cafile=os.path.join(trees.secure.certificates(), "mx.pem"))
    c.check_hostname = False
    return c


def client(place, service="submissions", login=LOGIN):
    port = place.port[service]
    if service in ("submissions", "odmr"):
        c = smtplib.SMTP_SSL("127.0.0.1", port, "client.test", context=context(),
                             timeout=DEADLINE)
    else:
        c = smtplib.SMTP("127.0.0.1", port, "client.test", timeout=DEADLINE)
        c.starttls(context=context())
    c.ehlo()
    if login:
        code, text = c.docmd("AUTH", "PLAIN " + base64.b64encode(
            ("\0%s\0%s" % (login, PASSWORD)).encode()).decode())
        expect(code == 235, code, text)
    return c


FOLDER = programs()
trees.atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
