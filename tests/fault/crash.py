#!/usr/bin/env python3
# suite: timeout=300 busy
"""A delivery disturbed at every system call: a crash there, or a failure once.

One smtpd a run, under tests/fault/inject.c: the keeper or the session is killed
before or after its N-th call, or that call fails with ENOSPC, EIO, EMFILE or EDQUOT,
for every N (counted in an undisturbed run first). The script takes two messages in
by DATA and BDAT, for mailboxes that have no Maildir yet, an alias and a mailbox with
a quota. After each run: every file in new/ is complete; a message with its 250 lies
in each accepted mailbox; no reply is 5xx, since nothing was wrong with the mail; the
client saw replies or a close within DEADLINE; nothing is left over but what DESIGN.md
allows: a named file in STATE/tmp of a keeper that was killed, and the sender's second
copy after it.

tests/fault/crash.py [-v] [WORD]...    only the cases whose name holds all WORDs
"""
import concurrent.futures
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from delivery import (DEADLINE, INJECT, Bad, Client, Message, Report, Skip,  # noqa: E402
                      PASSWORD, need_ptrace, trees)

LONG = "POSTERN_LONG" in os.environ
WORKERS = 2
ENOUGH = 5             # troubles after which a case is given up
QUOTA = "quota.test"
TITLES = {"kill": "killed before", "after": "killed after", "short": "half of what was asked in",
          "stop": "stopped in, continued after"}
# Errors that the kernel gives for some calls only; LONG: all of them from every call.
FILES = re.compile(r"p?writev?(64)?|(open|mkdir|link|symlink|rename|unlink)(at2?)?|openat2|"
                   r"renameat2|mkdirat|f?truncate|fallocate|copy_file_range|sendfile|splice|"
                   r"fsync|fdatasync|syncfs|close")
DESCRIPTORS = re.compile(r"open(at2?)?|dup[23]?|fcntl|socket(pair)?|pipe2?|accept4?|recvmsg|"
                         r"memfd_create|eventfd2?|signalfd4?|timerfd_create|epoll_create1?|"
                         r"pidfd_open|landlock_create_ruleset|inotify_init1?")
COMES_FROM = {"ENOSPC": FILES, "EDQUOT": FILES, "EMFILE": DESCRIPTORS}
SYNCS = ("fsync", "fdatasync", "syncfs")
F_SETLEASE = 1024

# A filesystem without O_TMPFILE; see the -a option of inject.
NO_TMPFILE = ("-a", "openat,2&020000000=EOPNOTSUPP")

HEADERS = re.compile(rb"Return-Path: <a@client\.test>\n(Delivered-To: \S+\n)?"
                     rb"Received: [^\n]+\n(?:[ \t][^\n]+\n)*")


