#!/usr/bin/env python3
# suite: timeout=240 calm
"""ETRN from the client's line to the site that gets the mail: one run however often it is
asked for, its result in the log under the same id, a site that is down, 10,000 messages;
and fetchmail, which has been saying ETRN since the days of dial-up. And what else waits for
its time: a message that is held back for a mailbox here."""
import os
import re
import shutil
import subprocess
import threading
import time

from dialin_talk import (DEADLINE, LOGIN, PASSWORD, Hop, Place, case, client, expect,
                         free_port, run_cases, trees, wait_for, where_named)

D = "far.test"
place = Place("submissions", "submission")
place.add_login()
hop = Hop()
place.hold(D, "hold:[127.0.0.1]:%d" % hop.port)
place.start()


def flushed(mid):
    return [line for line in place.lines("flush") if " id=%s " % mid in line]


def asked():
    return re.findall(r" id=(\S+)", "\n".join(place.lines("etrn")))


def etrn(argument=D, c=None):
    """The reply, and the line of its run."""
    mine = c or client(place)
    code, text = mine.docmd("ETRN", argument)
    if c is None:
        mine.quit()
    return code, text.decode()


@case("etrn: what waits is sent, and the log has the result under the request's id")
def _():
    for i in range(3):
        place.put(D, "ok%d@%s" % (i, D))
    code, text = etrn()
    expect((code, text) == (253, "2.0.0 OK, 3 pending messages started"), code, text)
    line = wait_for(lambda: flushed(asked()[-1]), "the run's line: " + place.log())[0]
    expect("result=done sent=3 failed=0 left=0" in line and "domain=" + D in line, line)
    expect(len(hop.messages) == 3 and hop.connections <= 4, hop.connections)
    expect(place.waiting(D) == [], "the queue is empty")
    expect(etrn()[0] == 251)


def run_own():
    run = subprocess.run([os.path.join(os.path.dirname(place.process.args[0]), "flush"), "-c",
                          os.path.join(place.dir, "postern.conf"), trees.DOMAIN],
                         stderr=subprocess.PIPE, timeout=DEADLINE, text=True)
    expect(run.returncode == 0 and "event=error" not in run.stderr, run.stderr)
    return run.stderr


@case("held back: flush gives it to spool at its time, and it lies in the mailbox")
def _():
    to = "alice@" + trees.DOMAIN
    before = set(place.messages(to))
    c = client(place, "submission")
    start = time.time()
    for line, code in (("MAIL FROM:<%s> HOLDFOR=3 BY=60;R" % LOGIN, 250),
                       ("RCPT TO:<%s>" % to, 250)):
        got = c.docmd(line)
        expect(got[0] == code, line, got)
    got = c.data(b"Subject: later\r\n\r\n.dot\r\nlast\r\n")
    expect(got[0] == 250, got)
    c.quit()
    expect(len(place.waiting(trees.DOMAIN)) == 1, "it waits")
    log = run_own()
    expect(set(place.messages(to)) == before and time.time() < start + 3, "too early: " + log)
    time.sleep(max(0, start + 3.2 - time.time()))
    log = run_own()
    path, = set(place.messages(to)) - before
    with open(path, "rb") as f:
        text = f.read()
    expect(text.startswith(b"Return-Path: <%s>\n" % LOGIN.encode()) and
           text.endswith(b"\n\n.dot\nlast\n") and text.count(b"Subject: later\n") == 1, text)
    expect(os.stat(path).st_uid == os.stat(os.path.join(place.state, "spool")).st_uid, path)
    # By this run, or by that of who listens.
    expect(place.waiting(trees.DOMAIN) == [] and "event=released " in log + place.log(), log)
    run_own()
    expect(len(set(place.messages(to)) - before) == 1, "once")


@case("etrn: nothing is sent before, whoever runs the queue")
def _():
    place.put(D, "ok@" + D)
    run = subprocess.run([os.path.join(os.path.dirname(place.process.args[0]), "flush"), "-c",
                          os.path.join(place.dir, "postern.conf"), "--all"],
                         stderr=subprocess.PIPE, timeout=DEADLINE)
    expect(run.returncode == 0 and len(place.waiting(D)) == 1, run.stderr)
    expect(etrn()[0] == 253)
    wait_for(lambda: place.waiting(D) == [], "it is sent")


@case("etrn: a flood of 300 is one run, one connection for one message")
def _():
    place.forget_asking(D)
    before = hop.connections
    place.put(D, "later@" + D)          # 450: it stays, and must not be tried again
    asked_at = time.monotonic()

    def runs():
        """How many there may be: another begins ten seconds (base/limits.h), less a rest of the
        first one, after the last."""
        return 1 + int((time.monotonic() - asked_at) / 9)

    c = client(place)
    codes = [etrn(c=c)[0] for _ in range(300)]
    c.quit()
    wait_for(lambda: flushed(asked()[-300]), "the run's line")
    wait_for(lambda: etrn()[0] == 252, "it was asked for a moment ago")
    time.sleep(0.5)
    expect(1 <= hop.connections - before <= runs(), hop.connections - before, "connections")
    expect(codes[0] == 253 and set(codes) <= {252, 253}, codes[:10])
    expect(1 <= hop.commands.count("RCPT TO:<later@%s>" % D) <= runs(), "one attempt")
    # What came since is not a repetition.
    place.put(D, "ok-new@" + D)
    code = etrn()[0]
    expect(code == 252 or runs() > 1, code)
    wait_for(lambda: hop.received("ok-new@" + D) == 1, "new mail goes at once")
    expect(1 <= hop.commands.count("RCPT TO:<later@%s>" % D) <= runs(), "one attempt")
    place.drop(D)


