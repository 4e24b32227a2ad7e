#!/usr/bin/env python3
# suite: timeout=120
"""CHECKPOINT (RFC 1845) with a process killed at every system call: session or keeper in
the connection that begins a message, and in the one that resumes it; and the client,
`postern send`, or its sender. Afterwards the client comes again, and each recipient, two
mailboxes and a queue, has the message just once, whole.

tests/fault/resume.py [-v] [WORD]...    only the cases whose name holds all WORDs
In the long run every call, otherwise every ninth.
"""
import concurrent.futures
import os
import queue
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from delivery import DEADLINE, INJECT, Bad, Client, Gone, Report, Skip, need_ptrace, trees  # noqa: E402

LONG = "POSTERN_LONG" in os.environ
WORKERS = 2
STEP = 1 if LONG else 9
HEAD = b"Subject: run %d\r\n\r\n"
FIRST, REST = b"0123456789\r\n" * 30, b"abcdefghij\r\n" * 30
FAR = "far.test"


class Place:
    def __init__(self):
        self.tree = trees.Tree()
        self.tree.set_conf("", "checkpoint", "all")
        self.tree.set_conf("", "relay-from", "192.0.2.1")
        self.smtpd = trees.copied_smtpd()
        self.runs = 0

    def prepare(self):
        self.runs += 1
        n = self.runs
        for user in ("u%d" % n, "v%d" % n):
            self.tree.add_user(user)
        self.tree.set_forward("l%d" % n, ["v%d@%s" % (n, trees.DOMAIN)])
        return n

    def connect(self, inject=()):
        """(client, ends): ends() waits, and gives inject's report."""
        ours, theirs = socket.socketpair()
        report, log = os.memfd_create("report"), os.memfd_create("log")
        command = [self.smtpd, "-c", os.path.join(self.tree.dir, "postern.conf")]
        if inject:
            command = [INJECT, "-r", str(report), *inject, *command]
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=log, cwd="/",
                                   pass_fds=(report,), env={"TCPREMOTEIP": "192.0.2.1"})
        theirs.close()

        def ends():
            ours.close()
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise Bad("a process is left after the close") from None
            texts = [os.pread(fd, 1 << 22, 0).decode("utf-8", "replace")
                     for fd in (report, log)]
            os.close(report)
            os.close(log)
            return Report(texts[0]) if inject else None, texts[1]
        return Client(ours), ends

    def check(self, n):
        """Each has it, whole, and once; partial/ holds no message."""
        body = (HEAD % n + FIRST + REST).replace(b"\r\n", b"\n")
        for user in ("u%d" % n, "v%d" % n):
            paths = self.tree.messages(user)
            if len(paths) != 1:
                raise Bad("%s has %d copies" % (user, len(paths)))
            with open(paths[0], "rb") as f:
                text = f.read()
            if not text.endswith(b"\n" + body) or text.count(b"Subject:") != 1:
                raise Bad("%s has %r" % (user, text[-300:]))
            trees.check_name(paths[0])
        spool = os.path.join(self.tree.state, "spool", FAR)
        names = sorted(os.listdir(spool)) if os.path.isdir(spool) else []
        if [x[-2:] for x in names] != [".e", ".m"]:
            raise Bad("in the queue: %s" % names)
        for folder in ("partial", "tmp", "spool/" + FAR):
            at = os.path.join(self.tree.state, folder)
            left = os.listdir(at)
            if folder == "tmp" and left:
                raise Bad("in tmp/: %s" % left)
            # What a killed keeper could not remove is the tidying's; nobody finds it.
            for name in left:
                os.unlink(os.path.join(at, name))


def hello(client, n):
    """The reply to MAIL."""
    client.say("EHLO client.test")
    return client.say("MAIL FROM:<a@client.test> TRANSID=<%d@client.test>" % n)[0]


def send(client, n, whole):
    """One connection, whatever it finds. True: 250 at the end."""
    data = HEAD % n + FIRST + REST
    at = 0
    code = hello(client, n)
    if code == 355:
        at = int(client.text.split()[0])
        if at > len(data) or (data[:at] != data[:at].rpartition(b"\r\n")[0] + b"\r\n" and at):
            raise Bad("offset %d" % at)
    elif code == 250:
        codes = client.say(*["RCPT TO:<%s>" % a for a in
                             ("u%d@here.test" % n, "l%d@here.test" % n, "x@" + FAR)])
        if codes != [250] * 3:
            return False
    else:
        return False
    if not whole:
        part = data[at:len(HEAD % n) + len(FIRST)]
        client.send(b"BDAT %d\r\n" % len(part) + part)
        return client.reply() == 250
    client.send(b"BDAT %d LAST\r\n" % len(data[at:]) + data[at:])
    return client.reply() == 250


def talk(place, n, whole, inject=()):
    client, ends = place.connect(inject)
    good = False
    try:
        client.reply()
        good = send(client, n, whole)
        client.say("QUIT")
    except Gone:
        pass
    return good, *ends()