class Place:
    """A tree, and one smtpd at a time in it."""

    def __init__(self):
        self.tree = trees.Tree()
        self.tree.set_conf("timeouts", "command", "60s")
        self.tree.set_domain(QUOTA, "quota", "1M 100")
        self.tree.add_password("alice", PASSWORD)
        # A configuration of its own for TLS: with it a starter is forked.
        plain = dict(self.tree.conf)
        self.tree.add_certificate()
        os.rename(os.path.join(self.tree.dir, "postern.conf"),
                  os.path.join(self.tree.dir, "secure.conf"))
        self.tree.conf = plain
        self.tree.write_conf()
        self.runs = 0
        self.named_left = 0             # named files of killed keepers, all told
        self.slowest = 0.0

    def prepare(self, scenario):
        self.runs += 1
        n = self.runs
        for user in ("a%d" % n, "b%d" % n, "c%d" % n, "q%d@%s" % (n, QUOTA)):
            self.tree.add_user(user)
        self.tree.set_forward("l%d" % n, ["c%d@%s" % (n, trees.DOMAIN)])
        a, b, c = ("%s%d@%s" % (x, n, trees.DOMAIN) for x in "abc")
        alias = "l%d@%s" % (n, trees.DOMAIN)
        quota = "q%d@%s" % (n, QUOTA)
        text = b"Subject: run %d %s\r\n\r\n.dots..\r\n.\r\n" + b"0123456789\r\n" * 20
        first = [(a, [a]), (b, [b]), (alias, [c])]
        if scenario == "many":          # so many directories take the way of syncfs
            for i in range(7):
                m = "m%dx%d@%s" % (n, i, trees.DOMAIN)
                self.tree.add_maildir(m)
                first.append((m, [m]))
        return [Message(text % (n, b"data"), first),
                Message(text % (n, b"bdat"), [(quota, [quota]), (a, [a])])]

    def run(self, options, scenario):
        """(messages, codes, report, log) of one run, checked by nobody yet."""
        messages = self.prepare(scenario)
        service = "lmtp" if scenario == "lmtp" else "smtp"
        ours, theirs = socket.socketpair()
        report, log = os.memfd_create("report"), os.memfd_create("log")
        command = [INJECT, "-r", str(report), *options, trees.default_smtpd(),
                   "-c", os.path.join(self.tree.dir, "secure.conf" if scenario == "secure"
                                      else "postern.conf"), "-s", service]
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=log,
                                   pass_fds=(report,), cwd="/",
                                   env={"TCPREMOTEIP": "192.0.2.1"})
        theirs.close()
        client = Client(ours, service == "lmtp")
        try:
            client.play(messages, scenario == "secure")
            client.sock.close()
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise Bad("a process is left %d s after the close" % DEADLINE) from None
        finally:
            ours.close()
            process.kill()              # what it traces dies with it
            process.wait()
            texts = [os.pread(fd, 1 << 24, 0).decode("utf-8", "replace")
                     for fd in (report, log)]
            os.close(report)
            os.close(log)
        self.slowest = max(self.slowest, time.monotonic() - began)
        if process.returncode != 0:
            raise Bad("inject: exit %d: %s" % (process.returncode, texts[1]))
        return messages, client.codes, Report(texts[0]), texts[1]

    def stored(self, mailbox):
        """Paths and contents of new/; a mailbox has no other file but maildirsize."""
        maildir = os.path.join(self.tree.user_dir(mailbox), "Maildir")
        found = {}
        for sub in ("new", "cur", "tmp"):
            try:
                names = os.listdir(os.path.join(maildir, sub))
            except FileNotFoundError:
                continue
            if sub != "new" and names:
                raise Bad("%s has %s/%s" % (mailbox, sub, names[0]))
            for name in names:
                path = os.path.join(maildir, sub, name)
                with open(path, "rb") as f:
                    found[path] = f.read()
        return found

    def check_mail(self, messages):
        """Complete files only, at most one of each message, and all that was promised."""
        mailboxes = {m for message in messages for _, to in message.recipients for m in to}
        for mailbox in mailboxes:
            counts = [0] * len(messages)
            for path, content in self.stored(mailbox).items():
                match = HEADERS.match(content)
                rest = content[match.end():] if match else content
                bodies = [m.body.replace(b"\r\n", b"\n") for m in messages]
                if not match or rest not in bodies:
                    raise Bad("%s holds %d octets: %r" % (path, len(content), content[-200:]))
                trees.check_name(path)
                counts[bodies.index(rest)] += 1
                os.unlink(path)
            for message, count in zip(messages, counts):
                if count > 1:
                    raise Bad("%s has a message twice" % mailbox)
                if message.promised(mailbox) and count == 0:
                    raise Bad("250, and %s has nothing" % mailbox)

    def check_leftovers(self, allowed):
        """STATE/tmp is empty, or was left by a killed keeper that had to use names."""
        found = []
        for top in ("tmp", "spool", "partial", "jail"):
            at = os.path.join(self.tree.state, top)
            for name in os.listdir(at):
                found.append(top + "/" + name)
                os.unlink(os.path.join(at, name))
        if found and not (allowed and len(found) == 1 and found[0].startswith("tmp/")):
            raise Bad("left over: %s" % found)
        self.named_left += len(found)


def check_run(place, scenario, who, n, action):
    """One disturbed run. Returns inject's report; raises Bad."""
    messages, codes, report, log = place.run([*scenario.options, who, str(n), action],
                                             scenario.kind)
    fatal = action in ("kill", "after")
    place.check_mail(messages)
    place.check_leftovers(scenario.named and (who == "keeper" and fatal or
                                              report.hit in ("unlink", "unlinkat")))
    # What the C library does when it cannot even start is its own affair.
    if who == "session" or n >= scenario.startup:
        for name, end in report.ends.items():
            if end.startswith("signal") and not (fatal and name == who):
                raise Bad("the %s ended by %s: %s" % (name, end, log))
        for line in log.splitlines():
            if not line.startswith("event="):
                raise Bad("in the log: %r" % line)
    # A session that has said 221 has shut the connection, and maybe left, before.
    # Nor can one be told that has no TLS yet, or none any more.
    if who == "session" and fatal and report.hit and 221 not in codes and \
            scenario.kind != "secure":
        if codes[-1:] != [421] or log.count("event=session-died") != 1:
            raise Bad("not 421 and one line, but %s and %s" % (codes, log))
    if report.hit in SYNCS and action.startswith("E") and all(m.is_stored() for m in messages):
        raise Bad("%s failed, and yet every message was acknowledged" % report.hit)
    if report.hit is None or action in ("short", "stop"):
        check_all_well(messages, codes)
    return report


