#!/usr/bin/env python3
# suite: timeout=120
"""flush and time: DELIVERBY (RFC 2852), FUTURERELEASE (RFC 4865), MT-PRIORITY (RFC 6710,
6758), AUTH= (RFC 4954), with scripted next hops and a stand-in for `spool`."""
import os
import re
import time

from flush_talk import Hop, Tree, case, expect, run_cases

tree = Tree()
D = "dest.test"
ALL = ("PIPELINING", "8BITMIME", "DSN", "DELIVERBY", "MT-PRIORITY")


def to_hop(*offers):
    """A hop for D that offers this."""
    hop = Hop(offers=offers)
    tree.domain(D, "deliver = smtp:[127.0.0.1]:%d" % hop.port)
    return hop


def fresh():
    tree.reports()
    tree.spool_says(0)
    os.system("rm -rf '%s'/*" % tree.spool)


def mail(hop):
    found = [c for c in hop.commands if c.startswith("MAIL")]
    hop.close()
    return found


def by(seconds, mode):
    return "by %d %s\n" % (time.time() + seconds, mode)


def status(report):
    """The part for programs, as text."""
    part = [p for p in report.walk() if p.get_content_type() == "message/delivery-status"][0]
    return "\n".join(str(p) for p in part.get_payload())


@case("by R: the time that is left goes to a hop that offers DELIVERBY")
def _():
    fresh()
    hop = to_hop(*ALL)
    tree.put(D, "a@" + D, extra=by(600, "R"))
    tree.flush(D)
    line, = mail(hop)
    left = int(re.search(r" BY=(\d+);R$", line).group(1))
    expect(590 <= left <= 600, line)
    expect(tree.gone(D) and tree.reports() == [])


@case("by R: fails where it is not offered")
def _():
    fresh()
    hop = to_hop("PIPELINING")
    tree.put(D, "a@" + D, extra=by(600, "R"))
    tree.flush(D)
    expect(mail(hop) == [] and hop.messages == [] and tree.gone(D))
    (to, report), = tree.reports()
    text = status(report)
    expect(to == "alice@src.test" and "Action: failed" in text and "Status: 5.4.7" in text and
           "Deliver-By-Date: " in text, text)


@case("by R: fails where the hop wants more time than is left")
def _():
    fresh()
    hop = to_hop("PIPELINING", "DELIVERBY 3600")
    tree.put(D, "a@" + D, extra=by(600, "R"))
    tree.put(D, "b@" + D, extra=by(600, "N"))
    tree.flush(D)
    expect([to for to, _ in hop.messages] == [["b@" + D]], hop.messages)
    expect("Status: 5.4.7" in status(tree.reports()[0][1]) and len(mail(hop)) == 1)


@case("by R: what is late is not delivered, due or not, and fails once")
def _():
    fresh()
    hop = to_hop(*ALL)
    mid = tree.put(D, "a@" + D, "b@" + D, extra=by(-1, "R"))
    tree.edit(D, mid, "0000000000", "%010d" % (time.time() + 3000))
    log = tree.flush(D)
    expect(mail(hop) == [] and hop.messages == [] and tree.gone(D))
    (to, report), = tree.reports()
    text = status(report)
    expect(text.count("Status: 5.4.7") == 2 and log.count("event=bounced") == 2, text)


@case("by R: the next attempt is not after the time")
def _():
    fresh()
    hop = to_hop(*ALL)
    mid = tree.put(D, "later@" + D, extra=by(30, "R"))
    tree.flush(D)
    (state, told, when, attempts), = tree.marks(D, mid)
    expect(state == "." and when <= time.time() + 31 and attempts == 1, when)
    expect(os.stat(os.path.join(tree.spool, D, "retry")).st_mtime <= time.time() + 31)
    expect(tree.reports() == [] and len(mail(hop)) == 1)


@case("by N: a report at the time and none before; delivery goes on")
def _():
    fresh()
    tree.set(delay_report="60s")
    hop = to_hop(*ALL)
    early = tree.put(D, "later1@" + D, age=3600, extra=by(300, "N"))
    late = tree.put(D, "later2@" + D, extra=by(-5, "N"))
    silent = tree.put(D, "later3@" + D, notify="FAILURE", extra=by(-5, "N"))
    tree.flush(D)
    (to, report), = tree.reports()
    text = status(report)
    expect("Action: delayed" in text and "Status: 4.4.7" in text and "later2@" in text, text)
    expect(tree.marks(D, early)[0][1] == "-" and tree.marks(D, late)[0][1] == "d")
    expect(tree.marks(D, early)[0][2] <= time.time() + 301)
    expect(tree.marks(D, silent)[0][:2] == (".", "-"))
    lines = mail(hop)
    expect(any(re.search(r" BY=-\d+;N$", l) for l in lines), lines)
    tree.set(delay_report="4h")


