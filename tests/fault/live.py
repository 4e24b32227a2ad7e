"""For sandbox.py, no suite itself: one living smtpd and its client, and what /proc
says of its processes (proc(5)).
"""
import os
import re
import signal
import socket
import subprocess
import time

from delivery import BUILD, INJECT, Bad, trees

SMTPD = trees.default_smtpd()
PROBE = os.path.join(BUILD, "test", "smtpd-probe")
DEADLINE = 15
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapAmb")


def expect(true, what):
    if not true:
        raise Bad(what)


class Smtpd:
    """One smtpd and its client; options go before the command (inject)."""

    def __init__(self, tree, program=SMTPD, options=(), uid=None, stderr_is_socket=False,
                 pass_fds=()):
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(DEADLINE)
        self.log_fd = os.memfd_create("log")
        self.report_fd = os.memfd_create("report")
        command = [program, "-c", os.path.join(tree.dir, "postern.conf")]
        if options:
            command = [INJECT, "-r", str(self.report_fd), *options] + command
        # uid before the exec, so that no privilege is ever there to be given up.
        plain = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, cwd="/", start_new_session=True,
            stderr=theirs if stderr_is_socket else self.log_fd,
            pass_fds=(self.report_fd, *pass_fds), env={"TCPREMOTEIP": "192.0.2.1"}, **plain)
        theirs.close()
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self.log_fd)
        os.close(self.report_fd)

    def send(self, text):
        try:
            self.sock.sendall(text.encode())
        except (BrokenPipeError, ConnectionResetError):
            pass

    def reply(self):
        """All lines of the next reply, "" when smtpd closed."""
        while not re.search(rb"(?:^|\n)\d{3} [^\n]*\n\Z", self.received):
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            except socket.timeout:
                raise Bad("no reply in %d s" % DEADLINE) from None
            if not data:
                break
            self.received += data
        text, self.received = self.received.decode("utf-8", "replace"), b""
        return text

    def say(self, line, code):
        self.send(line + "\r\n")
        reply = self.reply()
        expect(reply.startswith(code), "%s: expected %s, got %r" % (line, code, reply))
        return reply

    def rest(self):
        """All that comes up to the close."""
        text = ""
        while True:
            more = self.reply()
            text += more
            if not more:
                return text

    def hello(self):
        expect(self.reply().startswith("220 "), "no greeting; log: " + self.log())
        self.say("EHLO client.test", "250")

    def deliver(self, user="alice", middle=lambda: None):
        """One message; middle() is called in the midst of its data."""
        self.say("MAIL FROM:<a@client.test>", "250")
        self.say("RCPT TO:<%s@%s>" % (user, trees.DOMAIN), "250")
        self.say("DATA", "354")
        self.send("Subject: one\r\n\r\nfirst half\r\n")
        middle()
        self.send("second half\r\n.\r\n")
        reply = self.reply()
        expect(reply.startswith("250 "), "the message was answered by %r" % reply)

    def quit(self):
        self.say("QUIT", "221")
        expect(self.rest() == "", "something after 221")
        expect(self.wait() == 0, "exit code %s; log: %s" % (self.process.returncode,
                                                           self.log()))

    def wait(self):
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise Bad("smtpd does not end") from None

    def log(self):
        return os.pread(self.log_fd, 1 << 20, 0).decode("utf-8", "replace")

    def report(self):
        return os.pread(self.report_fd, 1 << 24, 0).decode()

    def session_pid(self):
        """The keeper's one child."""
        for _ in range(100):
            children = [int(p) for p in os.listdir("/proc") if p.isdigit()
                        and status(int(p)).get("PPid") == str(self.process.pid)]
            if len(children) == 1:
                return children[0]
            time.sleep(0.02)
        raise Bad("not one child but %s" % children)


def status(pid):
    """Lines of /proc/PID/status by name; {} when the process is gone."""
    try:
        with open("/proc/%d/status" % pid) as f:
            return {k: v.strip() for k, _, v in (line.partition(":") for line in f)}
    except (FileNotFoundError, ProcessLookupError):
        return {}


def fields(pid, names):
    s = status(pid)
    return {name: s.get(name, "?").split() for name in names}


def descriptors(pid):
    base = "/proc/%d/fd" % pid
    return {int(n): os.readlink(os.path.join(base, n)) for n in os.listdir(base)}


def limits(pid):
    with open("/proc/%d/limits" % pid) as f:
        return {line[:26].strip(): line[26:47].strip() for line in f}


def check_process(pid, uid, what):
    f = fields(pid, ("Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp") + CAPABILITIES)
    for name in ("Uid", "Gid"):
        expect(f[name] == [str(uid)] * 4, "%s: %s %s, not %d" % (what, name, f[name], uid))
    expect(f["Groups"] == [], "%s: groups %s" % (what, f["Groups"]))
    expect(f["NoNewPrivs"] == ["1"], "%s: NoNewPrivs %s" % (what, f["NoNewPrivs"]))
    for name in CAPABILITIES:
        expect(int(f[name][0], 16) == 0, "%s: %s %s" % (what, name, f[name]))
    # Undumpable: its /proc files are root's, whoever it runs as (proc(5)).
    expect(os.stat("/proc/%d/mem" % pid).st_uid == 0, what + " is dumpable")
    return f["Seccomp"]


def new_tree(uid=None):
    tree = trees.Tree()
    if uid is not None:                 # all of it an ordinary user's
        for at, dirs, files in os.walk(tree.dir):
            for name in dirs + files + ["."]:
                os.chown(os.path.join(at, name), uid, uid)
    return tree


def check_stored(tree, count, user="alice"):
    paths = tree.messages(user)
    expect(len(paths) == count, "%d messages stored, not %d" % (len(paths), count))
    for path in paths:
        with open(path, "rb") as f:
            expect(f.read().endswith(b"\nfirst half\nsecond half\n"), path + " is not whole")
    expect(not tree.leftovers(), "left over: %s" % tree.leftovers())