def check_all_well(messages, codes):
    if not all(m.is_stored() for m in messages) or codes[-1] != 221:
        raise Bad("nothing was wrong, and yet: %s" % codes)


class Scenario:
    """One way of a delivery, with the calls of an undisturbed run."""

    def __init__(self, name, kind="", options=()):
        self.name = name
        self.kind = kind                # "", lmtp, many: see Place.prepare(); secure
        self.options = options
        self.named = options == NO_TMPFILE
        self.calls = {}                 # who: names of the calls, in order
        self.startup = 0                # the keeper's first call that is not libc's

    def count(self, place):
        """Walks it once; what there is to say about it. Raises Bad."""
        while True:
            began = time.time()
            messages, codes, report, _ = place.run(["-t", *self.options, "keeper", "0", "kill"],
                                                   self.kind)
            place.check_mail(messages)
            place.check_leftovers(False)
            check_all_well(messages, codes)
            # A keeper tidies STATE/tmp when its session ends in one second of 64
            # (transaction.c): not in the run that the others are measured by. Its clock may
            # be a little behind ours.
            if began % 64 > 1.1 and time.time() // 64 == began // 64:
                break
        if self.kind == "secure" and 235 not in codes:
            raise Bad("no login: %s" % codes)
        for who in ("keeper", "session"):
            self.calls[who] = [name for by, name, _, _ in report.trace if by == who]
        self.startup = self.calls["keeper"].index("openat") + 1
        links, syncs = check_order(report.trace)
        return "%d calls of the keeper and %d of the session, %d links and %d syncs in order" % (
            len(self.calls["keeper"]), len(self.calls["session"]), links, syncs)

    def numbers(self, who, action):
        """The calls that the action could disturb, from 1."""
        calls = self.calls[who]
        if action == "short":
            return [i for i, name in enumerate(calls, 1)
                    if name in ("read", "write", "readv", "writev")]
        if action in COMES_FROM and not LONG:
            return [i for i, name in enumerate(calls, 1) if COMES_FROM[action].fullmatch(name)]
        # exit_group never returns, so it is in no trace; and one call more. With TLS and
        # AUTH each run executes two programs more: some calls have to do.
        step = 7 if self.kind == "secure" and not LONG else 1
        return range(1, len(calls) + 3, step)


class Suite:
    def __init__(self, words):
        self.verbose = "-v" in words
        self.words = [w for w in words if w != "-v"]
        self.places = [Place() for _ in range(WORKERS)]
        self.free = list(self.places)
        self.local = threading.local()

    def place(self):
        """This thread's own."""
        if not hasattr(self.local, "place"):
            self.local.place = self.free.pop()
        return self.local.place

    def result(self, name, troubles, facts):
        if not all(w in name for w in self.words):
            return
        if troubles:
            print("not ok %s: %s" % (name, troubles[0]))
            for trouble in troubles[1:None if self.verbose else 4]:
                print("    " + trouble)
        else:
            print("ok %s: %s" % (name, facts))
        sys.stdout.flush()

    def count(self, scenario):
        """False when not even an undisturbed delivery works."""
        name = "%s, undisturbed" % scenario.name
        try:
            self.result(name, [], scenario.count(self.places[0]))
        except Bad as e:
            self.result(name, [str(e)], "")
        return bool(scenario.calls)

    def every_call(self, pool, scenario, who, action):
        """The action at each call of who; one line for all."""
        name = "%s, %s: %s" % (scenario.name, who, TITLES.get(action, action + " once in"))
        if not all(w in name for w in self.words):
            return
        troubles, hits, beyond = [], [], []

        def one(n):
            if len(troubles) >= ENOUGH:
                return                  # each may be a hang, and all have one cause
            try:
                report = check_run(self.place(), scenario, who, n, action)
                if report.hit:
                    hits.append(report.hit)
                elif not report.skipped:
                    beyond.append(n)
            except Bad as e:
                call = (scenario.calls[who] + ["the end"] * 2)[n - 1]
                troubles.append("call %d (%s): %s" % (n, call, e))

        began = time.monotonic()
        list(pool.map(one, scenario.numbers(who, action)))
        # The last calls may fall away with the order in which two processes end.
        if not troubles and (not hits or min(beyond, default=1 << 30) <
                             len(scenario.calls[who]) - 3):
            troubles.append("disturbed %d calls; never came: %s" % (len(hits), beyond))
        each = " each call that can" if action in COMES_FROM and not LONG else " each call"
        self.result(name + each, troubles, "%d calls in %.1f s" %
                    (len(hits), time.monotonic() - began))


