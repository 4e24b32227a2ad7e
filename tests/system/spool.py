#!/usr/bin/env python3
# suite: timeout=120
"""spool as qmail-queue(8): descriptors, exit codes, what is delivered and what is queued;
as sendmail; and by its socket, for users who may not touch the mail."""
import os
import re
import socket
import subprocess
import tempfile
import threading
import time

from spool_talk import (DEADLINE, OURS, STRANGER, Place, body, case, expect, header,
                        run_cases, trees, who)

place = Place()
ALICE = "alice@" + OURS
BOB = "bob@" + OURS
AWAY = "carl@away.test"
ROOT = os.getuid() == 0
OWNER = trees.KEEPER_UID if ROOT else os.getuid()
MESSAGE = b"Subject: one\n\nbody\n"


def envelope(sender, *to):
    return b"".join([b"F", sender.encode(), b"\0"] +
                    [b"T" + t.encode() + b"\0" for t in to] + [b"\0"])


def code(result, want, *more):
    expect(result[0] == want, "exit", result[0], "not", str(want), result[1], *more)
    return result


# -- qmail-queue ------------------------------------------------------------------------


@case("spool: a mailbox of this host gets it at once")
def _():
    code(place.spool(b"Subject: x\r\n\r\nbody\rx\n.\nno end", envelope("s@x.test", ALICE)), 0)
    m, = place.take()
    expect(re.fullmatch(
        (r"Return-Path: <s@x\.test>\nDelivered-To: %s\nReceived: by mx\.test \(from uid %d\) "
         r"with local id [0-9a-f.]+\n\tfor <%s>;\n\t[^\n]+\nSubject: x\n\nbody x\n\.\nno end\n"
         % (ALICE, OWNER, ALICE)).encode(), m), m)
    expect(place.queued() == {} and place.tree.leftovers() == [], "leftovers")


@case("spool: another host's mail is queued, with its envelope")
def _():
    code(place.spool(b"Subject: \xc3\xb6\n\nb\n", envelope("s@x.test", AWAY, "d@away.test",
                                                             "e@far.test", ALICE)), 0)
    expect(len(place.take()) == 1, "alice has not one")
    found = place.queued()
    expect(sorted(d for d, _ in found) == ["away.test", "far.test"], found)
    for (domain, _), (lines, message) in found.items():
        expect("body 8BITMIME" in lines and "sender s@x.test" in lines, lines)
        expect(len([x for x in lines if x.startswith("to ")]) ==
               (2 if domain == "away.test" else 1), lines)
        skip = int([x for x in lines if x.startswith("skip ")][0][5:])
        expect(message[skip:].startswith(b"Received: by mx.test"), message)
    place.clear_queue()


@case("spool: <>, #@[] and names without a domain")
def _():
    for sender in ("", "#@[]"):
        code(place.spool(MESSAGE, envelope(sender, ALICE)), 0)
        expect(place.take()[0].startswith(b"Return-Path: <>\n"), "sender", sender)
    code(place.spool(MESSAGE, envelope("bob", "alice")), 0)
    expect(place.take()[0].startswith(b"Return-Path: <%s>\n" % BOB.encode()), "bob")


@case("spool -r: the envelope asks for REQUIRETLS")
def _():
    code(place.spool(MESSAGE, envelope("", AWAY), options=("-vr",)), 0)
    (lines, _), = place.queued().values()
    expect("requiretls yes" in lines, lines)
    place.clear_queue()


def queued_envelope(*to, message=MESSAGE, body="8BITMIME", utf8="no", more=""):
    """As the keeper writes it, for `spool -e`: an open file."""
    f = tempfile.TemporaryFile()
    f.write(("postern 1\nid 6b03029aba16b.1.1\nhold -\narrived %d\nskip 0\nsize %d\nbody %s\n"
             "utf8 %s\n%ssender s@x.test\n%send\n" %
             (time.time() - 90, len(message), body, utf8, more,
              "".join("to .- 0000000000 000 %s %s\n" % (how, a) for a, how in to))).encode())
    f.flush()
    return f