def server_run(place, stage, inject):
    """A disturbed connection among undisturbed ones; inject's report."""
    n = place.prepare()
    if stage == "resumed":
        if not talk(place, n, False)[0]:
            raise Bad("even the first connection fails")
    good, report, _ = talk(place, n, stage == "resumed", inject)
    for _ in range(4):
        # After a 250 too: a client whose reply was lost knows nothing of it.
        again, _, log = talk(place, n, True)
        if again:
            break
    else:
        raise Bad("not taken afterwards: " + log[-400:])
    place.check(n)
    return report


def every_call(pool, places, name, run, who):
    """run(place, inject) with `who` killed before each call."""
    troubles, hits = [], []
    free = queue.SimpleQueue()
    for place in places:
        free.put(place)

    def one(n):
        place = free.get()
        try:
            report = run(place, (who, str(n), "kill"))
            if report.hit:
                hits.append(report.hit)
        except Bad as e:
            troubles.append("call %d: %s" % (n, e))
        finally:
            free.put(place)

    began = time.monotonic()
    try:
        report = run(places[0], ("-t", who, "0", "kill"))
    except Bad as e:
        print("not ok %s, undisturbed: %s" % (name, e))
        return
    calls = [c for by, c, _, _ in report.trace if by == who]
    list(pool.map(one, range(1, len(calls) + 1, STEP)))
    if troubles:
        print("not ok %s: %s" % (name, troubles[0]))
        for trouble in troubles[1:4]:
            print("    " + trouble)
    elif not hits:
        print("not ok %s: nothing was killed" % name)
    else:
        print("ok %s: %d of %d calls in %.1f s" % (name, len(hits), len(calls),
                                                  time.monotonic() - began))
    sys.stdout.flush()


# -- the client ------------------------------------------------------------------------


class Front:
    """A listening smtpd, for send."""

    def __init__(self, place):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [place.smtpd, "-c", os.path.join(place.tree.dir, "postern.conf"), "-L",
             "127.0.0.1:%d" % self.port], stdin=subprocess.DEVNULL, stderr=self.log, cwd="/")
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.02)
        raise Bad("smtpd does not listen")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def client_run(place, front, inject):
    n = place.prepare()
    body = HEAD % n + FIRST + REST
    path = os.path.join(place.tree.dir, "letter%d" % n)
    with open(path, "wb") as f:
        f.write(body)
    build = os.environ.get("BUILD") or os.path.dirname(trees.default_smtpd())
    command = [os.path.join(build, "send"), "--to", "127.0.0.1:%d" % front.port, "-f",
               "a@client.test", "u%d@here.test" % n, "l%d@here.test" % n, path]
    with open(os.devnull, "w") as null:
        report = os.memfd_create("report")
        first = subprocess.run([INJECT, "-r", str(report), *inject, *command],
                               pass_fds=(report,), stdin=subprocess.DEVNULL, stdout=null,
                               stderr=null, timeout=DEADLINE)
        text = os.pread(report, 1 << 22, 0).decode("utf-8", "replace")
        os.close(report)
        # A sender that is killed is noticed by send, which goes on itself.
        if first.returncode != 0 and "-t" in inject:
            raise Bad("exit %d" % first.returncode)
        for _ in range(4):
            again = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=null,
                                   stderr=subprocess.PIPE, timeout=DEADLINE)
            if again.returncode == 0:
                break
        else:
            raise Bad("exit %d: %s" % (again.returncode, again.stderr[-300:]))
    for user in ("u%d" % n, "v%d" % n):
        copies = place.tree.messages(user)
        if len(copies) != 1:
            raise Bad("%s has %d copies" % (user, len(copies)))
        with open(copies[0], "rb") as f:
            if not f.read().endswith(b"\n" + body.replace(b"\r\n", b"\n")):
                raise Bad("%s has another text" % user)
    return Report(text)


def main():
    words = [w for w in sys.argv[1:] if w != "-v"]
    try:
        need_ptrace()
    except Skip as e:
        print("skip CHECKPOINT with processes killed: %s" % e)
        return 0
    if os.access("/dev/shm", os.W_OK):
        tempfile.tempdir = "/dev/shm"
    places = [Place() for _ in range(WORKERS)]
    # The starters of flush are none of ours here: its socket is there, and is not read.
    try:
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for stage in ("begun", "resumed"):
                for who in ("keeper", "session"):
                    name = "%s, %s killed before each call" % (stage, who)
                    if all(w in name for w in words):
                        every_call(pool, places, name,
                                   lambda p, i, s=stage: server_run(p, s, i), who)
            place = Place()
            places.append(place)
            front = Front(place)
            try:
                for who, title in (("keeper", "send"), ("session", "its sender")):
                    name = "%s killed before each call" % title
                    if all(w in name for w in words):
                        every_call(pool, [place], name,
                                   lambda p, i: client_run(p, front, i), who)
            finally:
                front.stop()
    finally:
        for place in places:
            place.tree.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