@case("etrn: eight at once, while it is sent slowly")
def _():
    slow = Hop()
    serve = slow._data

    def data(f, taken):
        time.sleep(0.1)
        return serve(f, taken)
    slow._data = data
    place.hold("slow.test", "hold:[127.0.0.1]:%d" % slow.port)
    place.set_conf("sending", "connections-per-destination", "1")
    for i in range(8):
        place.put("slow.test", "ok%d@slow.test" % i)
    clients = [client(place) for _ in range(8)]
    threads = [threading.Thread(target=lambda c=c: [etrn("slow.test", c) for _ in range(5)])
               for c in clients]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    wait_for(lambda: place.waiting("slow.test") == [], "all is sent")
    time.sleep(0.3)
    expect(sorted(a for to, _ in slow.messages for a in to) ==
           ["ok%d@slow.test" % i for i in range(8)], "each once")
    expect(slow.connections <= 4, slow.connections, "connections")
    for c in clients:
        c.quit()


@case("etrn: a site that is down keeps its mail, however old")
def _():
    port = free_port()
    place.hold("down.test", "hold:[127.0.0.1]:%d" % port)
    place.put("down.test", "old@down.test", age=30 * 86400)
    expect(etrn("down.test")[0] == 253)
    line = wait_for(lambda: flushed(asked()[-1]), "the run's line")[0]
    expect("sent=0 failed=0 left=1" in line, line)
    expect(len(place.waiting("down.test")) == 1 and not place.lines("bounced"), place.log()[-500:])
    place.forget_asking("down.test")
    up = Hop()
    place.set_domain("down.test", "deliver", "hold:[127.0.0.1]:%d" % up.port)
    expect(etrn("down.test")[0] == 253)
    wait_for(lambda: up.received("old@down.test") == 1, "it is sent")


@case("etrn: by its MX, which cannot be found: nothing is given back")
def _():
    place.hold("mx.far.test")
    place.put("mx.far.test", "a@mx.far.test", age=30 * 86400)
    expect(etrn("@far.test")[0] == 253)
    line = wait_for(lambda: flushed(asked()[-1]), "the run's line")[0]
    expect("domain=mx.far.test" in line and "failed=0 left=1" in line, line)


@case("etrn: 10,000 messages are counted")
def _():
    place.hold("many.test", "hold:[127.0.0.1]:9")
    first = place.put("many.test", "a@many.test")
    folder = os.path.join(place.state, "spool", "many.test")
    for i in range(9999):
        for end in "em":
            os.link(os.path.join(folder, first + "." + end),
                    os.path.join(folder, "%s%04x.%s" % (first, i, end)))
    with open(os.path.join(folder, "lock"), "w") as f:
        place._own(f.name)
        trees.fcntl.flock(f, trees.fcntl.LOCK_EX)   # nobody is to begin with it
        c = client(place)
        times = []
        for _ in range(5):
            start = time.monotonic()
            code, text = c.docmd("ETRN", "many.test")
            times.append(time.monotonic() - start)
            expect(code == 252, code, text)
    counts = re.findall(r"what=many\.test result=under-way domains=1 count=(\d+)", place.log())
    expect(counts == ["10000"] * 5, counts)
    print("# 10,000 messages counted in %.1f ms, at best" % (min(times) * 1000))
    expect(min(times) < 0.5, times)
    os.remove(os.path.join(folder, "lock"))
    place.set_conf("sending", "domains", "1")
    until = time.monotonic() + 3 * DEADLINE
    while time.monotonic() < until:
        start = time.monotonic()
        code, text = c.docmd("ETRN", "many.test")
        took = time.monotonic() - start
        if code != 252:
            break
        time.sleep(0.1)     # a run that was asked for before has just begun, and fails soon
    print("# and the answer 253 took %.1f ms" % (took * 1000))
    expect((code, text) == (253, b"2.0.0 OK, 10000 pending messages started"), code, text)
    c.quit()


@case("etrn: fetchmail, which reads the answers")
def _():
    if not shutil.which("fetchmail"):
        return "fetchmail is not installed"
    place.hold("fetch.test", "hold:[127.0.0.1]:%d" % hop.port)
    place.put("fetch.test", "ok@fetch.test")
    run = fetchmail("fetch.test")
    expect("fetch.test started" in run.stdout, run.stdout[-900:])
    wait_for(lambda: hop.received("ok@fetch.test") == 1, "it is sent: " + run.stdout)
    wait_for(lambda: place.waiting("fetch.test") == [], "and gone")
    run = fetchmail("fetch.test")
    expect("No messages waiting for fetch.test" in run.stdout, run.stdout)
    run = fetchmail("none.test")
    expect("Node none.test not allowed" in run.stdout, run.stdout)


def fetchmail(domain):
    rc = os.path.join(place.dir, "fetchmailrc")
    with open(rc, "w") as f:
        f.write('poll localhost with proto ETRN and port %d, esmtpname "%s", esmtppassword "%s"\n'
                '  user "x" password "x" options ssl, no sslcertck, fetchdomains %s\n' %
                (place.port["submissions"], LOGIN, PASSWORD, domain))
    os.chmod(rc, 0o600)
    return subprocess.run(where_named("fetchmail", "-v", "-f", rc, "--nosyslog", "--pidfile",
                                      os.path.join(place.dir, "pid")), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=dict(os.environ, HOME=place.dir, LC_ALL="C"), timeout=DEADLINE)


try:
    run_cases()
finally:
    place.remove()