@case("spool -e: a message that was held back keeps all that was said of it")
def _():
    more = ("ret HDRS\nenvid one+2Btwo\nauth a@x.test\nlogin alice@%s\nrequiretls yes\n"
            "by %d NT\npriority 5\n" % (OURS, time.time() + 600))
    place.tree.set_forward("dora", ["x@away.test"])
    with queued_envelope(("dora@" + OURS, "NEVER rfc822;old@x.test"), more=more) as f:
        code(place.spool(MESSAGE, f, options=("-ve",)), 0)
    (where, (lines, message)), = place.queued().items()
    expect(where[0] == "away.test" and where[1].endswith("_p5"), where)
    for line in more.splitlines():
        expect(line in lines, line, lines)
    expect("to .- 0000000000 000 NEVER rfc822;old@x.test x@away.test" in lines, lines)
    expect(b"MT-Priority: 5\n" in message and message.endswith(MESSAGE), message)
    place.clear_queue()
    # A report of success is due: of what is delivered here the keeper queues it.
    with queued_envelope((ALICE, "SUCCESS rfc822;a@x.test"), more="envid e1\n") as f:
        code(place.spool(MESSAGE, f, options=("-ve",)), 0)
    (lines, _), = place.queued().values()
    expect("envid e1" in lines and
           "to S- 0000000000 000 SUCCESS rfc822;a@x.test " + ALICE in lines, lines)
    expect(len(place.take()) == 1, "delivered once")
    place.clear_queue()


@case("spool -e: BINARYMIME stays as it came, and what is no envelope is refused")
def _():
    binary = b"Subject: x\r\n\r\n\x00a\rb\n\r\r\nend"
    with queued_envelope((ALICE, "- -"), message=binary, body="BINARYMIME") as f:
        code(place.spool(binary, f, options=("-ve",)), 0)
    message, = place.take()
    expect(message.endswith(binary), message)
    with queued_envelope((ALICE, "- -"), more="by 1000000000 R\n") as f:
        code(place.spool(MESSAGE, f, options=("-ve",)), 31)
    with tempfile.TemporaryFile() as f:
        f.write(envelope("a@b", ALICE))
        f.flush()
        code(place.spool(MESSAGE, f, options=("-ve",)), 91)
    expect(place.take() == [] and place.queued() == {} and place.tree.leftovers() == [], "left")


@case("spool: exit codes of what is wrong with the envelope")
def _():
    for data, want in ((b"", 54), (b"Fa@b\0Tc@d\0", 54), (b"Fa@b\0T" + b"x" * 65 + b"@d\0\0", 11),
                       (b"Fa@b\0Tc@" + b"d" * 300 + b"\0\0", 11), (b"X\0\0", 91), (b"F\0\0", 91),
                       (b"F\0Ta b@c d\0\0", 31), (b"Fa@b\0F\0\0", 91),
                       (envelope("a@b", *["u%d@d" % i for i in range(1001)]), 31)):
        code(place.spool(MESSAGE, data), want, data[:40])
    expect(place.take() == [] and place.queued() == {} and place.tree.leftovers() == [], "left")


@case("spool: a refusal refuses it for all recipients")
def _():
    code(place.spool(MESSAGE, envelope("a@b", ALICE, "nobody@" + OURS, AWAY)), 31)
    expect(place.take() == [] and place.queued() == {} and place.tree.leftovers() == [], "left")


@case("spool: words on descriptor 6 (82), or on the one of ERROR_FD (88)")
def _():
    bad = envelope("a@b", "nobody@" + OURS)
    words = b"Dno such mailbox: nobody@%s (#5.1.1)" % OURS.encode()
    for error, named, want in ((6, False, 82), (9, True, 88), (6, True, 88)):
        got = code(place.spool(MESSAGE, bad, error=error, named=named), want)
        expect(got[2] == words, got[2])
    # Other codes say themselves what they are, and a success says nothing.
    got = code(place.spool(MESSAGE, b"X\0\0", error=6), 91)
    expect(got[2].startswith(b"Zenvelope format error"), got[2])
    expect(code(place.spool(MESSAGE, envelope("a@b", ALICE), error=6), 0)[2] == b"", "words")
    place.take()
    # A file on 6 belongs to somebody who knows nothing of this.
    path = os.path.join(place.dir, "six")
    with open(path, "wb") as f:
        code(place.sendmail_fd6(f.fileno(), bad), 31)
    expect(os.path.getsize(path) == 0, "wrote into a file on descriptor 6")


