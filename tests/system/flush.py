#!/usr/bin/env python3
# suite: timeout=200 calm
"""flush with scripted next hops: outcomes, times, reports, what lies damaged, words over
its socket. `spool` is a stand-in here; DNS and TLS have suites of their own."""
import fcntl
import os
import signal
import socket
import subprocess
import time

from flush_talk import Hop, Tree, case, expect, run_cases, status_of, wait_for

hop = Hop()
tree = Tree()
D = "dest.test"
tree.domain(D, "deliver = smtp:[127.0.0.1]:%d" % hop.port)


def drop_queue(domain=D):
    subprocess.run(["rm", "-rf", os.path.join(tree.spool, domain)], check=True)


def fresh():
    tree.reports()
    tree.spool_says(0)
    hop.messages.clear()
    hop.lost.clear()
    hop.commands.clear()
    hop.connections = 0
    drop_queue()


@case("taken: sent once, and the queue is gone")
def _():
    fresh()
    mid = tree.put(D, "a@" + D, body=b"Subject: x\n\n.dot\nend\n")
    log = tree.flush(D)
    expect(hop.messages == [(["a@" + D], b"Subject: x\r\n\r\n..dot\r\nend\r\n")], hop.messages)
    expect(tree.gone(D) and tree.reports() == [])
    expect("event=sent id=%s from=alice@src.test to=a@dest.test domain=dest.test" % mid in log,
           log)


@case("many messages, few connections")
def _():
    fresh()
    for i in range(60):
        tree.put(D, "u%d@%s" % (i, D))
    tree.flush(D)
    expect(sorted(a for to, _ in hop.messages for a in to) ==
           sorted("u%d@%s" % (i, D) for i in range(60)), len(hop.messages))
    expect(1 <= hop.connections <= 4, hop.connections)
    expect(tree.gone(D))


class Smarthost:
    """`relay` is a hop of its own; no domain has a configuration."""

    def __init__(self, **hop):
        self.hop = Hop(**hop)
        tree.set(relay="[127.0.0.1]:%d" % self.hop.port)

    def __enter__(self):
        return self.hop

    def __exit__(self, *_):
        del tree.conf[""]["relay"]
        tree.set()
        self.hop.close()


@case("many domains behind one smarthost: few connections, each queue under its lock")
def _():
    with Smarthost() as host:
        for i in range(60):
            tree.put("b%d.test" % i, "u@b%d.test" % i)
        for i in range(50):
            tree.put("b0.test", "v%d@b0.test" % i)
        log = tree.flush("--due")
        expect(len(host.messages) == 110 and log.count("event=sent") == 110, log)
        expect(host.connections <= 8 and host.most <= 6, host.connections, host.most)
        expect(all(tree.gone("b%d.test" % i) for i in range(60)), os.listdir(tree.spool))


@case("a smarthost that closes after each message, or refuses one domain's: no mail of others stays")
def _():
    with Smarthost() as host:
        for i in range(12):
            tree.put("b%d.test" % i, "%s@b%d.test" % (("end", "ok", "bad", "later")[i % 4], i))
        tree.flush("--all")
        expect(len(host.messages) == 6 and len(tree.reports()) == 3, host.messages)
        left = [d for d in os.listdir(tree.spool) if tree.queued(d)]
        expect(sorted(left) == ["b11.test", "b3.test", "b7.test"], left)
        for domain in left:
            drop_queue(domain)


@case("a smarthost that is away: tried once for all domains, each of which comes again")
def _():
    with Smarthost(greeting=b"421 not now") as host:
        for i in range(30):
            tree.put("b%d.test" % i, "u@b%d.test" % i)
        tree.flush("--due")
        expect(host.connections <= 4, host.connections)
        for i in range(30):
            due = os.stat(os.path.join(tree.spool, "b%d.test" % i, "retry")).st_mtime
            expect(200 < due - time.time() < 400, due - time.time())
            drop_queue("b%d.test" % i)


