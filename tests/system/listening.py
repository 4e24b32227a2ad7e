"""For the suites front*.py, no suite itself: one smtpd that listens, its processes as
/proc shows them (proc(5)), and clients. Environment: BUILD, POSTERN_LONG.
"""
import contextlib
import ctypes
import fcntl
import os
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "smtp"))
import tree as trees  # noqa: E402

LONG = "POSTERN_LONG" in os.environ
ROOT = os.geteuid() == 0
DEADLINE = 30            # seconds for what takes none: the machine may be busy
KEEPER, SESSION = trees.KEEPER_UID, trees.SESSION_UID
ORDINARY = 61077         # a user for whom the suites run nothing else
SPARES = 8               # front/nursery.c
SESSIONS_IDLE = 32       # and the same


class Bad(Exception):
    """What was expected and what came; ends a case."""


def expect(true, what):
    if not true:
        raise Bad(what)


def wait_for(condition, what, seconds=DEADLINE):
    """The condition's value, once it has a true one."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise Bad("after %d s: %s" % (seconds, what))
        time.sleep(0.05)


cases = []


def case(name, root=False):
    """root: says skip where the suite is run by somebody else."""
    def add(function):
        cases.append((name, root, function))
        return function
    return add


def run_cases():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name, root, function in cases:
        if len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:]):
            continue
        if root and not ROOT:
            print("skip %s: only root can look" % name, flush=True)
            continue
        try:
            skipped = function()
            print("skip %s: %s" % (name, skipped) if skipped else "ok " + name, flush=True)
        except Exception as e:  # noqa: BLE001, one case's accident must not hide the others
            print("not ok %s: %s" % (name, str(e).replace("\n", " ")[:600] or repr(e)))
            for entry in traceback.extract_tb(e.__traceback__)[1:]:
                print("    %s:%d: %s" % (os.path.basename(entry[0]), entry[1], entry[3]))
            sys.stdout.flush()


# -- processes ---------------------------------------------------------------------


def status(pid):
    """Lines of /proc/PID/status by name; {} when the process is gone."""
    try:
        with open("/proc/%d/status" % pid) as f:
            return {k: v.strip() for k, _, v in (line.partition(":") for line in f)}
    except (FileNotFoundError, ProcessLookupError):
        return {}


def stat_fields(pid):
    """[state, ppid, pgrp, session] of a process, or []."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[:4]
    except (FileNotFoundError, ProcessLookupError):
        return []


def descriptors(pid):
    """{number: target}; needs the right to look."""
    found = {}
    try:
        for n in os.listdir("/proc/%d/fd" % pid):
            with contextlib.suppress(FileNotFoundError):
                found[int(n)] = os.readlink("/proc/%d/fd/%s" % (pid, n))
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def memory_kib(pid):
    """Private memory of a process."""
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Private_"))


def find_in_memory(pid, marker):
    """Where the octets stand in what a process can read and write; needs root."""
    found = []
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(x, 16) for x in span.split("-"))
            if not rights.startswith("rw"):
                continue
            try:
                data = os.pread(mem.fileno(), end - start, start)
            except OSError:
                continue
            found += ["%s of %s" % (hex(start + m.start()), line.split()[-1])
                      for m in re.finditer(re.escape(marker), data)]
    return found


def poison(pid, marker):
    """Writes the marker into every page of zeros that a process may write to, and says into
    how many: as one does who has taken it over, and wants to stay. Needs root."""
    count = 0
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "r+b", 0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(x, 16) for x in span.split("-"))
            if rights != "rw-p":
                continue
            for at in range(start, end, 4096):
                if not any(os.pread(mem.fileno(), 4096, at)):
                    count += os.pwrite(mem.fileno(), marker, at + 1024) == len(marker)
    return count