def sendmail_fd6(fd, data):
    m, e = os.pipe(), os.pipe()

    def put():
        os.dup2(m[0], 0)
        os.dup2(e[0], 1)
        os.dup2(fd, 6)

    p = subprocess.Popen([place.program("spool")], preexec_fn=put, pass_fds=(6,),
                         stderr=subprocess.PIPE, env=place.environment(), **who("owner"))
    for pipe, octets in ((m, MESSAGE), (e, data)):
        os.close(pipe[0])
        os.write(pipe[1], octets)
        os.close(pipe[1])
    _, err = p.communicate(timeout=DEADLINE)
    return p.returncode, err.decode()


place.sendmail_fd6 = sendmail_fd6


@case("spool: a full mailbox is temporary, one too small is not")
def _():
    place.tree.set_domain("quota.test", "quota", "1M")
    place.tree.add_user("q@quota.test")
    place.tree.fill("q@quota.test", 1 << 20)
    got = code(place.spool(MESSAGE, envelope("", "q@quota.test"), error=6), 82)
    expect(got[2].startswith(b"Zthe mailbox is full"), got[2])
    code(place.spool(MESSAGE, envelope("", "q@quota.test")), 71)
    code(place.spool(b"x" * (2 << 20), envelope("", "q@quota.test")), 31)


@case("spool: the size limit; a message that is larger than memory is to hold")
def _():
    place.tree.set_conf("", "size", "4M")
    big = b"Subject: big\n\n" + b"0123456789abcde\n" * (3 << 16)
    code(place.spool(big, envelope("", ALICE)), 0)
    expect(body(place.take()[0]) == body(big), "not as it was")
    got = code(place.spool(big * 2, envelope("", ALICE), error=6), 82)
    expect(b"(#5.3.4)" in got[2], got[2])
    expect(place.take() == [] and place.tree.leftovers() == [], "left")
    place.tree.set_conf("", "size", "25M")


@case("spool: a mail loop ends")
def _():
    loop = b"Received: x\n" * 101 + b"\nb\n"
    code(place.spool(loop, envelope("", ALICE)), 31)
    code(place.spool(loop[12:], envelope("", ALICE)), 0)
    place.take()


@case("spool: the envelope's end is its end, though its writer stays")
def _():
    m, e = os.pipe(), os.pipe()

    def put():
        os.dup2(m[0], 0)
        os.dup2(e[0], 1)

    p = subprocess.Popen([place.program("spool")], preexec_fn=put, env=place.environment(),
                         **who("owner"))
    os.close(m[0])
    os.close(e[0])
    os.write(m[1], MESSAGE)
    os.close(m[1])
    os.write(e[1], envelope("", ALICE))
    got = p.wait(DEADLINE)
    os.close(e[1])
    expect(got == 0 and len(place.take()) == 1, "exit", got)


@case("spool: a configuration that is wrong, or not there")
def _():
    code(place.spool(MESSAGE, envelope("", ALICE), options=("-v", "-c", "/nonexistent")), 55)
    code(place.spool(MESSAGE, envelope("", ALICE), options=("-v", "-x")), 2)


@case("spool: as root the message is the mail's owner's")
def _():
    if not ROOT:
        return
    code(place.spool(MESSAGE, envelope("", ALICE), user="root"), 0)
    path, = place.tree.messages("alice")
    expect(os.stat(path).st_uid == trees.KEEPER_UID, "owned by", os.stat(path).st_uid)
    expect(b"(from uid 0)" in place.take()[0], "uid")