@case("a server that works over a connection of another domain has failed for none")
def _():
    with Smarthost() as host:
        name = "127.0.0.1/%d" % host.port
        tree.set(sending_connections_per_destination=1)
        tree.put("b0.test", "u@b0.test")
        tree.put("b1.test", "later@b1.test")
        known = "postern-retry 1\nhost %s %d 3 4.4.1 refused\n" % (name, time.time() + 900)
        tree.write("b1.test", "retry", known.encode())
        tree.flush("b0.test", "b1.test")
        tree.set(sending_connections_per_destination=4)
        with open(os.path.join(tree.spool, "b1.test", "retry")) as f:
            left = f.read()
        expect(host.connections == 1 and "RCPT TO:<later@b1.test>" in " ".join(host.commands),
               host.connections, host.commands)
        expect(left == "postern-retry 1\n", left)
    drop_queue("b1.test")


@case("from the oldest on")
def _():
    fresh()
    tree.set(sending_connections_per_destination=1)
    for age in (5, 500, 50, 5000):
        tree.put(D, "u%d@%s" % (age, D), age=age)
    tree.flush(D)
    tree.set(sending_connections_per_destination=4)
    expect([to[0] for to, _ in hop.messages] ==
           ["u%d@%s" % (age, D) for age in (5000, 500, 50, 5)], hop.messages)


@case("taken, refused and put off in one message")
def _():
    fresh()
    mid = tree.put(D, "good@" + D, "bad@" + D, "later@" + D)
    before = time.time()
    tree.flush(D)
    marks = tree.marks(D, mid)
    expect([m[0] for m in marks] == ["D", "F", "."], marks)
    expect(marks[2][3] == 1 and before + 200 <= marks[2][2] <= time.time() + 400, marks)
    (to, report), = tree.reports()
    expect(to == "alice@src.test" and report["To"] == to, to)
    expect(report["Auto-Submitted"] == "auto-replied" and report["Date"] and
           report["Message-ID"] and report.get_content_type() == "multipart/report", report)
    head, (block,) = status_of(report)
    expect(head["Reporting-MTA"] == "dns;mx.src.test", head)
    expect(block["Final-Recipient"] == "rfc822;bad@dest.test" and block["Action"] == "failed" and
           block["Status"] == "5.1.1" and
           block["Diagnostic-Code"] == "smtp;550 5.1.1 nobody of that name", block)
    expect("no mailbox of this name" in report.get_payload()[0].get_content(), report)
    expect(report.get_payload()[2].get_content_type() == "text/rfc822-headers" and
           "Subject: hello" in str(report.get_payload()[2]) and
           "text" not in report.get_payload()[2].get_payload(), report)
    tree.flush(D)
    expect(hop.received("good@" + D) == 1 and tree.marks(D, mid) == marks, "tried too early")
    expect(tree.reports() == [], "reported twice")
    tree.flush("--due")
    expect(tree.marks(D, mid) == marks, "--due: tried too early")
    tree.flush("--now", D)
    expect(tree.marks(D, mid)[2][3] == 2 and hop.received("good@" + D) == 1, tree.marks(D, mid))
    expect(not any("bad" in c for c in hop.commands[-4:]), hop.commands)
    drop_queue()


@case("a connection that breaks after the final dot: tried again later")
def _():
    fresh()
    mid = tree.put(D, "drop@" + D)
    tree.flush(D)
    expect(len(hop.lost) == 1 and tree.marks(D, mid)[0][0] == "." and
           tree.marks(D, mid)[0][3] == 1, tree.marks(D, mid))
    drop_queue()


@case("a server that closes after each message: all are sent")
def _():
    fresh()
    for i in range(10):
        tree.put(D, "end%d@%s" % (i, D))
    tree.flush(D)
    expect(len(hop.messages) == 10 and tree.gone(D), len(hop.messages))