def registers(pid):
    """All of a process's registers, as octets; needs the right to trace it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    attach, detach, getregset = 16, 17, 0x4204
    if libc.ptrace(attach, pid, None, None) == -1:
        raise Bad("ptrace: " + os.strerror(ctypes.get_errno()))
    os.waitpid(pid, 0)
    found = b""
    for kind in (1, 2, 0x202):          # general, floating point, and x86's extended ones
        room = ctypes.create_string_buffer(16384)
        iov = (ctypes.c_void_p * 2)(ctypes.addressof(room), len(room))
        if libc.ptrace(getregset, pid, kind, iov) == 0:
            found += room.raw[:iov[1]]
    libc.ptrace(detach, pid, None, None)
    expect(len(found) > 500, "no registers")
    return found


def limits(pid):
    with open("/proc/%d/limits" % pid) as f:
        return {line[:26].strip(): line[26:47].strip() for line in f}


def steal_descriptor(pid, fd):
    """Our copy of a descriptor of another process (pidfd_getfd(2)); needs root."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    got = libc.syscall(438, pidfd, fd, 0)
    os.close(pidfd)
    if got == -1:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return got


# -- smtpd -------------------------------------------------------------------------


def free_port(host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


# Puts descriptors at 3, 4, ..., says so as sd_listen_fds(3) wants it, and executes.
PLACE = """
import os, sys
fds, names = [int(n) for n in sys.argv[1].split(",")], sys.argv[2]
for at, fd in enumerate(fds):
    os.dup2(fd, 3 + at)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)))
if names != "-":
    os.environ["LISTEN_FDNAMES"] = names[1:]
os.execv(sys.argv[3], sys.argv[3:])
"""


class Front:
    """smtpd on listening sockets. Its processes share a session (setsid(2)), which is
    how they are found even when the front is dead."""

    def __init__(self, tree, *options, uid=None, env=None, fds=(), before=(), wait=True,
                 program=None, names=None):
        """fds: sockets for LISTEN_FDS, with `names`; before: words before the command."""
        self.tree = tree
        self.address = None
        if not options and not fds:
            self.address = ("127.0.0.1", free_port())
            options = ("-L", "%s:%d" % self.address)
        self.log_fd = os.memfd_create("log")
        fcntl.fcntl(self.log_fd, fcntl.F_SETFL, os.O_APPEND)   # or lines get lost
        self.out_fd = os.memfd_create("out")
        clean = {k: v for k, v in os.environ.items()
                 if k == "PATH" or k.startswith(("ASAN_", "UBSAN_"))}
        clean.update(env or {})
        command = [*before, program or trees.copied_smtpd(), "-c",
                   os.path.join(tree.dir, "postern.conf"), *options]
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in fds]
        if fds:
            # Only the new process knows its number.
            command = [sys.executable, "-IS", "-c", PLACE, ",".join(map(str, high)),
                       "-" if names is None else "=" + names, *command]
        plain = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.out_fd, stderr=self.log_fd,
            env=clean, cwd="/", start_new_session=True, pass_fds=high, **plain)
        for fd in high:
            os.close(fd)
        self.pid = self.process.pid
        if wait:
            # From the first reading on a stop is heard (front.c, open_signals).
            wait_for(lambda: len(self.sessions()) >= SPARES or self.process.poll() is not None,
                     "smtpd does not start: " + self.log())
            expect(self.process.poll() is None, "smtpd ended: " + self.log())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.processes(zombies=True):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.log_fd)
        os.close(self.out_fd)

    def log(self):
        return os.pread(self.log_fd, 1 << 24, 0).decode("utf-8", "replace")

    def output(self):
        return os.pread(self.out_fd, 1 << 20, 0).decode("utf-8", "replace")

    def processes(self, zombies=False, starter=False):
        """All of this smtpd's, whoever their parent is by now; the starter when asked for."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                f = stat_fields(int(name))
                if not f or f[3] != str(self.pid) or (f[0] == "Z" and not zombies):
                    continue
                if starter or status(int(name)).get("Name") != "smtpd-starter":
                    found.append(int(name))
        return found

    def nursery(self):
        """The front's child that has children, or -1."""
        parents = {int(stat_fields(p)[1]) for p in self.processes() if stat_fields(p)}
        for pid in self.processes():
            f = stat_fields(pid)
            if f and pid in parents and int(f[1]) == self.pid:
                return pid
        return -1

    def sessions(self):
        nursery = self.nursery()
        return [p for p in self.processes() if stat_fields(p)[1:2] == [str(nursery)]]

    def keepers(self):
        nursery = self.nursery()
        return [p for p in self.processes()
                if p != nursery and stat_fields(p)[1:2] == [str(self.pid)]]

    def serving(self, client):
        """(session, keeper or None) of a client's connection."""
        inode = client.their_inode()
        holders = [p for p in self.processes() if inode in descriptors(p).values()]
        sessions, keepers = self.sessions(), self.keepers()
        session = [p for p in holders if p in sessions]
        keeper = [p for p in holders if p in keepers]
        expect(len(session) == 1 and len(keeper) < 2,
               "connection held by sessions %s, keepers %s" % (session, keeper))
        return session[0], keeper[0] if keeper else None

    def signal(self, number):
        os.kill(self.pid, number)

    def wait(self, seconds=DEADLINE):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Bad("smtpd does not end in %d s" % seconds) from None

    def stop(self):
        """By SIGTERM, with no client: exit code 0 and no process left."""
        self.signal(signal.SIGTERM)
        code = self.wait()
        expect(code == 0, "exit code %d, log %s" % (code, self.log()[-500:]))
        wait_for(lambda: not self.processes(starter=True), "processes are left")

    def connect(self, **more):
        return Client(self.address, **more)

    def is_calm(self):
        """Every connection has ended: only waiting sessions are left, which hold nothing
        beside what all of them do. More of them are ordered when half are taken."""
        sessions = self.sessions()
        if not SPARES // 2 < len(sessions) <= SPARES + SESSIONS_IDLE:
            return False
        return not ROOT or all(len(descriptors(p)) <= 5 for p in sessions)

    def wait_calm(self):
        try:
            wait_for(self.is_calm, "")
        except Bad:
            raise Bad("sessions are left: %s" % self.sessions()) from None

    def wait_ends(self, count):
        """So many connections have ended, which frees their places."""
        wait_for(lambda: self.log().count("event=end") >= count, "ends are not logged")

    def check_serves(self):
        """One message goes in."""
        before = len(self.tree.messages("alice"))
        with self.connect() as client:
            client.hello()
            client.deliver("still here")
        expect(len(self.tree.messages("alice")) == before + 1, "the message is not there")