def check_order(trace):
    """The commit order of DESIGN.md, call by call. Returns numbers of links and syncs.

    A message is synced after its last octet and before its first link; a directory
    that got an entry is synced before the keeper says anything more. The exception is
    cur/, made unsynced in a Maildir synced before: it only marks that the rest is there.
    """
    written = True          # since the last sync of a file
    waiting = {}            # descriptor of a directory, or its name once closed: what for
    synced = set()          # descriptors
    message = None          # descriptor
    links = syncs = 0
    for who, name, args, result in trace:
        if who == "session" and name == "write":
            written = True
        if who != "keeper" or result < 0:
            continue
        if name == "fcntl" and args[1] == F_SETLEASE:
            message = args[0]           # sealed: nobody writes to it any more
        elif name in SYNCS:
            syncs += 1
            written = written and name != "syncfs" and args[0] != message
            synced.add(args[0])
            waiting = {} if name == "syncfs" else {k: v for k, v in waiting.items()
                                                   if k != args[0]}
        elif name in ("linkat", "renameat", "renameat2"):
            links += name == "linkat"
            if written:
                raise Bad("linked before it was synced")
            waiting[args[2]] = name
        elif name == "mkdirat" and args[0] not in synced:
            waiting[args[0]] = name
        elif name == "close":
            synced.discard(args[0])
            if args[0] in waiting:      # only syncfs can help it now
                waiting["closed %d" % len(waiting)] = waiting.pop(args[0])
        elif name == "sendmsg" and waiting:
            raise Bad("answered before a directory was synced after %s" % waiting)
    if links == 0:
        raise Bad("no message was linked")
    return links, syncs


ALL = ("kill", "after", "ENOSPC", "EIO", "EMFILE", "EDQUOT")
# (scenario, what is done to the keeper, what to the session); LONG: everything to both.
CASES = (
    (Scenario("unnamed file"), ALL + ("short",), ALL + ("short", "stop")),
    (Scenario("named file", "", NO_TMPFILE), ("kill", "ENOSPC"), ("kill",)),
    (Scenario("ten mailboxes", "many"), ("kill",), ()),
    (Scenario("LMTP", "lmtp"), ("ENOSPC",), ()),
    (Scenario("TLS and a login", "secure"), ("after",), ("kill",)),
)
LONG_ACTIONS = ALL + ("short", "stop", "EINTR", "ENOMEM", "EPERM")


def main():
    if "-h" in sys.argv or "--help" in sys.argv:
        print(__doc__)
        return 0
    try:
        need_ptrace()
    except Skip as e:
        print("skip a delivery disturbed at every system call: %s" % e)
        return 0
    # Crashes of processes, not of disks: a filesystem without disk is as good.
    if os.access("/dev/shm", os.W_OK):
        tempfile.tempdir = "/dev/shm"
    suite = Suite(sys.argv[1:])
    began = time.monotonic()
    try:
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for scenario, *actions in CASES:
                if not suite.count(scenario):
                    continue
                for who, some in zip(("keeper", "session"), actions):
                    for action in LONG_ACTIONS if LONG else some:
                        suite.every_call(pool, scenario, who, action)
    finally:
        for place in suite.places:
            place.tree.remove()
    print("# %d runs in %.0f s, the slowest %.2f s; %d named files of killed keepers" %
          (sum(p.runs for p in suite.places), time.monotonic() - began,
           max(p.slowest for p in suite.places), sum(p.named_left for p in suite.places)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