@case("250 recipients: transactions of at most a hundred")
def _():
    fresh()
    to = ["r%d%s@%s" % (i, "bad" if i % 50 == 7 else "", D) for i in range(250)]
    tree.put(D, *to)
    tree.flush(D)
    expect(max(len(t) for t, _ in hop.messages) <= 100, [len(t) for t, _ in hop.messages])
    expect(sorted(a for t, _ in hop.messages for a in t) ==
           sorted(a for a in to if "bad" not in a), "not all")
    (_, report), = tree.reports()
    expect(len(status_of(report)[1]) == 5 and tree.gone(D), "one report of five")


@case("nobody listens: the host is left alone, longer each time")
def _():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        tree.domain("dead.test", "deliver = smtp:[127.0.0.1]:%d" % s.getsockname()[1])
        mid = tree.put("dead.test", "a@dead.test")
        log = tree.flush("dead.test")
        expect("event=no-hop" in log and tree.marks("dead.test", mid) == [(".", "-", 0, 0)], log)
        with open(os.path.join(tree.spool, "dead.test", "retry")) as f:
            words = f.read().split()
        expect(words[:2] == ["postern-retry", "1"] and words[5] == "1" and words[6] == "4.4.1",
               words)
        due = os.stat(os.path.join(tree.spool, "dead.test", "retry")).st_mtime
        expect(due == int(words[4]) and 200 < due - time.time() < 400, due - time.time())
        expect("no-hop" not in tree.flush("dead.test") + tree.flush("--due"), "tried too early")
        tree.put("dead.test", "b@dead.test")
        expect("no-hop" not in tree.flush("dead.test"), "tried for a new message")
        expect("no-hop" in tree.flush("--now", "dead.test"), "--now")
        with open(os.path.join(tree.spool, "dead.test", "retry")) as f:
            expect(f.read().split()[5] == "2", "failures")
    drop_queue("dead.test")


@case("found by a timer's run: what nobody told of, and what is due")
def _():
    fresh()
    tree.put(D, "later@" + D)
    tree.flush("--due")
    expect(tree.queued(D), "deferred")
    time.sleep(0.05)
    tree.put(D, "new@" + D)
    tree.flush("--due")
    expect(hop.received("new@" + D) == 1, "new mail beside what waits")
    retry = os.path.join(tree.spool, D, "retry")
    n = len(hop.commands)
    tree.flush("--due")
    expect(len(hop.commands) == n, "nothing was due")
    os.utime(retry, (time.time() - 5, time.time() - 5))
    mid = next(iter(tree.queued(D)))
    tree.edit(D, mid, "to .- %010d" % tree.marks(D, mid)[0][2], "to .- %010d" % time.time())
    os.utime(retry, (time.time() - 5, time.time() - 5))
    tree.flush("--due")
    expect(tree.marks(D, mid)[0][3] == 2, tree.marks(D, mid))
    drop_queue()


@case("given up after `expire`: reported, with the last reply")
def _():
    fresh()
    tree.put(D, "later@" + D, age=5 * 86400 + 60)
    tree.flush(D)
    (_, report), = tree.reports()
    _, (block,) = status_of(report)
    expect(block["Action"] == "failed" and block["Status"] == "5.4.7" and
           "come again" in block["Diagnostic-Code"], block)
    expect("given up after 5 days" in report.get_payload()[0].get_content(), report)
    expect(tree.gone(D))


@case("given up although no host could be reached")
def _():
    tree.domain("dead.test", "deliver = smtp:[127.0.0.1]:1")
    tree.put("dead.test", "a@dead.test", age=5 * 86400 + 60)
    tree.flush("dead.test")
    (_, report), = tree.reports()
    _, (block,) = status_of(report)
    expect(block["Status"] == "5.4.7" and "Diagnostic-Code" not in block, block)
    expect("refused" in report.get_payload()[0].get_content() and tree.gone("dead.test"))


