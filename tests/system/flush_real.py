#!/usr/bin/env python3
# suite: timeout=60
"""flush between real programs: from the queue to Dovecot by LMTP, over a unix socket and TCP, and
reports that `spool` delivers into their sender's Maildir."""
import email
import email.policy
import os
import subprocess
import sys

from dovecot_lmtp import Dovecot, missing
from spool_talk import DEADLINE, OURS, Place, case, expect, run_cases

ALICE = "alice@" + OURS
NAMES = ("carl", "dora")

if missing():
    print("skip flush and Dovecot: " + missing())
    sys.exit(0)
place = Place()
dovecot = Dovecot(*NAMES)
place.tree.set_conf("", "dns-anchor", "none")
place.tree.set_conf("", "dns", "127.0.0.1@1")
place.tree.set_conf("", "postmaster", "bob@" + OURS)
for domain, deliver in (("unix.test", dovecot.path), ("tcp.test", "[127.0.0.1]:%d" % dovecot.port)):
    with open(os.path.join(place.dir, "domains", domain + ".conf"), "w") as f:
        f.write("deliver = lmtp:%s\n" % deliver)


def hand_in(message, *to, sender=ALICE, options=()):
    """By sendmail, as a user of this host."""
    got = place.sendmail("-i", "-f", sender, *options, *to, text=message)
    expect(got[0] == 0, got)


def flush(*args):
    run = subprocess.run([place.program("flush"), "-c", place.conf, *args], stderr=subprocess.PIPE,
                         stdout=subprocess.DEVNULL, timeout=DEADLINE)
    log = run.stderr.decode()
    expect(run.returncode == 0 and "died" not in log and "event=error" not in log, log)
    return log


def report_for(user):
    """The one report in the Maildir, parsed; its status part's blocks beside it."""
    found = place.take(user)
    expect(len(found) == 1, len(found), "messages for", user)
    m = email.message_from_bytes(found[0], policy=email.policy.default)
    expect(found[0].startswith(b"Return-Path: <>\n") and not m.defects, m.defects)
    expect(m.get_content_type() == "multipart/report" and
           m.get_param("report-type") == "delivery-status" and m["Auto-Submitted"] and
           m["From"] and m["Date"] and m["Message-ID"], m)
    text, status, original = m.get_payload()
    expect(text.get_content_type() == "text/plain" and
           status.get_content_type() == "message/delivery-status", m)
    return m, [dict(b.items()) for b in status.get_payload()], original


@case("LMTP to Dovecot: over its unix socket and TCP, to several recipients, octets kept")
def _():
    text = b"Subject: eight\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n" \
        b"Content-Transfer-Encoding: 8bit\n\n.dot\n..\ngr\xc3\xbc\xc3\x9fe\n" + b"x" * 900 + b"\n"
    for domain in ("unix.test", "tcp.test"):
        hand_in(text, "carl@" + domain, "dora@" + domain)
        log = flush(domain)
        expect(log.count("event=sent ") == 2 and place.queued() == {}, log)
        for name in NAMES:
            m, = dovecot.take(name)
            expect(m.startswith(b"Return-Path: <%s>\n" % ALICE.encode()) and
                   b"Received: by mx.test (from uid " in m, m)
            expect(m.endswith(text.partition(b"\n\n")[2]), m)
    expect(place.take() == [], "a report")


@case("LMTP to Dovecot: one is unknown; the report comes to the sender's Maildir by spool")
def _():
    hand_in(b"Subject: who\n\nsecret words\n", "carl@tcp.test", "nobody@tcp.test")
    log = flush("--due")
    expect("event=report " in log and len(dovecot.take("carl")) == 1, log)
    m, (head, block), original = report_for("alice")
    expect(head["Reporting-MTA"] == "dns;mx.test" and head["Arrival-Date"], head)
    expect(block["Final-Recipient"] == "rfc822;nobody@tcp.test" and block["Action"] == "failed" and
           block["Status"].startswith("5.1.") and block["Diagnostic-Code"].startswith("smtp;550") and
           block["Last-Attempt-Date"], block)
    expect(m["To"] == ALICE and original.get_content_type() == "text/rfc822-headers" and
           "Subject: who" in original.get_payload() and "secret" not in str(m), original)
    expect(place.queued() == {}, "left in the queue")


@case("NOTIFY and RET by sendmail: a report of relaying, and one with the whole message")
def _():
    hand_in(b"Subject: ask\n\nthe body\n", "carl@unix.test", "nobody@unix.test",
            options=("-N", "success,failure", "-R", "full", "-V", "id=7"))
    flush("--due")
    found = place.take()
    actions = {}
    for text in found:
        m = email.message_from_bytes(text, policy=email.policy.default)
        head, block = m.get_payload()[1].get_payload()
        expect(head["Original-Envelope-Id"] == "id=7", head)
        actions[block["Action"]] = m
    expect(sorted(actions) == ["failed", "relayed"], actions)
    whole = actions["failed"].get_payload()[2]
    expect(whole.get_content_type() == "message/rfc822" and
           whole.get_payload()[0].get_payload() == "the body\n", whole)
    dovecot.take("carl")


@case("no way back to the sender: the postmaster hears of it")
def _():
    hand_in(b"Subject: lost\n\nx\n", "nobody@unix.test", sender="gone@" + OURS)
    log = flush("--due")
    m, (_, block), original = report_for("bob")
    expect("kind=double" in log and m["Postern-Double-Bounce"] == "yes" and
           block["Final-Recipient"] == "rfc822;nobody@unix.test", log)
    expect(place.take() == [] and place.queued() == {}, "more than that")


try:
    run_cases()
finally:
    dovecot.stop()
    place.remove()