@case("passed on: told of with a trace, and where nobody watches the time")
def _():
    for offers, mode, notify, told in (
            (ALL, "RT", "-", 1), (ALL, "NT", "FAILURE", 1), (ALL, "NT", "NEVER", 0),
            (ALL, "N", "SUCCESS", 0), (ALL, "R", "-", 0),
            (("DSN",), "N", "SUCCESS", 1), (("DSN",), "N", "-", 1), ((), "N", "FAILURE", 1),
            (("DSN",), "N", "NEVER", 0), ((), "NT", "-", 1)):
        fresh()
        hop = to_hop(*offers)
        tree.put(D, "a@" + D, notify=notify, extra=by(600, mode))
        tree.flush(D)
        reports = tree.reports()
        expect(len(reports) == told and hop.messages, offers, mode, notify, len(reports))
        expect(all("Action: relayed" in status(r) for _, r in reports), mode, notify)
        # RFC 2852 4.1.4.2: instead it is to tell of a delay, by DSN.
        to, = [c for c in hop.commands if c.startswith("RCPT")]
        if offers == ("DSN",):
            expect(to.endswith({"SUCCESS": "NOTIFY=SUCCESS,DELAY", "NEVER": "NOTIFY=NEVER",
                                "-": "NOTIFY=FAILURE,DELAY"}[notify]), to)
        hop.close()


@case("held back: not sent before, whoever asks; then aged from its release")
def _():
    fresh()
    hop = to_hop(*ALL)
    later = int(time.time()) + 90000
    mid = tree.put(D, "a@" + D, age=30, extra="release %d\n" % later)
    tree.flush("--now", D)
    expect(hop.messages == [] and tree.marks(D, mid) == [(".", "-", 0, 0)])
    due = os.stat(os.path.join(tree.spool, D, "retry")).st_mtime
    expect(time.time() + 7000 < due <= time.time() + 7201, due - time.time())
    soon = int(time.time()) + 2
    tree.edit(D, mid, "release %d" % later, "release %d" % soon)
    tree.flush(D)
    expect(hop.messages == [] and
           int(os.stat(os.path.join(tree.spool, D, "retry")).st_mtime) == soon)
    time.sleep(max(0, soon - time.time() + 0.1))
    tree.flush(D)
    expect(len(hop.messages) == 1 and tree.gone(D) and len(mail(hop)) == 1)
    # Six days old, and released a moment ago: no day of `expire` has gone by.
    hop = to_hop(*ALL)
    mid = tree.put(D, "later@" + D, age=6 * 86400, extra="release %d\n" % (time.time() - 1))
    tree.flush(D)
    expect(tree.marks(D, mid)[0][0] == "." and tree.reports() == [])
    hop.close()


def released():
    """What spool was given last: the envelope's lines or words, and the message."""
    out = []
    for name in sorted(os.listdir(tree.reports_dir)):
        path = os.path.join(tree.reports_dir, name)
        if name.startswith("report.") and name.endswith(".to"):
            with open(path) as f:
                words = f.read().split("\n")
            with open(path[:-3], "rb") as f:
                text = f.read()
            out.append((words, text))
            os.unlink(path)
            os.unlink(path[:-3])
    return out


HERE = "here.test"


