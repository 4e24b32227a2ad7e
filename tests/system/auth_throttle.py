#!/usr/bin/env python3
# suite: timeout=120 calm
"""Failures slow down logins and sources, over restarts too, but never who has been here
before; hashing is limited; and time tells nothing about which logins exist."""
import glob
import os
import signal
import statistics
import threading
import time

from auth_talk import (AUTH, KEEPER, PASSWORD, ROOT, SESSION, TLS, Scram, Tree, b64, case,
                       check_log, expect, is_last, plain, run_cases, say, scram)

NAME = "alice@here.test"
# It would take minutes; nobody waits for it.
HUGE = "argon2id $argon2id$v=19$m=65536,t=5000,p=1$c29tZXNhbHRzb21lc2FsdA$" \
       "frxJfcMcVf8Q65vTqNCD78DUvbJfeWmQLB3OQ65zqWg\n"
tree = Tree()
tree.password()
tree.copy("bob", "carl", "dora", "emil")
auth = tree.start()


def timed(function, *args, **facts):
    began = time.monotonic()
    a = function(auth, *args, **facts)
    return a, time.monotonic() - began


def fail(login, client):
    a, took = timed(scram, Scram(login, "wrong"), client=client)
    is_last(a, "-")
    return took


def restart():
    global auth
    expect(auth.stop() == 0, "it ends with its feed")
    auth = tree.start()


def is_delay(took, seconds):
    """Not less; more only by what a busy machine adds."""
    expect(seconds - 0.05 < took < seconds + 3, "took %.2f s, not %d" % (took, seconds))


@case("a login: free failures, then growing delays, over a restart and from anywhere")
def _():
    for n in range(4):
        is_delay(fail(NAME, "192.0.2.1"), 0)
    is_delay(fail(NAME, "192.0.2.2"), 1)
    restart()
    took = fail(NAME, "2001:db8::1")
    expect(1 < took < 4, took)               # two, but for the time of the restart


@case("an address that has logged in before: let through while all others wait")
def _():
    bob, home = "bob@here.test", "192.0.2.50"
    is_last(scram(auth, Scram(bob, PASSWORD), client=home), "+")
    for n in range(5):
        fail(bob, "198.51.100.%d" % n)
    a, took = timed(scram, Scram(bob, PASSWORD), client=home)
    is_last(a, "+")
    is_delay(took, 0)
    a, took = timed(plain, bob, PASSWORD, client=home)
    is_last(a, "+")
    restart()
    a, took = timed(scram, Scram(bob, PASSWORD), client=home)
    is_last(a, "+")
    is_delay(took, 0)
    # The right password from elsewhere has to wait, and is then at home there.
    a, took = timed(scram, Scram(bob, PASSWORD), client="192.0.2.51")
    is_last(a, "+")
    expect(took > 0.5, took)
    a, took = timed(scram, Scram(bob, PASSWORD), client="192.0.2.51")
    is_last(a, "+")
    is_delay(took, 0)


@case("wrong passwords from such an address wait as well, the right one does not")
def _():
    carl, home = "carl@here.test", "192.0.2.60"
    is_last(scram(auth, Scram(carl, PASSWORD), client=home), "+")
    took = [fail(carl, home) for _ in range(5)]
    is_delay(took[0], 0)
    is_delay(took[3], 1)
    is_delay(took[4], 2)
    a, took = timed(scram, Scram(carl, PASSWORD), client=home)
    is_last(a, "+")
    is_delay(took, 0)


@case("a source that fails: a wrong password waits, whether the login has been here or not")
def _():
    client = "203.0.113.211"
    is_last(plain(auth, "emil@here.test", PASSWORD, client=client), "+")
    for n in range(12):                     # ten are free; the twelfth waits for a second
        is_last(plain(auth, "nobody%d@here.test" % n, "wrong", client=client), "-")
    a, took = timed(plain, "emil@here.test", "wrong", client=client)
    is_last(a, "-")
    expect(took > 1, "the login's own failures are few, yet it tells that it exists", took)
    a, took = timed(plain, "emil@here.test", PASSWORD, client=client)
    is_last(a, "+")
    is_delay(took, 0)                       # not the four seconds of the next wrong one


@case("a source: many logins of one IPv6 /64")
def _():
    took = [fail("nobody%d@here.test" % n, "2001:db8:1:2::%x" % n) for n in range(12)]
    for t in took[:11]:
        is_delay(t, 0)
    is_delay(took[11], 1)
    is_delay(fail("nobody@here.test", "2001:db8:1:3::1"), 0)


@case("many at once gain nothing, and the queue is short")
def _():
    began = time.monotonic()
    open_attempts = []
    for _ in range(14):
        a = auth.connect()
        user = Scram("dora@here.test", "wrong")
        a.begin("SCRAM-SHA-256", user.first(), client="192.0.2.70", **TLS)
        a.send(b"r" + user.final(a.challenge()).encode() + b"\0")
        open_attempts.append(a)
    time.sleep(max(0.0, began + 2.5 - time.monotonic()))
    answers = []
    for a in open_attempts:
        a.sock.setblocking(False)
        try:
            answers.append(a.receive())
        except BlockingIOError:
            answers.append("waits")
        a.close()
    # At 0, 0, 0, 0 and 1 second; at 3, 7 and 15 seconds; the others are sent away.
    expect(4 <= answers.count("-") <= 6 and answers.count("l") >= 4, answers)
    expect(len(tree.lines("login=dora@here.test", "reason=throttled")) >=
           answers.count("l"), "each has its line")