@case("delayed: told once, after `delay-report`, where it is wanted")
def _():
    fresh()
    mid = tree.put(D, "later@" + D, age=5 * 3600)
    never = tree.put(D, "later2@" + D, age=5 * 3600, notify="FAILURE")
    young = tree.put(D, "later3@" + D, age=3 * 3600)
    tree.flush(D)
    (_, report), = tree.reports()
    _, (block,) = status_of(report)
    expect(block["Action"] == "delayed" and block["Status"] == "4.2.1" and
           "Will-Retry-Until" in block, block)
    expect(tree.marks(D, mid)[0][1] == "d" and tree.marks(D, never)[0][1] == "-")
    # The next attempt of the young one is not later than its report.
    expect(tree.marks(D, young)[0][2] <= time.time() + 3600, tree.marks(D, young))
    tree.flush("--now", D)
    expect(tree.reports() == [], "told twice")
    drop_queue()


@case("DSN: NOTIFY, ORCPT, ENVID and RET")
def _():
    fresh()
    tree.put(D, "bad1@" + D, notify="NEVER")
    tree.put(D, "bad2@" + D, notify="SUCCESS,DELAY")
    tree.put(D, "ok1@" + D, notify="FAILURE")
    tree.flush(D)
    expect(tree.reports() == [] and tree.gone(D), "silence was asked for")
    tree.put(D, "bad3@" + D, notify="FAILURE", orcpt="rfc822;x+2By@other.test",
             extra="ret FULL\nenvid id+3D7\n", body=b"Subject: s\n\n\xc3\xbc body\n")
    tree.flush(D)
    (_, report), = tree.reports()
    head, (block,) = status_of(report)
    expect(head["Original-Envelope-Id"] == "id=7" and
           block["Original-Recipient"] == "rfc822;x+y@other.test", head, block)
    third = report.get_payload()[2]
    expect(third.get_content_type() == "message/rfc822" and
           b"\xc3\xbc body" in third.as_bytes(), third)
    tree.put(D, "ok2@" + D, notify="SUCCESS")
    log = tree.flush(D)
    (_, report), = tree.reports()
    expect(status_of(report)[1][0]["Action"] == "relayed" and "event=relayed" in log, log)


@case("DSN passed on: no report of ours")
def _():
    other = Hop(offers=("DSN", "8BITMIME"))
    tree.domain("dsn.test", "deliver = smtp:[127.0.0.1]:%d" % other.port)
    tree.put("dsn.test", "ok@dsn.test", notify="SUCCESS,FAILURE", orcpt="rfc822;a@b.test",
             extra="ret HDRS\nenvid e1\n")
    tree.flush("dsn.test")
    expect(tree.reports() == [] and tree.gone("dsn.test"))
    expect(any("RET=HDRS" in c and "ENVID=e1" in c for c in other.commands) and
           any("NOTIFY=SUCCESS,FAILURE" in c and "ORCPT=rfc822;a@b.test" in c
               for c in other.commands), other.commands)
    other.close()


@case("a delivery of ours that is to be reported")
def _():
    tree.put("here.test", "alice@here.test", notify="SUCCESS", state="S-")
    tree.flush("here.test")
    (to, report), = tree.reports()
    expect(to == "alice@src.test" and status_of(report)[1][0]["Action"] == "delivered" and
           tree.gone("here.test"))


@case("relayed: the report is made although it could not be at once, and nothing is sent again")
def _():
    fresh()
    tree.spool_says(71)
    mid = tree.put(D, "ok@" + D, "bad@" + D, notify="SUCCESS,FAILURE")
    tree.flush(D)
    expect([m[0] for m in tree.marks(D, mid)] == ["R", "."], tree.marks(D, mid))
    tree.spool_says(0)
    tree.flush("--now", D)
    actions = sorted(status_of(m)[1][0]["Action"] for _, m in tree.reports())
    expect(actions == ["failed", "relayed"] and tree.gone(D), actions)
    expect(hop.received("ok@" + D) == 1, "sent again")
    # What a crash leaves behind the mark.
    tree.put(D, "ok2@" + D, notify="SUCCESS", state="R-")
    tree.flush(D)
    (to, report), = tree.reports()
    block = status_of(report)[1][0]
    expect(to == "alice@src.test" and block["Action"] == "relayed" and block["Status"] == "2.0.0" and
           tree.gone(D) and hop.received("ok2@" + D) == 0, block)


