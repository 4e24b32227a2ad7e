"""For the suites of flush, no suite itself: a tree with a queue, next hops that answer
by the recipient's name, and a stand-in for `spool` that keeps the reports it is given."""
import email
import email.policy
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BUILD = os.path.abspath(os.environ.get("BUILD") or os.path.join(TOP, "build"))
OWNER, SESSION = 61001, 61002      # any that are nobody's; used when run as root
HOST = "mx.src.test"
SPOOL = """#!/bin/sh
# What spool is to flush: message on 0, envelope on 1, an exit code.
d='%s'
code=0
tls=$3
[ -f "$d/code" ] && read -r code <"$d/code"
[ "$code" = 0 ] || exit "$code"
n=$(mktemp "$d/report.XXXXXX") || exit 71
{ [ -z "$tls" ] || echo "X-Spool: $tls"; cat; } >"$n" && tr '\\0' '\\n' <&1 >"$n.to"
"""


def is_root():
    return os.geteuid() == 0


class Hop:
    """A server whose reply depends on the recipient: bad 550, later 450, drop: closes after
    the final dot without a reply, end: 250, then closes; anything else is taken."""

    def __init__(self, greeting=b"220 hop.test ESMTP", lmtp=False, path=None,
                 offers=("PIPELINING", "8BITMIME"), hang=False, context=None, broken=False,
                 both=False):
        self.greeting, self.lmtp, self.offers, self.hang = greeting, lmtp, offers, hang
        self.context, self.broken = context, broken     # of STARTTLS
        self.messages = []             # (recipients, text) whose 250 was sent
        self.lost = []                 # the same, without the 250
        self.connections = 0
        self.open = self.most = 0      # connections at once
        self.commands = []
        self.lock = threading.Lock()
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            os.chmod(path, 0o666)
            self.listener.listen(64)
            self.port = 0
        else:
            self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
            self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()
        if both:                       # the other address of localhost
            other = socket.create_server(("::1", self.port), family=socket.AF_INET6)
            threading.Thread(target=self._accept, args=(other,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                conn = listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            self.open += 1
            self.most = max(self.most, self.open)
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _serve(self, conn):
        try:
            with conn, conn.makefile("rwb") as f:
                if self.hang:
                    time.sleep(60)
                    return
                self._say(f, self.greeting)
                if self._talk(f, self.context is not None):
                    self._secure(conn)
        except OSError:
            pass
        with self.lock:
            self.open -= 1

    def _say(self, f, line):
        f.write(line if isinstance(line, bytes) else line.encode())
        f.write(b"\r\n")
        f.flush()

    def _secure(self, conn):
        if self.broken:
            conn.recv(1)
            conn.sendall(b"this is no TLS\r\n")
            return
        with self.context.wrap_socket(conn, server_side=True) as tls, tls.makefile("rwb") as f:
            self.commands.append("(TLS)")
            self._talk(f, False)

    def _talk(self, f, starttls):
        """True: the handshake is next."""
        taken = []
        for line in f:
            line = line.rstrip(b"\r\n").decode("utf-8", "replace")
            self.commands.append(line)
            verb = line[:4].upper()
            if verb in ("EHLO", "LHLO"):
                self._say(f, "250-hop.test")
                for word in self.offers:
                    self._say(f, "250-" + word)
                if starttls:
                    self._say(f, "250-STARTTLS")
                self._say(f, "250 ENHANCEDSTATUSCODES")
            elif verb == "STAR":
                self._say(f, "220 2.0.0 go")
                return True
            elif verb == "RCPT":
                if "bad" in line:
                    self._say(f, "550 5.1.1 nobody of that name")
                elif "later" in line:
                    self._say(f, "450 4.2.1 come again")
                else:
                    taken.append(re.search("<(.*?)>", line).group(1))
                    self._say(f, "250 2.1.5 fine")
            elif verb == "DATA":
                if not taken:
                    self._say(f, "554 5.5.1 no recipients")
                    continue
                self._say(f, "354 go")
                if not self._data(f, taken):
                    return False
                taken = []
            elif verb == "QUIT":
                self._say(f, "221 bye")
                return False
            elif verb == "AUTH":
                self._say(f, "235 2.7.0 fine")
            else:
                self._say(f, "250 2.0.0 fine")
        return False

    def _data(self, f, taken):
        text = b""
        for line in f:
            if line == b".\r\n":
                break
            text += line
        else:
            return False
        drop = any("drop" in a for a in taken)
        with self.lock:
            (self.lost if drop else self.messages).append((taken, text))
        if drop:
            return False
        for a in taken if self.lmtp else taken[:1]:
            self._say(f, "552 5.2.2 full" if "full" in a else "250 2.0.0 taken")
        return not any("end" in a for a in taken)

    def received(self, address):
        return sum(a == address for to, _ in self.messages for a in to)


class Tree:
    def __init__(self, **conf):
        self.dir = tempfile.mkdtemp(prefix="postern-flush.")
        os.chmod(self.dir, 0o755)
        self.state = os.path.join(self.dir, "state")
        self.spool = os.path.join(self.state, "spool")
        self.reports_dir = os.path.join(self.dir, "reports")
        for path in ("domains", "reports", "state", "state/spool", "state/tmp", "state/mail",
                     "state/jail"):
            os.mkdir(os.path.join(self.dir, path), 0o755)
        os.chmod(self.reports_dir, 0o777)
        with open(os.path.join(self.state, "jail.owner"), "w"):
            pass
        for path in ("", "spool", "tmp", "mail"):
            self.own(os.path.join(self.state, path))
        if is_root():
            os.chown(os.path.join(self.state, "jail.owner"), SESSION, SESSION)
        self.flush_path = shutil.copy(os.path.join(BUILD, "flush"), self.dir)
        with open(os.path.join(self.dir, "spool"), "w") as f:
            f.write(SPOOL % self.reports_dir)
        os.chmod(os.path.join(self.dir, "spool"), 0o755)
        self.conf = {"": {"hostname": HOST, "state": "state", "postmaster": "pm@" + HOST,
                          "dns-anchor": "none", "dns": "127.0.0.1@1"}, "sending": {}}
        self.set(**conf)
        self.count = 0

    def own(self, path):
        if is_root():
            os.chown(path, OWNER, OWNER)

    def set(self, **conf):
        """sending_reports=2: key reports of [sending]; expire="1d": a global key."""
        for key, value in conf.items():
            section, name = ("sending", key[8:]) if key.startswith("sending_") else ("", key)
            self.conf[section][name.replace("_", "-")] = value
        with open(os.path.join(self.dir, "postern.conf"), "w") as f:
            for section, keys in self.conf.items():
                f.write("[%s]\n" % section if section else "")
                for key, value in keys.items():
                    f.write("%s = %s\n" % (key, value))

    def domain(self, name, *lines):
        with open(os.path.join(self.dir, "domains", name + ".conf"), "w") as f:
            f.write("".join(line + "\n" for line in lines))

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def put(self, domain, *to, sender="alice@src.test", age=0, body=b"Subject: hello\n\ntext\n",
            notify="-", orcpt="-", size=None, kind="8BITMIME", utf8="no", extra="", hold="-",
            state=".-", mid=None):
        """Queues a message as the keeper does; its id."""
        self.count += 1
        mid = mid or "%08x%05x.1.%x" % (int(time.time()) - age, self.count, self.count)
        folder = os.path.join(self.spool, domain)
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o700)
            self.own(folder)
        head = b"Return-Path: <alice@src.test>\n"
        text = "".join("to %s 0000000000 000 %s %s %s\n" % (state, notify, orcpt, a) for a in to)
        envelope = ("postern 1\nid %s\nhold %s\narrived %d\nskip %d\nsize %d\nbody %s\nutf8 %s\n"
                    "%ssender %s\n%send\n" %
                    (mid, hold, int(time.time()) - age, len(head),
                     len(head) + len(body) if size is None else size, kind, utf8, extra,
                     sender, text))
        self.write(domain, mid + ".m", head + body)
        self.write(domain, mid + ".e", envelope.encode())
        return mid

    def write(self, domain, name, content):
        path = os.path.join(self.spool, domain, name)
        with open(path + ".new", "wb") as f:
            f.write(content)
        self.own(path + ".new")
        os.rename(path + ".new", path)

    def argv(self, *args):
        return [self.flush_path, "-c", os.path.join(self.dir, "postern.conf"), *args]

    def flush(self, *args, timeout=30, code=0):
        run = subprocess.run(self.argv(*args), stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=timeout)
        self.log = run.stderr.decode()
        expect(run.returncode == code, "exit", run.returncode, self.log)
        expect("-died" not in self.log, self.log)
        return self.log

    def queued(self, domain):
        """{id: [state of each recipient]}"""
        out = {}
        folder = os.path.join(self.spool, domain)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if name.endswith(".e"):
                with open(os.path.join(folder, name)) as f:
                    out[name[:-2]] = re.findall(r"(?m)^to (.)", f.read())
        return out

    def marks(self, domain, mid):
        """[(state, delay told, next, attempts)]"""
        with open(os.path.join(self.spool, domain, mid + ".e")) as f:
            return [(m[0], m[1], int(m[3:13]), int(m[14:17]))
                    for m in re.findall(r"(?m)^to (.{17})", f.read())]

    def edit(self, domain, mid, old, new):
        path = os.path.join(self.spool, domain, mid + ".e")
        with open(path, "r+b") as f:
            text = f.read().replace(old.encode(), new.encode())
            f.seek(0)
            f.write(text)

    def reports(self):
        """[(recipient, message)], and forgets them."""
        out = []
        for name in sorted(os.listdir(self.reports_dir)):
            path = os.path.join(self.reports_dir, name)
            if name.startswith("report.") and not name.endswith(".to"):
                with open(path, "rb") as f:
                    message = email.message_from_binary_file(f, policy=email.policy.default)
                with open(path + ".to") as f:
                    words = f.read().split("\n")
                expect(words[0] == "F" and words[1][0] == "T" and words[2:] == ["", ""], words)
                out.append((words[1][1:], message))
                os.unlink(path)
                os.unlink(path + ".to")
        return out

    def spool_says(self, code):
        with open(os.path.join(self.reports_dir, "code"), "w") as f:
            f.write("%d\n" % code)

    def gone(self, domain):
        return not os.path.exists(os.path.join(self.spool, domain))


class Bad(Exception):
    pass


def expect(good, *why):
    if not good:
        raise Bad(" ".join(str(w) for w in why))


cases = []


def case(name):
    def add(function):
        cases.append((name, function))
        return function
    return add


def run_cases():
    wanted = sys.argv[1:]
    for name, function in cases:
        if wanted and not all(w in name for w in wanted):
            continue
        try:
            function()
        except Exception as e:              # the others run all the same
            print("not ok %s: %s: %s" % (name, type(e).__name__,
                                         str(e).replace("\n", " | ")[:600]))
        else:
            print("ok " + name)
        sys.stdout.flush()


def wait_for(condition, seconds=10):
    until = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < until, "not within %d s" % seconds)
        time.sleep(0.02)


def status_of(report):
    """The recipients' blocks of the report's second part, each a dictionary."""
    part = report.get_payload()[1]
    payload = part.get_payload()
    text = payload if isinstance(payload, str) else "\n".join(str(b) for b in payload)
    blocks = [dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
              for block in re.split(r"\n\s*\n", text.strip())]
    return blocks[0], blocks[1:]
