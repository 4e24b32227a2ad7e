#!/usr/bin/env python3
# suite: timeout=240 calm
"""CHECKPOINT (RFC 1845) of a listening smtpd: cut at every octet, two connections that
want one transaction, another socket; and flush over a line that breaks again and again,
which a hop without CHECKPOINT never gets a message through."""
import fcntl
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import flush_talk  # noqa: E402
from line import Line  # noqa: E402
from listening import (LONG, Bad, Client, case, expect, free_port, front, read,  # noqa: E402
                       run_cases, trees, wait_for)

ALL = {"checkpoint": "all", "size": "64M", "limits_connections_per_source": "1000"}
MESSAGE = b"Subject: every octet\r\n\r\n.first\r\n..second\r\n\r\nlast\r\n"
STORED = b"Subject: every octet\n\n.first\n..second\n\nlast\n"


def stuffed(data):
    return data.replace(b"\r\n.", b"\r\n..")


def mail_of(tree, user="alice"):
    return [read(p) for p in tree.messages(user)]


def parts(tree, suffix=".m"):
    return [n for n in os.listdir(os.path.join(tree.state, "partial")) if n.endswith(suffix)]


def begin(client, transid, code="250"):
    client.hello()
    return client.say("MAIL FROM:<a@client.test> TRANSID=<%s>" % transid, code)


def begin_data(f, client, transid, octets):
    """A message by DATA, so many octets of which have come; the name of its part."""
    begin(client, transid)
    client.say("RCPT TO:<alice@here.test>")
    client.say("DATA", "354")
    client.send(octets)
    name = wait_for(lambda: parts(f.tree, ".p"), "no file in partial/")[0]
    time.sleep(0.2)                    # written, too
    return name


def offset_of(reply):
    return int(reply.split()[1])


def finish(f, transid, data, dots):
    """Sends the rest, however little is left of it; the offset at which it began."""
    with f.connect() as client:
        client.hello()
        client.send("MAIL FROM:<a@client.test> TRANSID=<%s>\r\n" % transid)
        got = client.reply()
        if got.startswith("250"):
            client.say("RCPT TO:<alice@here.test>")
            at = -1
        else:
            at = offset_of(got)
        rest = data[max(at, 0):]
        if dots:
            client.say("DATA", "354")
            # The offset is at a line's start: a dot there is doubled.
            client.send(stuffed(b"\r\n" + rest)[2:] + b".\r\n")
        else:
            client.send(b"BDAT %d LAST\r\n" % len(rest) + rest)
        final = client.reply()
        expect(final.startswith("250 2.0.0 ok "), "answered by %r" % final)
        return at, final


def cut_everywhere(dots):
    """One message for each octet at which the connection can break, reply included."""
    wire = stuffed(MESSAGE) + b".\r\n" if dots else b"BDAT %d LAST\r\n" % len(MESSAGE) + MESSAGE
    with front(**ALL) as f:
        f.tree.set_forward("all", ["alice@here.test"])
        for n in range(len(wire) + 1):
            transid = "%d@%s" % (n, "data" if dots else "bdat")
            with f.connect() as client:
                begin(client, transid)
                client.say("RCPT TO:<alice@here.test>")
                if dots:
                    client.say("DATA", "354")
                client.send(wire[:n])
                if n == len(wire):
                    wait_for(client.has_input, "no final reply")
                (client.reset if n % 2 else client.close)()
            at, _ = finish(f, transid, MESSAGE, dots)
            part = wire[:n] if dots else wire[wire.index(b"\n") + 1:n]
            expect(at <= len(MESSAGE), "offset %d after %d octets" % (at, n))
            if n == len(wire):
                expect(at == len(MESSAGE), "offset %d of the whole" % at)
            if at > 0:
                expect(MESSAGE[:at].endswith(b"\r\n") or at == len(MESSAGE),
                       "offset %d is inside a line" % at)
                expect(at <= len(part), "offset %d of %d octets" % (at, len(part)))
        got = mail_of(f.tree)
        expect(len(got) == len(wire) + 1, "%d messages of %d" % (len(got), len(wire) + 1))
        for text in got:
            expect(text.endswith(STORED) and text.count(b"Subject:") == 1, repr(text[-200:]))
        expect(parts(f.tree) == [], parts(f.tree))
        expect("event=error" not in f.log(), f.log()[-500:])


@case("DATA, cut at every octet")
def _():
    cut_everywhere(True)


@case("BDAT, cut at every octet")
def _():
    cut_everywhere(False)