@case("RFC 9422: MAILMAX and RCPTMAX; what is left goes over further connections at once")
def _():
    other = Hop(offers=("PIPELINING", "LIMITS MAILMAX=2 RCPTMAX=3"))
    tree.domain("few.test", "deliver = smtp:[127.0.0.1]:%d" % other.port)
    to = ["r%d%s@few.test" % (i, "bad" if i in (4, 17) else "") for i in range(20)]
    tree.put("few.test", *to)
    tree.put("few.test", "one@few.test")
    tree.flush("few.test")
    expect(sorted(a for t, _ in other.messages for a in t) ==
           sorted([a for a in to if "bad" not in a] + ["one@few.test"]), other.messages)
    expect(all(len(t) <= 3 for t, _ in other.messages) and other.connections >= 4, other.connections)
    expect(len(tree.reports()) == 1 and tree.gone("few.test"))
    other.close()


@case("UTF-8: message/global parts, and RFC 6533 addresses")
def _():
    fresh()
    tree.put(D, "bad\u00fc@" + D if False else "bad+C3+BC@" + D, utf8="yes",
             body="Subject: gr\u00fc\u00df\n\nx\n".encode())
    other = Hop(offers=("SMTPUTF8", "8BITMIME"))
    tree.domain(D, "deliver = smtp:[127.0.0.1]:%d" % other.port)
    tree.flush(D)
    tree.domain(D, "deliver = smtp:[127.0.0.1]:%d" % hop.port)
    (_, report), = tree.reports()
    parts = [p.get_content_type() for p in report.get_payload()]
    expect(parts == ["text/plain", "message/global-delivery-status", "message/global-headers"],
           parts)
    expect(b"utf-8;bad\xc3\xbc@dest.test" in report.as_bytes(), report.as_bytes())
    other.close()


@case("a null sender: to the postmaster once, its header only, and no further")
def _():
    fresh()
    tree.put(D, "bad@" + D, sender="<>", extra="ret FULL\n")
    tree.flush(D)
    (to, report), = tree.reports()
    expect(to == "pm@mx.src.test" and report["Postern-Double-Bounce"] == "yes" and
           report.get_payload()[2].get_content_type() == "text/rfc822-headers", report)
    tree.put(D, "bad@" + D, sender="<>", body=b"Subject: x\npostern-double-bounce: yes\n\nx\n")
    tree.put("mx.src.test", "pm@mx.src.test", sender="<>")
    tree.domain("mx.src.test", "deliver = smtp:[127.0.0.1]:%d" % hop.port)
    tree.edit("mx.src.test", next(iter(tree.queued("mx.src.test"))), "pm@mx", "pm@mx")
    log = tree.flush(D)
    expect(tree.reports() == [] and "event=report-dropped" in log and tree.gone(D), log)
    drop_queue("mx.src.test")


@case("no more than `reports` an hour to one domain's strangers")
def _():
    fresh()
    tree.set(sending_reports=2)
    for i in range(4):
        tree.put(D, "bad%d@%s" % (i, D), sender="a%d@spam.test" % i)
    tree.put(D, "bad@" + D, sender="b@spam.test", extra="login b@spam.test\n")
    log = tree.flush(D)
    expect(len(tree.reports()) == 3 and log.count("event=report-limited") == 2, log)
    tree.set(sending_reports=60)
    expect(tree.gone(D))


@case("spool cannot take a report: nobody fails unheard")
def _():
    fresh()
    mid = tree.put(D, "bad@" + D)
    tree.spool_says(71)
    tree.flush(D)
    expect(tree.marks(D, mid)[0][0] == "." and tree.marks(D, mid)[0][2] > time.time() + 100)
    tree.spool_says(0)
    tree.flush("--now", D)
    expect(len(tree.reports()) == 1 and tree.gone(D))
    mid = tree.put(D, "bad@" + D)
    tree.spool_says(31)
    log = tree.flush(D)
    expect("report-dropped" in log and tree.gone(D), log)