# -- sendmail ----------------------------------------------------------------------------


@case("sendmail: operands, a header that is completed")
def _():
    got = place.sendmail("-i", "-f", BOB, "-F", "Bob B\u00e4r", "alice", AWAY,
                         text=b"Subject: s\nTo: alice\n\n.\nb\n")
    code(got, 0)
    m, = place.take()
    expect(header(m, "from") == ["=?UTF-8?Q?Bob_B=C3=A4r?= <%s>" % BOB], header(m, "from"))
    expect(header(m, "to") == [ALICE] and header(m, "return-path") == ["<%s>" % BOB], m)
    expect(len(header(m, "date")) == 1 and len(header(m, "message-id")) == 1, m)
    expect(body(m) == b".\nb\n", body(m))
    expect(len(place.queued()) == 1, "queue")
    place.clear_queue()


@case("sendmail: -t reads the recipients and takes Bcc out; a dot ends the message")
def _():
    code(place.sendmail("-t", "-oem", "-odb", text=b"To: a group: alice;\nCc: Carl <%s>\nBcc: bob\n"
                        b"From: x@y\n\nb\n.\nmore\n" % AWAY.encode()), 0)
    a, b = place.take()[0], place.take("bob")[0]
    expect(a == b and b"Bcc" not in a and body(a) == b"b\n", a)
    expect([d for d, _ in place.queued()] == ["away.test"], "queue")
    place.clear_queue()


@case("sendmail: -N, -R and -V travel with the message; -f <> and -B are taken")
def _():
    code(place.sendmail("-N", "success,delay", "-R", "hdrs", "-V", "a+2Bb", "-f", "<>", "-B",
                        "8BITMIME", "-v", "-O", "x=y", "-L", "tag", "-Am", AWAY, text=b"\nb\n"), 0)
    lines = list(place.queued().values())[0][0]
    expect("ret HDRS" in lines and "envid a+2Bb" in lines and "sender <>" in lines, lines)
    expect(any(" SUCCESS,DELAY " in x for x in lines), lines)
    place.clear_queue()


@case("sendmail: exit codes of sysexits.h, and a word for each")
def _():
    for args, text, want, word in (
            (["nobody"], b"\n", 67, "no such mailbox"), ([], b"", 64, "no recipient"),
            (["-t"], b"Subject: x\n\n", 65, "no recipient in To"), (["-Z"], b"", 64, "unknown"),
            (["-t"], b"To: John Smith\n\n", 65, "not a list"), (["-bd"], b"", 64, "no daemon"),
            (["a b"], b"", 69, "not an address"), (["q@quota.test"], b"\n", 75, "full"),
            (["-N", "x", "a"], b"", 64, "-N"), (["-C", "/nonexistent", "a"], b"", 78, "opened"),
            (["alice"], b"\n" + b"x" * (26 << 20), 69, "larger"),
            (["x" * 65], b"\n", 69, "not an address")):
        got = code(place.sendmail(*args, text=text), want, args)
        expect(word in got[2] and got[2].startswith("sendmail: "), got[2])
    expect(place.take() == [] and place.queued() == {}, "left")


@case("sendmail -bs speaks SMTP and may relay; -bp and mailq print the queue; newaliases")
def _():
    talk = "HELO x\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nQUIT\r\n" % (BOB, ALICE)
    got = place.sendmail("-bs", text=talk.encode())
    expect(got[0] == 0 and "\r\n250 2.1.5 ok\r\n221 " in got[1], got)
    code(place.sendmail("-f", BOB, AWAY, text=b"\nb\n"), 0)
    os.symlink("spool", place.program("mailq"))
    os.symlink("spool", place.program("newaliases"))
    for got in (place.sendmail("-bp"), place.sendmail(name="mailq")):
        expect(got[0] == 0 and BOB in got[1] and AWAY in got[1], got)
    code(place.sendmail(name="newaliases"), 0)
    place.clear_queue()