@case("a damaged table is set aside and made anew")
def _():
    for content in (b"", b"x" * 100, b"\xff" * 600000, None):
        expect(auth.stop() == 0, "it ends with its feed")
        path = os.path.join(tree.verifiers, ".throttle")
        if content is None:                 # a good head before nonsense
            with open(path, "r+b") as f:
                f.seek(64)
                f.write(os.urandom(400000))
        else:
            with open(path, "wb") as f:
                f.write(content)
        tree.start()
        globals()["auth"] = tree.auth
        is_last(say(auth, "X"), "n")        # it is up
        expect(os.path.exists(path + ".bad") == (content is not None), "set aside")
        if content is not None:
            os.unlink(path + ".bad")
        expect(os.stat(path).st_size > 500000, "anew")
        a, took = timed(scram, Scram("emil@here.test", PASSWORD), client="192.0.2.80")
        is_last(a, "+")
        expect(took < 32, took)
    expect(len(tree.lines("set aside")) == 3, "told")


def children():
    with open("/proc/%d/task/%d/children" % ((auth.process.pid,) * 2)) as f:
        return [int(word) for word in f.read().split()]


@case("argon2id runs are limited, and a killed one gives its place back")
def _():
    for n in range(6):
        with open(tree.verifier("huge%d" % n), "w") as f:
            f.write(HUGE)
        if ROOT:
            os.chown(tree.verifier("huge%d" % n), AUTH, AUTH)
    slow = []
    for n in range(6):
        slow.append(auth.connect())
        text = b64("\0huge%d@here.test\0x" % n)
        slow[n].send(b"aPLAIN\0" + text.encode() + b"\0s1\x00192.0.2.9%d\0u\0TLSv1.3" % n +
                     b"\0" * 6)
    until = time.monotonic() + 10
    stopped = {}
    while time.monotonic() < until and len(stopped) < 4:
        for pid in children():
            with open("/proc/%d/status" % pid) as f:
                status = f.read()
            if "VmRSS:" not in status:      # one that is ending
                continue
            size = int(status.split("VmRSS:")[1].split()[0])
            if size > 20000 and pid not in stopped:
                os.kill(pid, signal.SIGSTOP)
                stopped[pid] = size
        time.sleep(0.02)
    expect(len(stopped) == 4, stopped)
    time.sleep(0.3)
    expect(len(children()) == 6, "two wait")
    for pid in children():
        os.kill(pid, signal.SIGKILL)
    a, took = timed(plain, "emil@here.test", PASSWORD, client="192.0.2.80")
    is_last(a, "+")
    expect(took < 8, took)
    for a in slow:
        expect(a.receive() == "closed", a.last)
    with open(tree.log) as f:               # these were ours to kill
        text = f.read()
    with open(tree.log, "w") as f:
        f.write("".join(line for line in text.splitlines(True) if "child-died" not in line))


@case("nobody can tell from the time whether a login exists")
def _():
    for mechanism, rounds in (("plain", 5), ("scram", 15)):
        names = ["u%s%d" % (mechanism, n) for n in range(3)]
        tree.copy(*names)
        times = {"known": [], "unknown": []}
        for n in range(rounds):
            for kind in ("known", "unknown") if n % 2 else ("unknown", "known"):
                login = "%s%s@here.test" % (names[n % 3], "" if kind == "known" else "x")
                client = "203.0.113.%d" % (n % 200)
                if n % 9 == 8:
                    continue
                function, args = (plain, (login, "wrong")) if mechanism == "plain" else \
                    (scram, (Scram(login, "wrong"),))
                expect(n < 9 or mechanism == "scram", "few enough")
                began = time.monotonic()
                a = function(auth, *args, client=client)
                times[kind].append(time.monotonic() - began)
                is_last(a, "-")
            if n % 9 == 8:                   # their failures are forgiven with the table
                auth.stop()
                os.unlink(os.path.join(tree.verifiers, ".throttle"))
                tree.start()
                globals()["auth"] = tree.auth
        known, unknown = (statistics.median(times[k]) for k in ("known", "unknown"))
        expect(0.6 < known / unknown < 1.7, mechanism, known, unknown)


@case("neither the keeper nor a session can read a verifier, a key or the table", root=True)
def _():
    files = glob.glob(os.path.join(tree.verifiers, "*", "*")) + \
        [os.path.join(tree.verifiers, name) for name in (".key", ".throttle")]
    expect(len(files) > 5, files)
    for uid, readable in ((KEEPER, False), (SESSION, False), (AUTH, True)):
        pid = os.fork()
        if pid == 0:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            n = 0
            for path in files:
                try:
                    with open(path, "rb"):
                        n += 1
                except PermissionError:
                    pass
            os._exit(0 if n == (len(files) if readable else 0) else 1)
        expect(os.waitpid(pid, 0)[1] == 0, uid)
    for pid in [auth.process.pid]:
        with open("/proc/%d/status" % pid) as f:
            expect("\nUid:\t%d\t%d\t%d\t%d\n" % ((AUTH,) * 4) in f.read(), "its owner")


@case("an attempt is confined: no core, no privilege, a filter")
def _():
    a = auth.connect()
    a.begin("LOGIN", **TLS)
    for pid in children():
        with open("/proc/%d/status" % pid) as f:
            fields = {k: v.strip() for k, _, v in (line.partition(":") for line in f)}
        expect(fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2" and
               int(fields["CapEff"], 16) == 0, fields)
        with open("/proc/%d/limits" % pid) as f:
            expect(any(line.split()[:5] == ["Max", "core", "file", "size", "0"] for line in f),
                   "core")
    a.close()


@case("nothing secret is in the log")
def _():
    check_log(tree)


if __name__ == "__main__":
    run_cases()