@case("damaged and foreign files: set aside, told of, and nothing is stopped")
def _():
    fresh()
    ok1 = tree.put(D, "ok1@" + D)
    tree.put(D, "x@" + D, mid="6b030000aaaaa.1.1", size=7)
    tree.put(D, "x@" + D, mid="6b030000aaaaa.1.2")
    os.unlink(os.path.join(tree.spool, D, "6b030000aaaaa.1.2.m"))
    tree.put(D, "x@" + D, mid="6b030000aaaaa.1.3")
    os.rename(os.path.join(tree.spool, D, "6b030000aaaaa.1.3.e"),
              os.path.join(tree.spool, D, "6b030000aaaaa.1.4.e"))
    tree.write(D, "6b030000aaaaa.1.5.e", b"\0" * 5000)
    tree.write(D, "6b030000aaaaa.1.6.e", b"postern 1\nid 6b0")
    tree.write(D, "README", b"what is this\n")
    os.mkdir(os.path.join(tree.spool, D, "6b030000aaaaa.1.7.e"))
    os.symlink("/etc/passwd", os.path.join(tree.spool, D, "6b030000aaaaa.1.8.e"))
    os.mkfifo(os.path.join(tree.spool, D, "6b030000aaaaa.1.9.e"))
    for n in "79":
        tree.own(os.path.join(tree.spool, D, "6b030000aaaaa.1.%s.e" % n))
    ok2 = tree.put(D, "ok2@" + D)
    log = tree.flush(D)
    expect(hop.received("ok1@" + D) == 1 and hop.received("ok2@" + D) == 1, ok1, ok2, log)
    bad = sorted(os.listdir(os.path.join(tree.spool, D, "bad")))
    expect(bad == ["6b030000aaaaa.1.%s" % x for x in
                   ("1.e", "1.m", "2.e", "4.e", "5.e", "6.e", "7.e")] + ["README"],
           bad)
    told = tree.reports()
    expect(len(told) == 7 and all(to == "pm@mx.src.test" for to, _ in told) and
           any("6b030000aaaaa.1.2.e" in m.get_content() and "missing" in m.get_content()
               for _, m in told), len(told))
    expect(log.count("event=set-aside") >= 9, log)
    tree.flush("--now", D)
    expect(tree.reports() == [], "told again")
    # Its message came without it: it has been there for longer than any writer lives.
    expect("6b030000aaaaa.1.3.m" in os.listdir(os.path.join(tree.spool, D)), "too young")
    drop_queue()


@case("a retry file of nonsense: hosts are tried anew")
def _():
    fresh()
    tree.put(D, "ok@" + D)
    tree.write(D, "retry", b"\xff" * 100)
    log = tree.flush(D)
    expect("event=warning" in log and hop.received("ok@" + D) == 1 and tree.gone(D), log)


@case("what a crash left: all marked, and a message without envelope")
def _():
    fresh()
    tree.put(D, "ok@" + D, state="D-")
    tree.flush(D)
    expect(hop.messages == [] and tree.gone(D), "an envelope all done is removed")


@case("held: a message, and a domain until it is named")
def _():
    fresh()
    mid = tree.put(D, "ok@" + D, hold="h")
    tree.flush("--now", D)
    expect(hop.messages == [] and list(tree.queued(D)) == [mid])
    drop_queue()
    tree.domain("held.example", "deliver = hold")
    tree.put("held.example", "ok@held.example")
    tree.flush("--due")
    tree.flush("--all")
    log = tree.flush("held.example")
    expect("event=no-route domain=held.example" in log and tree.queued("held.example"), log)
    drop_queue("held.example")


@case("another run has the lock: exit 0, and it is said")
def _():
    fresh()
    tree.put(D, "ok@" + D)
    with open(os.path.join(tree.spool, D, "lock"), "w") as f:
        tree.own(f.name)
        fcntl.flock(f, fcntl.LOCK_EX)
        log = tree.flush(D)
    expect("another run" in log and hop.messages == [], log)
    tree.flush(D)
    expect(tree.gone(D))