class Sink(threading.Thread):
    """A next hop that knows nobody called bad."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.data = b""
        self.start()

    def run(self):
        while True:
            conn, _ = self.listener.accept()
            with conn, conn.makefile("rwb") as f:
                self.talk(f)

    def talk(self, f):
        replies = {b"EHLO": b"250 sink", b"DATA": b"354 go", b"QUIT": b"221 bye"}
        f.write(b"220 sink\r\n")
        f.flush()
        for line in f:
            verb = line[:4].upper()
            reply = b"550 5.1.1 nobody" if b"<bad@" in line and verb == b"RCPT" else \
                replies.get(verb, b"250 ok")
            f.write(reply + b"\r\n")
            f.flush()
            while verb == b"DATA" and not self.data.endswith(b"\r\n.\r\n"):
                self.data += f.readline()
            if verb == b"DATA":
                f.write(b"250 ok\r\n")
                f.flush()


@case("sendmail: where flush has no socket it is started; a refusal comes back as a report")
def _():
    sink = Sink()
    flush = place.tree.conf.pop(("sockets", "flush"))
    place.tree.set_conf("", "relay", "[127.0.0.1]:%d" % sink.port)
    began = time.monotonic()
    code(place.sendmail("-f", ALICE, AWAY, "bad@away.test", text=MESSAGE), 0)
    # Both pipes were closed: nobody waits for flush.
    expect(time.monotonic() - began < 5, "sendmail waited for flush")
    until = time.monotonic() + DEADLINE
    while not place.tree.messages("alice"):
        expect(time.monotonic() < until, "no report", place.waiting())
        time.sleep(0.05)
    expect(b"Subject: one\r\n" in sink.data, sink.data)
    report, = place.take()
    expect(b"Status: 5.1.1" in report and b"Return-Path: <>" in report, report)
    # flush removes the envelope before the message: half of one is there for an instant.
    while place.waiting():
        expect(time.monotonic() < until, "left in the queue", place.waiting())
        time.sleep(0.05)
    del place.tree.conf["", "relay"]
    place.tree.conf["sockets", "flush"] = flush
    place.tree.write_conf()


# -- the socket ---------------------------------------------------------------------------


@case("a stranger without a socket is told what is missing")
def _():
    if not ROOT:
        return
    got = place.sendmail("alice", text=MESSAGE, user="stranger")
    expect(got[0] == 75 and "not the owner" in got[2], got)


@case("the socket: a stranger's mail is delivered and queued, and says whose it is")
def _():
    place.serve()
    code(place.sendmail("-f", "me@x.test", "alice", AWAY, text=MESSAGE, user="stranger"), 0)
    uid = STRANGER if ROOT else OWNER
    m, = place.take()
    expect(b"(from uid %d)" % uid in m, m)
    expect(len(place.queued()) == 1, place.queued())
    place.clear_queue()
    # Everybody here is the owner when we are not root, and goes no way by the socket.
    if ROOT:
        line = [x for x in open(place.log) if x.startswith("event=local")][-1]
        expect(" uid=%d " % STRANGER in line and " code=0" in line, line)
        got = place.sendmail("nobody", text=MESSAGE, user="stranger")
        expect(got[0] == 67 and "no such mailbox" in got[2], got)
        code(place.spool(MESSAGE, envelope("s@x.test", ALICE), user="stranger"), 0)
        got = place.spool(MESSAGE, envelope("", "nobody@" + OURS), user="stranger", error=6)
        expect(got[0] == 82 and got[2].startswith(b"Dno such mailbox"), got)
        place.take()
        got = place.spool(MESSAGE, envelope("", AWAY), user="stranger", options=("-r",))
        expect(got[0] != 0 and place.queued() == {}, "-r is not a stranger's")
        with queued_envelope((AWAY, "- -")) as f:
            got = place.spool(MESSAGE, f, user="stranger", options=("-e",))
        expect(got[0] == 61 and place.queued() == {}, "-e is not a stranger's", got)


def ask(packet, *fds):
    """What the service answers to one packet, b"" when it only closes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(DEADLINE)
        s.connect(place.socket)
        try:
            socket.send_fds(s, [packet], list(fds))
            return s.recv(4096)
        except (ConnectionResetError, BrokenPipeError):
            return b""