@case("held back for a mailbox here: spool gets it then, and it goes nowhere else")
def _():
    fresh()
    hop = Hop()
    tree.domain(HERE, "")
    tree.set(relay="[127.0.0.1]:%d" % hop.port)
    later = int(time.time()) + 3000
    said = "ret HDRS\nenvid e+2B1\nauth a@x.test\nlogin alice@src.test\nrequiretls yes\n"
    times = "by %d N\nrelease %d\npriority 4\n" % (later + 600, later)
    mid = tree.put(HERE, "bob@" + HERE, state="H-", notify="SUCCESS,DELAY",
                   orcpt="rfc822;old@x.test", utf8="yes", extra=said + times)
    tree.flush("--now", HERE)
    expect(released() == [] and tree.marks(HERE, mid)[0][0] == "H")
    tree.edit(HERE, mid, "release %d" % later, "release %d" % (time.time() - 1))
    tree.spool_says(71)
    tree.flush("--now", HERE)
    state, _, when, attempts = tree.marks(HERE, mid)[0]
    expect(state == "H" and attempts == 1 and when > time.time() + 200)
    tree.spool_says(0)
    log = tree.flush("--now", HERE)
    (lines, text), = released()
    for line in said.splitlines() + [
            "id " + mid, "skip 0", "size 21", "body 8BITMIME", "utf8 yes", "by %d N" % (later + 600),
            "priority 4", "sender alice@src.test",
            "to .- 0000000000 000 SUCCESS,DELAY rfc822;old@x.test bob@" + HERE]:
        expect(line in lines, line, lines)
    expect(not any(line.startswith("release") for line in lines), lines)
    expect(text == b"X-Spool: -e\nSubject: hello\n\ntext\n", text)
    expect("event=released id=%s" % mid in log and tree.gone(HERE), log)
    expect(hop.connections == 0 and os.listdir(os.path.join(tree.state, "tmp")) == [])
    hop.close()


@case("held back for a mailbox here: refused for good is reported; success is left to spool")
def _():
    fresh()
    past = "release %d\n" % (time.time() - 1)
    tree.put(HERE, "gone@" + HERE, state="H-", extra=past)
    tree.spool_says(31)
    tree.flush(HERE)
    # Its report has no way either: a double bounce, whose report has none as well.
    expect(tree.gone(HERE) and "event=bounced" in tree.log, tree.log)
    tree.spool_says(0)
    tree.put(HERE, "bob@" + HERE, state="H-", notify="SUCCESS", extra=past)
    tree.flush(HERE)
    (lines, _), = released()
    expect("to .- 0000000000 000 SUCCESS - bob@" + HERE in lines and tree.gone(HERE), lines)


@case("priority: the higher first, the oldest first within one")
def _():
    fresh()
    hop = to_hop(*ALL)
    tree.set(sending_connections_per_destination=1)
    wanted = []
    for age, p in ((1, 9), (90, 3), (2, 3), (500, 0), (5, 0), (900, -4), (9999, -9)):
        suffix = "_%s%d" % ("p" if p > 0 else "n", abs(p)) if p else ""
        mid = "%08xabcde.1.%x%s" % (int(time.time()) - age, age, suffix)
        tree.put(D, "u%d@%s" % (age, D), age=age, mid=mid,
                 extra="priority %d\n" % p if p else "")
        wanted.append(("u%d@%s" % (age, D), p))
    tree.flush(D)
    tree.set(sending_connections_per_destination=4)
    expect([to[0] for to, _ in hop.messages] == [a for a, _ in wanted], hop.messages)
    said = [int(m.group(1)) if (m := re.search(r" MT-PRIORITY=(-?\d)$", l)) else 0
            for l in mail(hop)]
    expect(said == [p for _, p in wanted], said)


@case("priority: as a field where it is not offered, and only where that is wanted")
def _():
    body = b"MT-Priority: 3\nSubject: hello\n\ntext\n"
    for offers, wish, field in ((("PIPELINING",), "yes", True), (ALL, "yes", False),
                                (("PIPELINING",), "no", False)):
        fresh()
        hop = to_hop(*offers)
        tree.set(priority_header=wish)
        mid = tree.put(D, "a@" + D, body=body, extra="priority 3\n")
        # The first line of the body becomes the last of those that stay here.
        tree.edit(D, mid, "skip 30", "skip 45")
        tree.flush(D)
        (_, text), = hop.messages
        expect(text.startswith(b"MT-Priority: 3\r\n") == field, offers, wish, text)
        expect(("MT-PRIORITY=3" in mail(hop)[0]) == (offers == ALL))


@case("AUTH=: the name to who is trusted, <> to others that offer AUTH")
def _():
    for offers, auth, said in ((("AUTH PLAIN",), "auth bob@src.test\n", " AUTH=<>"),
                               ((), "auth bob@src.test\n", ""), (("AUTH PLAIN",), "", "")):
        fresh()
        hop = to_hop(*offers)
        tree.put(D, "a@" + D, extra=auth)
        tree.flush(D)
        expect(mail(hop)[0] == "MAIL FROM:<alice@src.test>" + said, offers, auth, hop.commands)


run_cases()
tree.remove()