@case("LMTP over a unix socket: each recipient has its own outcome")
def _():
    path = os.path.join(tree.dir, "lmtp")
    lmtp = Hop(lmtp=True, path=path, greeting=b"220 lmtp.test LMTP")
    tree.domain("l.test", "deliver = lmtp:" + path)
    tree.put("l.test", "a@l.test", "full@l.test", "b@l.test")
    log = tree.flush("l.test")
    expect(lmtp.commands[0] == "LHLO mx.src.test", lmtp.commands)
    (_, report), = tree.reports()
    expect(status_of(report)[1][0]["Status"] == "5.2.2" and log.count("event=sent") == 2 and
           tree.gone("l.test"), log)
    lmtp.close()
    os.unlink(path)
    mid = tree.put("l.test", "a@l.test")
    expect("event=no-hop" in tree.flush("l.test"))
    expect(tree.marks("l.test", mid)[0][0] == ".")
    drop_queue("l.test")


def confinement(parent):
    """The word Seccomp of /proc/PID/status of all runners and senders below."""
    out, parents = [], {str(parent)}
    for pid in sorted((p for p in os.listdir("/proc") if p.isdigit()), key=int):
        try:
            with open("/proc/%s/status" % pid) as f:
                words = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
        except OSError:
            continue
        if words["PPid"] in parents:
            parents.add(pid)
            out.append(words["Seccomp"])
    return out


@case("one slow destination does not stop the others")
def _():
    fresh()
    slow = Hop(hang=True)
    tree.domain("slow.test", "deliver = smtp:[127.0.0.1]:%d" % slow.port)
    tree.put("slow.test", "a@slow.test")
    for i in range(5):
        tree.put(D, "u%d@%s" % (i, D))
    run = subprocess.Popen(tree.argv("--all"), stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(hop.messages) == 5 and tree.gone(D))
        expect(run.poll() is None, "it waits for the slow one")
        filters = confinement(run.pid)
        expect(sum(f == "2" for f in filters) >= 2, "runner and sender have filters", filters)
        run.send_signal(signal.SIGTERM)
    finally:
        slow.close()
        run.kill()
        run.wait()
    drop_queue("slow.test")


def start_socket(path):
    door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    door.bind(path)
    os.chmod(path, 0o666)
    log = open(os.path.join(tree.dir, "log"), "w+")
    run = subprocess.Popen(
        ["sh", "-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"", "sh"] + tree.argv(),
        stderr=log, preexec_fn=lambda: os.dup2(door.fileno(), 3), pass_fds=(3,))
    return run, door, log


@case("words over its socket; it leaves when told to")
def _():
    fresh()
    path = os.path.join(tree.dir, "door")
    run, door, log = start_socket(path)
    asker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        for word in (b"../x", b"", b"\xff", b"x" * 500, b"none.test", b"a b c", b"."):
            asker.sendto(word, path)
        for i in range(5):
            tree.put(D, "u%d@%s" % (i, D))
            asker.sendto(D.encode(), path)
        wait_for(lambda: len(hop.messages) == 5 and tree.gone(D))
        later = tree.put(D, "later@" + D)
        asker.sendto(D.encode(), path)
        wait_for(lambda: tree.marks(D, later)[0][3] == 1)
        asker.sendto(D.encode() + b" now", path)
        wait_for(lambda: tree.marks(D, later)[0][3] == 2)
        run.send_signal(signal.SIGTERM)
        expect(run.wait(10) == 0, "exit")
        log.seek(0)
        expect(log.read().count("names no queue") >= 5, "words that are none")
    finally:
        run.kill()
        run.wait()
    drop_queue()


@case("misused: an exit code, and no run")
def _():
    tree.flush(code=2)
    tree.flush("--due", D, code=2)
    tree.flush("no such", code=2)
    tree.flush("../x", code=2)
    tree.flush("--what", code=2)


run_cases()
hop.close()
tree.remove()