def memory(data):
    fd = os.memfd_create("x")
    os.write(fd, data)
    return fd


@case("the socket: what is no request is refused, and hurts nobody")
def _():
    message, good = memory(MESSAGE), memory(envelope("", ALICE))
    pipe = os.pipe()
    where = os.open("/", os.O_PATH)
    for packet, fds in ((b"m-\0\0\0", (message,)), (b"m-\0\0\0", ()), (b"m-\0\0\0", (pipe[0], good)),
                        (b"m-\0\0\0", (message, pipe[0])), (b"m-\0\0\0", (where, good)),
                        (b"m\0\0\0", (message, good)), (b"mNEVER\0X\0\0", (message, good)),
                        (b"m-\0\0\n\0", (message, good)), (b"m-\0\0", (message, good)),
                        (b"x", ()), (b"s", ()), (b"sx\0", (message, good)),
                        (b"m" + b"\0" * 20, ()), (b"m-\0\0unended", ())):
        got = ask(packet, *fds)
        expect(got == b"" or got.startswith(b"v31\0"), packet, got)
    expect(ask(b"m-\0\0\0", message, memory(b"Fx\0")).startswith(b"v54\0"), "cut off")
    expect(place.take() == [], "something was delivered")
    got = ask(b"m-\0\0\0", message, good)
    expect(got.startswith(b"v0\0") and len(place.take()) == 1, got)
    # Only for writing: not a message.
    path = os.path.join(place.dir, "writeonly")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    expect(ask(b"m-\0\0\0", fd, good).startswith(b"v54\0"), "write-only")
    for fd in (message, good, where, fd, *pipe):
        os.close(fd)


@case("the socket: one user has a few places, and others still have theirs")
def _():
    waiting = []
    for _ in range(10):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(place.socket)
        end = socket.socketpair()
        socket.send_fds(s, [b"s"], [end[1].fileno()] * 2)
        end[1].close()
        expect(end[0].recv(100).startswith(b"220 "), "no greeting")
        waiting.append((s, end[0]))
    if ROOT:
        code(place.sendmail("alice", text=MESSAGE, user="stranger"), 0)
    message, good = memory(MESSAGE), memory(envelope("", ALICE))
    expect(ask(b"m-\0\0\0", message, good).startswith(b"v71\0"), "an eleventh")
    for s, end in waiting:
        end.close()
        s.settimeout(DEADLINE)
        s.recv(100)
        s.close()
    until = time.monotonic() + DEADLINE
    while not ask(b"m-\0\0\0", message, good).startswith(b"v0\0"):
        expect(time.monotonic() < until, "places are not given back")
        time.sleep(0.05)
    place.take()


@case("the socket: sendmail -bs of a stranger, with the right to relay")
def _():
    talk = "EHLO x\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nQUIT\r\n" % (BOB, ALICE)
    got = place.sendmail("-bs", text=talk.encode(), user="stranger")
    expect(got[0] == 0 and "250 2.1.5 ok" in got[1] and "221 " in got[1], got)


@case("the socket: an idle service ends by SIGTERM, and a changed configuration holds")
def _():
    place.tree.set_conf("", "local-domain", "other.test")
    place.tree.set_domain("other.test")
    place.tree.add_user("zoe@other.test")
    os.kill(place.service.pid, 1)
    message, order = memory(MESSAGE), memory(envelope("", "zoe"))
    until = time.monotonic() + DEADLINE
    while not ask(b"m-\0\0\0", message, order).startswith(b"v0\0"):
        expect(time.monotonic() < until, "SIGHUP changed nothing")
        time.sleep(0.05)
    place.tree.set_conf("", "local-domain", OURS)
    service = place.service
    place.stop()
    expect(service.returncode == 0, "exit", service.returncode)


try:
    run_cases()
finally:
    place.remove()
