#!/usr/bin/env python3
# suite: timeout=240
"""spool disturbed at every system call: killed before or after it, or it fails once.

One message for two mailboxes and two queues a run, under tests/fault/inject.c. After
each run: exit 0 only when both mailboxes and both queues have the whole message;
whatever the exit, nothing that a reader or flush looks at is cut off; with another exit
code nothing stays, but after a kill; and what a kill leaves is legal (DESIGN.md): a
message without its envelope, a file in STATE/tmp.

tests/fault/spool.py [WORD]...    only the cases whose name holds all WORDs
"""
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from delivery import DEADLINE, INJECT, Report, Skip, need_ptrace  # noqa: E402
from spool_talk import Bad, Place, expect, who  # noqa: E402

LONG = "POSTERN_LONG" in os.environ
WORKERS = 2
BODY = b"Subject: whole\n\n" + b"0123456789abcdef\n" * 400 + b"the end\n"
ENVELOPE = (b"Fs@x.test\0Talice@here.test\0Tbob@here.test\0Tc@one.test\0Td@two.test\0"
            b"Te@two.test\0\0")
QUEUES = {"one.test": 1, "two.test": 2}
NO_TMPFILE = ("-a", "openat,2&020000000=EOPNOTSUPP")


def memory(data):
    fd = os.memfd_create("in")
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def run(place, options):
    """(exit code or None after a signal, report)."""
    message, envelope, report = memory(BODY), memory(ENVELOPE), os.memfd_create("report")
    try:
        subprocess.run([INJECT, "-r", str(report), *options, place.program("spool"), "-v"],
                       stdin=message, stdout=envelope, stderr=subprocess.DEVNULL,
                       pass_fds=(report,), env=place.environment(), timeout=DEADLINE,
                       **who("owner"))
        found = Report(os.pread(report, 1 << 24, 0).decode())
    except subprocess.TimeoutExpired:
        raise Bad("hangs") from None
    finally:
        for fd in (message, envelope, report):
            os.close(fd)
    end = found.ends.get("keeper", "")
    return int(end.split()[1]) if end.startswith("exit") else None, found


def clean(place):
    """As before the first run: no Maildir, no queue."""
    place.clear_queue()
    for user in ("alice", "bob"):
        shutil.rmtree(os.path.join(place.tree.user_dir(user), "Maildir"), ignore_errors=True)
    tmp = os.path.join(place.tree.state, "tmp")
    for name in os.listdir(tmp):
        os.unlink(os.path.join(tmp, name))


def look(place, code, killed):
    """Is what is on disk legal, and as much as the exit code promised?"""
    state = place.tree.state
    boxes = [place.take(user) for user in ("alice", "bob")]
    for box in boxes:
        expect(len(box) <= 1, "twice")
        for message in box:
            expect(message.endswith(b"\n" + BODY), "cut off in a mailbox:", message[-60:])
    spool = os.path.join(state, "spool")
    queued = set()
    for domain in os.listdir(spool):
        at = os.path.join(spool, domain)
        names = os.listdir(at)
        for name in names:
            with open(os.path.join(at, name), "rb") as f:
                content = f.read()
            if name.endswith(".e"):
                expect(name[:-1] + "m" in names, "an envelope without its message")
                expect(content.endswith(b"end\n") and
                       content.count(b"\nto .") == QUEUES[domain], "envelope:", content)
                queued.add(domain)
            else:
                expect(name.endswith(".m"), "odd:", name)
                expect(content.endswith(b"\n" + BODY), "cut off in a queue")
                expect(killed or name[:-1] + "e" in names, "a message without envelope")
    left = os.listdir(os.path.join(state, "tmp"))
    if code == 0:
        expect(all(boxes) and queued == set(QUEUES), "exit 0:", boxes, queued)
    elif not killed:
        expect(not any(boxes) and not queued, "exit", code, "and yet", queued)
    expect(killed or not left, "left in tmp:", left)


class Suite:
    def __init__(self, words):
        self.words = words
        self.local = threading.local()
        self.places = []

    def place(self):
        if not hasattr(self.local, "place"):
            self.local.place = Place()
            # Started where its socket cannot be looked at; it would send what we look for.
            os.unlink(self.local.place.program("flush"))
            self.places.append(self.local.place)
        return self.local.place

    def undisturbed(self, options):
        """The calls of a run. One second in 64 (keeper/transaction.c) it also tidies up, with
        calls that the other runs do not make: then again."""
        place = self.place()
        until = time.monotonic() + DEADLINE
        while True:
            code, report = run(place, ["-t", *options, "keeper", "0", "kill"])
            try:
                expect(code == 0, "undisturbed: exit", code)
                look(place, code, False)
            finally:
                clean(place)
            calls = [call for by, call, _, _ in report.trace if by == "keeper"]
            if "getdents64" not in calls:
                return calls
            expect(time.monotonic() < until, "it tidies each time")
            time.sleep(0.2)

    def case(self, pool, name, action, options):
        title = "spool, %s, %s at each call" % (name, action)
        if not all(w in title for w in self.words):
            return
        troubles, hits = [], []
        try:
            calls = self.undisturbed(options)
        except Bad as e:
            print("not ok %s: %s" % (title, e))
            return
        # What the C library does when it cannot even start is its own affair.
        first = calls.index("openat") + 1

        def one(n):
            if len(troubles) > 5:
                return
            killed = action in ("kill", "after")
            try:
                code, found = run(self.place(), [*options, "keeper", str(n), action])
                if found.hit:
                    hits.append(found.hit)
                expect(killed or code is not None, "a signal")
                look(self.place(), code, killed or found.hit in ("unlinkat", "unlink"))
            except Bad as e:
                troubles.append("call %d (%s): %s" % (n, (calls + ["end"])[n - 1], e))
            finally:
                clean(self.place())

        list(pool.map(one, range(first, len(calls) + 1)))
        if not troubles and len(hits) < len(calls) - first - 2:
            troubles.append("only %d of %d calls came" % (len(hits), len(calls)))
        if troubles:
            print("not ok %s: %s" % (title, troubles[0]))
            for trouble in troubles[1:]:
                print("    " + trouble)
        else:
            print("ok %s: %d calls" % (title, len(hits)))
        sys.stdout.flush()


def main():
    try:
        need_ptrace()
    except Skip as e:
        print("skip spool disturbed at every system call: %s" % e)
        return 0
    if os.access("/dev/shm", os.W_OK):
        tempfile.tempdir = "/dev/shm"
    suite = Suite(sys.argv[1:])
    try:
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for action in ("kill", "ENOSPC") + (
                    ("after", "EIO", "EMFILE", "EDQUOT", "ENOMEM", "EINTR") if LONG else ()):
                suite.case(pool, "unnamed file", action, ())
            if LONG:
                suite.case(pool, "named file", "kill", NO_TMPFILE)
    finally:
        for place in suite.places:
            place.remove()
    return 0


sys.exit(main())