@case("the first connection hangs: the second goes on, the first is told")
def _():
    with front(**ALL) as f, f.connect() as first, f.connect() as second:
        begin_data(f, first, "1@hung", b"Subject: x\r\n\r\none\r\ntwo")
        expect(offset_of(begin(second, "1@hung", "355")) == 19, "another offset")
        first.send(b" from the first\r\n.\r\n")
        got = first.reply()
        expect(got == "451 4.5.0 another connection has resumed this transaction\r\n", got)
        second.say("DATA", "354")
        second.send(b"two\r\n.\r\n")
        expect(second.reply().startswith("250"), "not taken")
        text, = mail_of(f.tree)
        expect(text.endswith(b"Subject: x\n\none\ntwo\n"), repr(text[-100:]))
        expect("event=superseded" in f.log(), "not logged")


@case("a commit under way: the second connection waits for its end")
def _():
    with front(**ALL) as f, f.connect() as first, f.connect() as second:
        path = begin_data(f, first, "1@busy", b"Subject: x\r\n\r\none\r\n")
        with open(os.path.join(f.tree.state, "partial", path)) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)       # as its keeper does in a commit
            second.hello()
            second.send("MAIL FROM:<a@client.test> TRANSID=<1@busy>\r\n")
            time.sleep(1)
            expect(not second.has_input(), "not waited for")
            fcntl.flock(lock, fcntl.LOCK_UN)
            expect(second.reply().startswith("355 19 "), "no offset")
            if not LONG:
                return
            fcntl.flock(lock, fcntl.LOCK_UN)
        path = parts(f.tree, ".p")[0]
        with open(os.path.join(f.tree.state, "partial", path)) as lock, f.connect() as third:
            fcntl.flock(lock, fcntl.LOCK_EX)
            got = begin(third, "1@busy", "451")
            expect(got == "451 4.5.0 another connection is ending this transaction, "
                   "try again\r\n", got)


@case("resumed at another socket, by another service")
def _():
    ports = [free_port(), free_port()]
    with front("-L", "127.0.0.1:%d" % ports[0], "-L", "127.0.0.1:%d" % ports[1], **ALL) as f:
        with Client(("127.0.0.1", ports[0])) as client:
            begin_data(f, client, "1@other", b"Subject: x\r\n\r\none\r\n")
        f.address = ("127.0.0.1", ports[1])
        expect(finish(f, "1@other", b"Subject: x\r\n\r\none\r\ntwo\r\n", True)[0] == 19, "anew")


@case("session and keeper killed in a message: another pair goes on")
def _():
    for which in (0, 1):
        with front(**ALL) as f, f.connect() as client:
            begin_data(f, client, "1@killed", b"Subject: x\r\n\r\none\r\n")
            os.kill(f.serving(client)[which], signal.SIGKILL)
            if which == 1:
                client.send(b"two\r\n.\r\n")
                client.rest()
            at, _ = finish(f, "1@killed", b"Subject: x\r\n\r\none\r\ntwo\r\n", True)
            expect(at == (24 if which else 19), "offset %d" % at)
            text, = mail_of(f.tree)
            expect(text.endswith(b"Subject: x\n\none\ntwo\n"), repr(text[-100:]))


def due(tree):
    """What the timer does; its log."""
    run = subprocess.run([os.path.join(flush_talk.BUILD, "flush"), "-c",
                          os.path.join(tree.dir, "postern.conf"), "--due"],
                         stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=30)
    expect(run.returncode == 0 and b"-died" not in run.stderr, run.stderr.decode())
    return run.stderr.decode()


def make_older(tree, names, age):
    for name in names:
        os.utime(os.path.join(tree.state, "partial", name), (time.time() - age,) * 2)


@case("flush --due removes what is old or too much, and leaves the rest")
def _():
    with front(**ALL) as f:
        folder, of = os.path.join(f.tree.state, "partial"), {}
        for n, age in enumerate((600, 49 * 3600, 80 * 3600)):
            with f.connect() as client:
                begin(client, "%d@old" % n)
                client.say("RCPT TO:<alice@here.test>")
                client.say("BDAT 14\r\nSubject: x\r\n", "250")
            known = {name for names in of.values() for name in names}
            f.wait_ends(n + 1)                 # nothing is written any more
            of[n] = set(os.listdir(folder)) - known
            make_older(f.tree, of[n], age)
        # Its envelope is of the first day, and its client was here a day ago.
        make_older(f.tree, [name for name in of[1] if name.endswith(".e")], 80 * 3600)
        log = due(f.tree)
        expect(set(os.listdir(folder)) == of[0] | of[1], os.listdir(folder))
        expect(log.count("event=tidied") == 3, log)
        with f.connect() as client:
            begin(client, "2@old", "250")
        with f.connect() as client:
            begin(client, "1@old", "355")
        # Two messages, one of which alone has more than a client may have.
        first, = (name for name in of[0] if name.endswith(".m"))
        os.truncate(os.path.join(folder, first), 3 << 30)
        make_older(f.tree, of[0], 3600)
        log = due(f.tree)
        left = set(os.listdir(folder))
        expect(not left & of[0] and len(left) == 3, (left, log))


# -- a bad line ------------------------------------------------------------------------

SIZE, CUT = (25 << 20, 2 << 20) if LONG else (3 << 20, 512 << 10)