# -- clients -----------------------------------------------------------------------


class Client:
    """address: (host, port), or the path of a unix socket."""

    def __init__(self, address, source=None, greeted=True, timeout=DEADLINE):
        self.received = b""
        self.address = address
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
        else:
            self.sock = socket.socket(
                socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.sock.settimeout(timeout)
        try:
            if source:
                self.sock.bind((source, 0))
            self.sock.connect(address)
            if greeted:
                got = self.reply()
                expect(re.fullmatch(r"220 mx\.test (ESMTP|LMTP)\r\n", got),
                       "greeted by %r" % got)
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    close = __exit__

    def reset(self):
        """Leaves by RST, not by FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send(self, text):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(text.encode() if isinstance(text, str) else text)

    def reply(self):
        """All lines of the next reply; what came before the end of the connection."""
        while not re.match(rb"(?:\d{3}-[^\n]*\n)*\d{3} [^\n]*\n", self.received):
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            except socket.timeout:
                raise Bad("no reply, only %r" % self.received) from None
            if not data:
                text, self.received = self.received, b""
                return text.decode()
            self.received += data
        at = re.match(rb"(?:\d{3}-[^\n]*\n)*\d{3} [^\n]*\n", self.received).end()
        text, self.received = self.received[:at], self.received[at:]
        return text.decode("utf-8", "replace")

    def has_input(self):
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(self.received or poll.poll(0))

    def rest(self):
        """All that comes up to the end of the connection."""
        text = ""
        while True:
            more = self.reply()
            text += more
            if not more:
                return text

    def say(self, line, code="250"):
        self.send(line + "\r\n")
        got = self.reply()
        expect(got.startswith(code), "%s: expected %s, got %r" % (line[:60], code, got))
        return got

    def hello(self, verb="EHLO"):
        return self.say(verb + " client.test")

    def begin(self, user="alice", sender="a@client.test"):
        self.say("MAIL FROM:<%s>" % sender)
        self.say("RCPT TO:<%s@%s>" % (user, trees.DOMAIN))

    def deliver(self, text, user="alice", sender="a@client.test"):
        """One message; its id."""
        self.begin(user, sender)
        self.say("DATA", "354")
        self.send("Subject: test\r\n\r\n%s\r\n.\r\n" % text)
        got = self.reply()
        expect(got.startswith("250 2.0.0 ok "), "the message was answered by %r" % got)
        return got.split()[-1]

    def quit(self):
        self.say("QUIT", "221")
        expect(self.rest() == "", "something after 221")
        self.sock.close()

    def their_inode(self):
        """The other end of this TCP connection, in the form of /proc/PID/fd."""
        def in_hex(address, mapped):
            host = socket.inet_pton(self.sock.family, address[0])
            if mapped:
                host = b"\0" * 10 + b"\xff\xff" + host
            words = struct.unpack("=%dI" % (len(host) // 4), host)
            return "%08X" * len(words) % words + ":%04X" % address[1]

        v4 = self.sock.family == socket.AF_INET
        for table, mapped in (("tcp6", v4), ("tcp", False)):
            wanted = [in_hex(self.sock.getpeername(), mapped),
                      in_hex(self.sock.getsockname(), mapped)]
            with open("/proc/net/" + table) as f:
                for line in f:
                    words = line.split()
                    if words[1:3] == wanted:
                        return "socket:[%s]" % words[9]
        raise Bad("the connection is not in /proc/net")


def new_tree(uid=None, **keys):
    """keys: hostname="x", or limits_rate="5" for [limits] rate."""
    tree = trees.Tree()
    for name, value in keys.items():
        section, _, key = name.partition("_") if name.split("_")[0] in (
            "limits", "timeouts") else ("", "", name)
        tree.set_conf(section, key.replace("_", "-"), value)
    if uid is not None:
        for at, dirs, files in os.walk(tree.dir):
            for name in dirs + files + ["."]:
                os.chown(os.path.join(at, name), uid, uid)
    return tree


@contextlib.contextmanager
def front(*options, uid=None, tree=None, program=None, env=None, before=(), **keys):
    """A tree and its smtpd, both gone afterwards; no error may be in its log."""
    tree = tree or new_tree(uid, **keys)
    try:
        with Front(tree, *options, uid=uid, program=program, env=env, before=before) as f:
            try:
                yield f
            except Exception:
                print("".join("    " + line for line in
                              f.log().splitlines(keepends=True)[-30:]), flush=True)
                raise
    finally:
        tree.remove()


def read(path):
    with open(path, "rb") as f:
        return f.read()


def check_mail(tree, user, wanted):
    """The mailbox holds a message for each text of `wanted`, and no other."""
    got = {}
    for path in tree.messages(user):
        trees.check_name(path)
        got.setdefault(read(path).rpartition(b"\n\n")[2].decode().strip(), []).append(path)
    expect(sorted(got) == sorted(wanted) and all(len(p) == 1 for p in got.values()),
           "%s has %d messages, not %d: missing %s, foreign %s" %
           (user, sum(map(len, got.values())), len(wanted), sorted(set(wanted) - set(got))[:3],
            sorted(set(got) - set(wanted))[:3]))
    expect(not tree.leftovers(), "left over: %s" % tree.leftovers()[:3])