def large(size, seed=7):
    """Lines of 77 octets as base64 has them, some with dots."""
    r = random.Random(seed)
    line = b"".join(b"%02x" % r.randrange(256) for _ in range(38)) + b"\n"
    body = (line * 99 + b"." + line[1:]) * (size // (77 * 100))
    return b"Subject: large\n\n" + body


class Source(flush_talk.Tree):
    """A host that sends to far.test over the line."""

    def __init__(self, line):
        super().__init__()
        self.domain("far.test", "deliver = smtp:[127.0.0.1]:%d" % line.port, "tls = never")

    def send(self, body, timeout=200):
        self.put("far.test", "alice@here.test", body=body)
        return self.flush("far.test", timeout=timeout)


def over_line(cut, size, address, **more):
    """(the line, flush's log) after one run."""
    line = Line(address, cut, **more)
    source = Source(line)
    try:
        body = large(size)
        return line, source.send(body), source.gone("far.test"), body
    finally:
        line.close()
        source.remove()


def check_line(cut, most, size=SIZE):
    with front(**ALL) as f:
        line, log, gone, body = over_line(cut, size, f.address)
        expect(gone, "it did not arrive: " + log[-300:])
        text, = mail_of(f.tree)
        expect(text.endswith(body), "it is not what was sent")
        wire = len(body) + body.count(b"\n")
        expect(line.cuts >= 2, "%d cuts" % line.cuts)
        print("# %d octets over a line cut after %s: %d connections, %d octets entered it, "
              "%.3f of the message" % (wire, cut, line.connections, line.sent,
                                       line.sent / wire))
        expect(line.sent <= most * wire, "%d octets for %d" % (line.sent, wire))
        expect(log.count("event=cut ") == line.cuts, log[-500:])
        expect(parts(f.tree) == [], parts(f.tree))


@case("flush over a line that breaks every so many octets")
def _():
    # The first connection has a MiB under way when it breaks: of 3 MiB that is a lot.
    check_line(CUT, 1.1 if LONG else 1.4)


@case("flush over a line that breaks anywhere")
def _():
    check_line((CUT // 8, CUT), 1.1 if LONG else 1.4)


@case("what is under way is lost at each break: it waits before that is all")
def _():
    with front(**ALL) as f:
        line, log, gone, body = over_line(512 << 10, 1 << 20, f.address, slow=True)
        expect(gone and line.cuts >= 2, "it did not arrive: " + log[-300:])
        text, = mail_of(f.tree)
        expect(text.endswith(body), "it is not what was sent")


@case("a line that passes less than the header: given up, not for ever")
def _():
    with front(**ALL) as f:
        line, log, gone, _ = over_line(60, 1 << 20, f.address)
        expect(not gone and line.connections < 10, "%d connections" % line.connections)


@case("a hop without CHECKPOINT never gets it, and costs the line much more")
def _():
    hop = flush_talk.Hop(offers=("PIPELINING", "8BITMIME"))
    line, log, gone, body = over_line(CUT, SIZE, ("127.0.0.1", hop.port))
    hop.close()
    expect(not gone and hop.messages == [] and line.cuts >= 1, log[-300:])
    print("# without CHECKPOINT: %d connections, %d octets, nothing arrived" %
          (line.connections, line.sent))


@case("the final reply is lost: one copy")
def _():
    with front(**ALL) as f:
        # Replies up to the last are some 700 octets; the final one does not come through.
        for replies in (560, 600, 640, 680, 720):
            body = large(1 << 19, seed=replies)
            line = Line(f.address, None, replies=replies)
            source = Source(line)
            try:
                source.put("far.test", "alice@here.test", body=body)
                line.replies = replies
                while not source.gone("far.test") and line.connections < 40:
                    source.flush("far.test", timeout=60)
            finally:
                line.close()
                source.remove()
        texts = [hashlib.sha256(t[t.index(b"Subject:"):]).digest() for t in mail_of(f.tree)]
        expect(len(texts) == len(set(texts)), "%d copies" % len(texts))


@case("resuming costs one round trip more")
def _():
    with front(**ALL) as f:
        plain = Line(f.address)
        f_address, f.address = f.address, ("127.0.0.1", plain.port)
        with f.connect() as client:
            begin(client, "1@trip")
            client.say("RCPT TO:<alice@here.test>")
            client.say("DATA", "354")
            client.send(b"Subject: x\r\n\r\none\r\n.\r\n")
            client.reply()
            client.quit()
        first = plain.rounds[0][0]
        with f.connect() as client:
            expect(begin(client, "1@trip", "355"), "not resumed")
            client.say("DATA", "354")
            client.send(b".\r\n")
            client.reply()
            client.quit()
        expect(plain.rounds[1][0] <= first, "%d turns, then %d" %
               (first, plain.rounds[1][0]))
        f.address = f_address
        plain.close()


if __name__ == "__main__":
    run_cases()
