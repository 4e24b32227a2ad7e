#!/usr/bin/env python3
# suite: timeout=120
"""The sender against next hops of this file's own: each behaves in one way, most badly."""
import os
import socket
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sender_talk import Hop, Sender, drop, dribble, endless, hang, long_line

BUILD = os.environ.get("BUILD") or "build"
PROGRAM = os.path.join(BUILD, "test", "sender")
MAIL = b"Subject: x\n\n.dot\nlast"
WIRE = b"Subject: x\r\n\r\n.dot\r\nlast\r\n"
ALL = ("PIPELINING", "8BITMIME", "SIZE 100000", "ENHANCEDSTATUSCODES", "CHUNKING",
       "BINARYMIME", "SMTPUTF8", "DSN")
with open(PROGRAM, "rb") if os.path.exists(PROGRAM) else open(os.devnull, "rb") as program:
    HAS_SANITIZER = b"__asan_init" in program.read()    # a program of another size
cases = []


def case(f):
    cases.append(f)
    return f


def args():
    """As root: what an installation with privilege gives a sender."""
    return ("/var/empty" if os.path.isdir("/var/empty") else "/proc", "65534", "65534") \
        if os.geteuid() == 0 else ()


class Run:
    """A sender connected to a hop; `first` is the answer to SEND_CONNECT."""

    def __init__(self, hop, **how):
        self.hop = hop
        self.sender = Sender(PROGRAM, *args())
        self.first = self.sender.connect(hop.port, **how)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        code = self.sender.end()
        self.hop.close()
        assert exc[0] or code == 0, "exit code %d" % code


def send(hop, to=("bob@there.test",), data=MAIL, seconds=(5, 5, 5), protocol="smtp", **how):
    with Run(hop, seconds=seconds, protocol=protocol) as r:
        assert r.first[0] == "+", r.first
        return r.sender.message(data, list(to), **how)


def is_outcome(o, cls, enhanced, text, source="remote"):
    assert o is not None, "no outcome"
    got = (o.cls, o.enhanced, o.source)
    assert got == (cls, enhanced, source) and text in o.text, (got, o.text)


@case
def plain():
    hop = Hop(())
    outcomes, more = send(hop)
    is_outcome(outcomes[0], "2", "2.0.0", "250 2.0.0 taken")
    assert more == "yes" and outcomes[0].relayed == "yes"
    assert hop.messages[0][2] == WIRE, hop.messages
    assert hop.commands == ["EHLO mx.here.test", "MAIL FROM:<alice@here.test>",
                            "RCPT TO:<bob@there.test>", "DATA", "QUIT"], hop.commands


@case
def pipelined():
    hop = Hop()
    with Run(hop) as r:
        r.sender.message(MAIL, ["b@t.test", "c@t.test"])
        assert r.first[1] == ["PIPELINING SIZE 8BITMIME ENHANCEDSTATUSCODES", "hop.test", ""]
    assert hop.flights[1].count(b"\r\n") == 4, hop.flights
    assert hop.flights[2] == WIRE.replace(b"\n.d", b"\n..d") + b".\r\n", hop.flights


@case
def one_flight():
    hop = Hop(ALL)
    send(hop)
    assert hop.flights[1].endswith(b"BDAT %d LAST\r\n%s" % (len(WIRE), WIRE)), hop.flights
    assert hop.messages[0][2] == WIRE


@case
def resumable_is_of_those_taken():
    """A TRANSID stands for recipients that were all taken: the others have theirs later."""
    def rcpt(hop, conn, line):
        return "450 4.2.1 later" if b"<a@" in line else None

    def mails(hop):
        return [c.split("TRANSID=")[-1] for c in hop.commands if c.startswith("MAIL")]

    to = ["a@t.test", "b@t.test", "c@t.test"]
    for more in ((), ("CHUNKING",)):
        hop = Hop(("PIPELINING", "CHECKPOINT") + more, {"RCPT": rcpt})
        outcomes, _ = send(hop, to, flags="R")
        is_outcome(outcomes[0], "4", "4.2.1", "later")
        is_outcome(outcomes[1], "2", "2.0.0", "taken")
        verbs = [c.split()[0] for c in hop.commands]
        assert verbs[1:9] == ["MAIL", "RCPT", "RCPT", "RCPT", "RSET", "MAIL", "RCPT", "RCPT"] \
            and verbs[9] in ("DATA", "BDAT"), verbs
        first, second = mails(hop)
        assert first != second and len(hop.messages) == 1
        hop = Hop(("PIPELINING", "CHECKPOINT") + more)
        send(hop, to[1:], flags="R")
        assert mails(hop) == [second], (mails(hop), second)


@case
def resumable_and_too_many():
    """452: three at once are one too many for this hop, whatever its words are good for."""
    def rcpt(hop, conn, line):
        return "452 4.5.3 too many" if len(hop.to) == 2 else None

    hop = Hop(("PIPELINING", "CHECKPOINT", "CHUNKING"), {"RCPT": rcpt})
    outcomes, _ = send(hop, ["%s@t.test" % c for c in "abcde"], flags="R")
    assert [o.cls for o in outcomes] == ["2"] * 5, [o.text for o in outcomes]
    assert [len(to) for _, to, _ in hop.messages] == [2, 2, 1], hop.messages


@case
def parameters():
    hop = Hop(ALL)
    outcomes, _ = send(hop, [("b\xf6b@there.test", "SUCCESS,DELAY", "utf-8;b\xf6 b@there.test"),
                             ("q q@there.test", "NEVER", "rfc822;a+b=c@x"),
                             ("plain@there.test", "-", "")],
                       sender=("", ""), flags="U", ret="HDRS", envid="a+b c",
                       data=b"\nh\xc3\xb6\n", auth="x@y")
    assert outcomes[0].relayed == ""
    assert hop.commands[1:5] == [
        "MAIL FROM:<> SIZE=7 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb+20c",
        "RCPT TO:<b\xf6b@there.test> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;b\\x{F6}+20b@there.test",
        "RCPT TO:<\"q q\"@there.test> NOTIFY=NEVER ORCPT=rfc822;a+2Bb+3Dc@x",
        "RCPT TO:<plain@there.test>"], hop.commands


@case
def helo():
    hop = Hop((), {"EHLO": "502 5.5.1 no"})
    outcomes, _ = send(hop)
    assert outcomes[0].cls == "2" and hop.commands[1] == "HELO mx.here.test"


@case
def several_messages():
    hop = Hop(say={"RCPT": lambda h, c, line: "550 5.1.1 no" if b"<no" in line else None})
    with Run(hop) as r:
        for i in range(5):
            outcomes, more = r.sender.message(MAIL, ["no@t.test"] if i == 2 else ["b@t.test"])
            assert more == "yes"
            assert outcomes[0].cls == ("5" if i == 2 else "2"), outcomes[0].text
    assert len(hop.messages) == 4 and hop.commands.count("RSET") == 1
    assert hop.connections == 1


@case
def mixed_recipients():
    def rcpt(hop, conn, line):
        return {b"a": "250 2.1.5 ok", b"b": "550 5.1.1 <b> is\x07 unknown",
                b"c": "451 4.7.1 later", b"d": "250 2.1.5 ok"}[line[9:10]]

    for extensions in ((), ("PIPELINING",), ALL):
        hop = Hop(extensions, {"RCPT": rcpt})
        outcomes, _ = send(hop, ["%s@t.test" % c for c in "abcd"])
        is_outcome(outcomes[0], "2", "2.0.0", "taken")
        is_outcome(outcomes[1], "5", "5.1.1", "550 5.1.1 <b> is? unknown")
        is_outcome(outcomes[2], "4", "4.7.1", "451")
        is_outcome(outcomes[3], "2", "2.0.0", "taken")
        assert len(hop.messages[0][1]) == 2


@case
def all_refused_but_354():
    hop = Hop(("PIPELINING",), {"RCPT": "550 no", "DATA": "354 go"})
    with Run(hop) as r:
        outcomes, more = r.sender.message(MAIL, ["b@t.test"])
        is_outcome(outcomes[0], "5", "5.0.0", "550 no")
        assert more == "yes" and hop.flights[-1] == b".\r\n"
        hop.said = {}
        outcomes, _ = r.sender.message(MAIL, ["b@t.test"])
        assert outcomes[0].cls == "2"


@case
def data_refused():
    for say, cls, enhanced in (("451 4.3.2 later", "4", "4.3.2"), ("554 no", "5", "5.0.0")):
        for extensions in ((), ("PIPELINING",)):
            hop = Hop(extensions, {"DATA": say})
            with Run(hop) as r:
                outcomes, more = r.sender.message(MAIL, ["b@t.test", "c@t.test"])
                is_outcome(outcomes[1], cls, enhanced, say)
                hop.said = {}
                assert more == "yes" and r.sender.message(MAIL, ["b@t.test"])[0][0].cls == "2"


@case
def bad_at_each_step():
    """4xx, 5xx, 421 and closing, at every point, with and without what is offered."""
    steps = ("MAIL", "RCPT", "DATA", "end", "chunk")
    big = b"Subject: x\n\n" + b"0123456789\n" * 20000
    for extensions in ((), ("PIPELINING",), ALL[:2] + ALL[4:]):
        for step in steps:
            if (step == "chunk" and extensions != ALL[:2] + ALL[4:]) or \
               (step == "DATA" and "CHUNKING" in extensions):
                continue
            for say, cls in (("450 4.1.2 x", "4"), ("550 5.1.2 x", "5"), ("421 4.3.2 x", "4"),
                             (drop, "4")):
                name = "%s %s %s" % (extensions, step, say)
                hop = Hop(extensions, {step: say})
                outcomes, more = send(hop, ["b@t.test", "c@t.test"],
                                      data=big if step == "chunk" else MAIL)
                for o in outcomes:
                    assert o and o.cls == cls, (name, o and o.text)
                    assert o.enhanced == (say[4:9] if say != drop else "4.4.2"), (name, o.enhanced)
                    assert o.source == ("local" if say == drop else "remote"), name
                assert more == ("" if say == drop or say[:3] == "421" else "yes"), name
                assert hop.messages == [], name


@case
def no_hop():
    for step, say, cls, enhanced in (
            ("greet", "554 5.3.2 no mail here", "5", "5.3.2"),
            ("greet", "421 busy", "4", "4.0.0"), ("greet", drop, "4", "4.4.2"),
            ("greet", "25", "4", "4.5.0"), ("greet", b"\r\n", "4", "4.5.0"),
            ("greet", b"\0\xff\xfe\r\n", "4", "4.5.0"), ("greet", "250 hm", "4", "4.5.0"),
            ("greet", endless, "4", "4.5.0"), ("greet", long_line, "4", "4.5.0"),
            ("EHLO", endless, "4", "4.5.0"), ("EHLO", "450 4.7.0 not now", "4", "4.7.0"),
            ("EHLO", "250-a\r\n550 b", "4", "4.5.0"), ("EHLO", drop, "4", "4.4.2")):
        with Run(Hop(say={step: say})) as r:
            assert r.first[0] == "-" and r.first[1][:2] == [cls, enhanced], (step, say, r.first)


@case
def nothing_listens():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    sender = Sender(PROGRAM, *args())
    answer = sender.connect(s.getsockname()[1])
    assert answer[0] == "-" and answer[1][:2] == ["4", "4.4.1"], answer
    assert "refused" in answer[1][2], answer
    assert sender.end() == 0


@case
def connect_in_time():
    """A backlog that is full: the kernel answers nothing."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(0)
    held = []
    for _ in range(4):
        c = socket.socket()
        c.setblocking(False)
        c.connect_ex(s.getsockname())
        held.append(c)
    sender = Sender(PROGRAM, *args())
    start = time.monotonic()
    answer = sender.connect(s.getsockname()[1], seconds=(1, 5, 5))
    assert answer[1][:2] == ["4", "4.4.1"] and 0.9 < time.monotonic() - start < 4, answer
    sender.end()


@case
def short_and_odd_replies():
    """Replies of one to four octets; only three digits are a reply."""
    for text, cls in ((b"2\n", "4"), (b"25\r\n", "4"), (b"250\n", "2"), (b"250\r\n", "2"),
                      (b"\n", "4"), (b"550\n", "5"), (b"999 x\r\n", "4"), (b"250x\r\n", "4"),
                      (b"199 x\r\n", "4"), (b"250-a\r\n251 b\r\n", "2"),
                      (b"250-a\r\n450 b\r\n", "4"), (b"250-a\r\n\0\r\n", "4"),
                      (b"550 5.7.1 \0\x01\x80\xc3\xa9 \r\r\n", "5"),
                      (b"550 4.7.1 x\r\n", "5"), (b"550 5.7.1234 x\r\n", "5")):
        outcomes, more = send(Hop(say={"end": text}))
        assert outcomes[0].cls == cls, (text, outcomes[0].text)
        if b"\x80" in text:
            assert outcomes[0].text == "550 5.7.1 ???\xe9 ?", outcomes[0].text
            assert outcomes[0].enhanced == "5.7.1"
        elif cls == "5":
            assert outcomes[0].enhanced == "5.0.0"
        assert (more == "yes") == (outcomes[0].source == "remote"), (text, more)


@case
def long_reply():
    lines = b"".join(b"550-5.1.1 line %d\r\n" % i for i in range(100)) + b"550 5.1.1 end\r\n"
    outcomes, _ = send(Hop(say={"end": lines}))
    is_outcome(outcomes[0], "5", "5.1.1", "550 5.1.1 line 0 5.1.1 line 1")
    assert len(outcomes[0].text.encode()) <= 512
    outcomes, _ = send(Hop(say={"end": b"550 " + b"y" * 4000 + b"\r\n"}))
    is_outcome(outcomes[0], "5", "5.0.0", "yyy")
    assert len(outcomes[0].text) <= 512


def check_slow(step):
    """Hangs and dribbles are cut by a deadline for the whole reply."""
    for how in (hang, dribble):
        hop = Hop((), {step: how})
        start = time.monotonic()
        with Run(hop, seconds=(5, 2, 2)) as r:
            if step == "greet":
                assert r.first[1][:2] == ["4", "4.4.2"], r.first
            else:
                outcomes, more = r.sender.message(MAIL, ["b@t.test"])
                is_outcome(outcomes[0], "4", "4.4.2", "no answer in time", "local")
                assert more == ""
            assert 1.9 < time.monotonic() - start < 5, (step, how)


@case
def slow_greeting():
    check_slow("greet")


@case
def slow_in_the_envelope():
    check_slow("MAIL")


@case
def slow_at_the_end():
    check_slow("end")


@case
def final_deadline_is_its_own():
    def late(hop, conn, line):
        time.sleep(2.5)
        return "250 2.0.0 late"

    outcomes, _ = send(Hop(say={"end": late}), seconds=(5, 2, 10))
    is_outcome(outcomes[0], "2", "2.0.0", "late")


@case
def peer_that_does_not_read():
    def stop(hop, conn, line):
        conn.sendall(b"354 go\r\n")
        time.sleep(6)
        raise SystemExit

    hop = Hop((), {"DATA": stop})
    start = time.monotonic()
    outcomes, _ = send(hop, data=b"\n" + b"x" * (16 << 20), seconds=(5, 2, 5))
    is_outcome(outcomes[0], "4", "4.4.2", "no answer in time at the message", "local")
    assert time.monotonic() - start < 5


@case
def refused_in_the_middle():
    def refuse(hop, conn, line):
        conn.sendall(b"354 go\r\n")
        conn.recv(65536)
        conn.sendall(b"552 5.3.4 enough\r\n")
        conn.settimeout(5)
        hop.rest = b""
        while data := conn.recv(65536):
            hop.rest = (hop.rest + data)[-16:]
        raise SystemExit

    hop = Hop((), {"DATA": refuse})
    outcomes, more = send(hop, data=b"\n" + b"x\n" * (8 << 20))
    is_outcome(outcomes[0], "5", "5.3.4", "552 5.3.4 enough")
    assert more == "" and not hop.rest.endswith(b".\r\n")


@case
def out_of_step():
    hop = Hop((), {"end": b"250 ok\r\n250 for the next one\r\n"})
    with Run(hop) as r:
        assert r.sender.message(MAIL, ["b@t.test"])[0][0].cls == "2"
        outcomes, more = r.sender.message(MAIL, ["b@t.test"])
        is_outcome(outcomes[0], "4", "4.5.0", "no reply", "local")
        assert more == "" and len(hop.messages) == 1, more


@case
def farewell_between_messages():
    hop = Hop((), {"end": b"250 ok\r\n421 4.4.2 too long\r\n"})
    with Run(hop) as r:
        r.sender.message(MAIL, ["b@t.test"])
        is_outcome(r.sender.message(MAIL, ["b@t.test"])[0][0], "4", "4.4.2", "421")


@case
def many_recipients():
    to = ["r%d@t.test" % i for i in range(1000)]
    hop = Hop()
    outcomes, more = send(hop, to)
    assert all(o and o.cls == "2" for o in outcomes) and more == "yes"
    assert [len(m[1]) for m in hop.messages] == [100] * 10
    hop = Hop(("PIPELINING", "LIMITS RCPTMAX=400 MAILMAX=2"))
    outcomes, more = send(hop, to)
    assert [len(m[1]) for m in hop.messages] == [400] * 2 and more == "rest"
    assert [o and o.cls for o in outcomes] == ["2"] * 800 + [None] * 200
    assert hop.commands[-1] == "QUIT"


@case
def too_many_for_one_transaction():
    for extensions in ((), ("PIPELINING",)):
        hop = Hop(extensions, {"RCPT": lambda h, c, line: "452 4.5.3 too many"
                               if len(h.to) == 3 else None})
        outcomes, _ = send(hop, ["r%d@t.test" % i for i in range(8)])
        assert [len(m[1]) for m in hop.messages] == [3, 3, 2], hop.messages
        assert all(o.cls == "2" for o in outcomes)
    outcomes, _ = send(Hop(say={"RCPT": "452 4.5.3 too many"}))
    is_outcome(outcomes[0], "4", "4.5.3", "too many")


@case
def lmtp():
    with tempfile.TemporaryDirectory() as d:
        for extensions in (("PIPELINING",), ALL, ()):
            answers = iter(["250 2.1.5 <a>", "452 4.2.2 full", "550 5.2.1 off"])
            path = os.path.join(d, "s%d" % len(extensions))
            hop = Hop(extensions, path=path, lmtp=True,
                      say={"RCPT": lambda h, c, line: "550 5.1.1 no" if b"<no@" in line else None,
                           "end": lambda h, c, line: next(answers)})
            conn = socket.socket(socket.AF_UNIX)
            conn.connect(path)
            sender = Sender(PROGRAM, *args())
            assert sender.connect("", path, "lmtp", fd=conn.fileno())[0] == "+"
            conn.close()
            o, _ = sender.message(MAIL, ["a@t.test", "no@t.test", "b@t.test", "c@t.test"])
            assert [x.enhanced for x in o] == ["2.1.5", "5.1.1", "4.2.2", "5.2.1"], \
                [x.text for x in o]
            assert hop.commands[0] == "LHLO mx.here.test"
            assert sender.end() == 0
            hop.close()


@case
def content_is_exact():
    """Dots, line ends and sizes at every boundary of the buffers, DATA and BDAT."""
    samples = [b"", b"\n", b".", b".\n", b"a\r\nb\r\n", b"a\rb\n", b"a\n\r\n.\n..\n", b"a\r",
               b"\r", b"a\r\r\n.\r.\n", b"\n.\n.\n"]
    for around in range(65536 - 4, 65536 + 4):
        samples.append(b"x" * (around - 3) + b"\n.\n.y\r\n.")
        samples.append(b"0123456\n" * 8000 + b"x" * (around - 64000 - 2) + b"\r\n..z")
    for extensions in (("PIPELINING", "SIZE"), ALL[:2] + ("SIZE",) + ALL[4:]):
        hop = Hop(extensions)
        with Run(hop) as r:
            for data in samples:
                outcomes, _ = r.sender.message(b"skipped\n" + data, ["b@t.test"], skip=8)
                assert outcomes[0].cls == "2", (data[:20], outcomes[0].text)
                want = data.replace(b"\r\n", b"\n").replace(b"\r", b" ").replace(b"\n", b"\r\n")
                want += b"" if not want or want.endswith(b"\r\n") else b"\r\n"
                got = hop.messages[-1]
                assert got[2] == want, (data[-20:], got[2][-20:], len(got[2]), len(want))
                assert b" SIZE=%d" % len(want) in got[0] + b" ", got[0]


@case
def binary():
    data = b"Received: by us\nMIME-Version: 1.0\r\nContent-Type: application/x\r\n" \
           b"Content-Transfer-Encoding: binary\r\n\r\n" + bytes(range(256)) * 600 + b"\r.\n."
    hop = Hop(ALL[:2] + ALL[4:])
    outcomes, _ = send(hop, data=data, body="BINARYMIME")
    assert outcomes[0].cls == "2", outcomes[0].text
    assert "BODY=BINARYMIME" in hop.commands[1]
    assert hop.messages[0][2] == data.replace(b"by us\n", b"by us\r\n")


@case
def refused_here():
    """What can be told without the next hop."""
    for extensions, cls, enhanced, how in (
            (("SIZE 20",), "5", "5.3.4", {}),
            (("8BITMIME",), "5", "5.6.7", {"flags": "U"}),
            (ALL, "5", "5.7.30", {"flags": "T"}),
            (("REQUIRETLS",), "5", "5.7.30", {"flags": "T"}),
            ((), "5", "5.6.3", {"data": b"Subject: \xff\n\n"})):
        hop = Hop(extensions)
        outcomes, more = send(hop, **dict({"data": MAIL}, **how))
        is_outcome(outcomes[0], cls, enhanced, "", "local")
        assert more == "yes" and [c[:4] for c in hop.commands] == ["EHLO", "QUIT"]


@case
def cut_file():
    hop = Hop(())
    outcomes, _ = send(hop, data=b"\nx\n", size=100)
    is_outcome(outcomes[0], "4", "4.3.0", "read", "local")
    assert hop.messages == []


@case
def large_with_little_memory():
    with tempfile.TemporaryFile() as f:
        block = b"." + b"x" * 69 + b"\n"
        for _ in range(64):
            f.write(block * 15000)
        f.flush()
        count = 64 * 15000

        class Counting(Hop):
            def data(self):
                self.reply("DATA", "354 go")
                tail, n = b"", 0
                while not tail.endswith(b"\r\n.\r\n"):
                    piece = self.conn.recv(1 << 20)
                    n += len(piece)
                    tail = (tail + piece)[-8:]
                self.total = n
                self.reply("end", "250 ok")

        hop = Counting(("SIZE",))
        with Run(hop, seconds=(5, 60, 60)) as r:
            outcomes, _ = r.sender.message(f, ["b@t.test"])
            status = open("/proc/%d/status" % r.sender.process.pid).read()
            peak = int(status.split("VmHWM:")[1].split()[0])
        assert outcomes[0].cls == "2", outcomes[0].text
        assert hop.total == count * 73 + 3, hop.total
        if not HAS_SANITIZER:
            assert peak < 4096, "%d KiB" % peak


@case
def starttls():
    """The connection goes to the runner; the plain end that comes back says EHLO anew."""
    hop = Hop(("STARTTLS", "DSN"), {"STARTTLS": "220 2.0.0 go"})
    sender = Sender(PROGRAM, *args())
    letter, _, fd = sender.connect(hop.port, tls="o")
    assert letter == "t" and fd is not None
    behind = Hop(("AUTH PLAIN", "REQUIRETLS"))
    behind.conn = None
    ours, theirs = socket.socketpair()
    os.close(fd)

    def serve():
        behind.buffer, behind.conn = b"", ours
        behind.said = {"greet": b""}
        behind.serve(ours)

    threading.Thread(target=serve, daemon=True).start()
    sender.send("T", "yes", fd=theirs.fileno())
    theirs.close()
    letter, fields, _ = sender.receive()
    assert letter == "+" and fields == ["AUTH REQUIRETLS", "hop.test", "yes"], fields
    outcomes, _ = sender.message(MAIL, ["b@t.test"], flags="T")
    assert outcomes[0].cls == "2" and "REQUIRETLS" in behind.commands[1], behind.commands
    assert sender.end() == 0


@case
def starttls_that_fails():
    for policy, extensions, say, first in (
            ("m", (), "", "4.7.4"), ("o", (), "", "+"), ("n", ("STARTTLS",), "220 go", "+"),
            ("m", ("STARTTLS",), "454 4.7.0 no", "4.7.0"), ("o", ("STARTTLS",), "454 no", "+"),
            ("o", ("STARTTLS",), b"220 go\r\n250 injected\r\n", "4.7.5"),
            ("o", ("STARTTLS",), drop, "4.4.2"), ("o", ("STARTTLS",), "421 bye", "4.0.0"),
            ("o", ("STARTTLS",), "220 go", "4.7.5")):
        with Run(Hop(extensions, {"STARTTLS": say}), tls=policy) as r:
            letter, fields, fd = r.first
            if letter == "t":
                os.close(fd)
                r.sender.send("T", "")
                letter, fields, _ = r.sender.receive()
            assert (letter if letter == "+" else fields[1]) == first, (policy, say, fields)


@case
def tls_first():
    hop = Hop(())
    sender = Sender(PROGRAM, *args())
    letter, _, fd = sender.connect(hop.port, tls="i")
    assert letter == "t"
    sender.send("T", "yes", fd=fd)    # as good as TLS for this
    os.close(fd)
    assert sender.receive()[:2] == ("+", ["", "hop.test", "yes"])
    assert sender.end() == 0


@case
def runner_goes_away():
    """Before the final dot: the message is not finished, since nobody would note it."""
    stop = threading.Event()

    def wait(hop, conn, line):
        stop.wait(5)
        return "354 go"

    for extensions in (("PIPELINING",), ()):
        stop.clear()
        hop = Hop(extensions, {"DATA": wait})
        r = Run(hop)
        r.sender.sock.settimeout(0.5)
        try:
            r.sender.message(MAIL, ["b@t.test"])
        except TimeoutError:
            pass
        r.sender.sock.close()
        stop.set()
        assert r.sender.process.wait(10) == 0
        hop.close()
        hop.thread.join(1)
        assert hop.messages == []


@case
def malformed_runner():
    good = ["127.0.0.1", "25", "smtp", "a", "n", "1", "1", "1"]
    for fields in (good[:7], good + ["x"], good[:3] + ["a\r\nRSET"] + good[4:],
                   good[:4] + ["x"] + good[5:], good[:7] + ["0"], good[:2] + ["x"] + good[3:]):
        s = Sender(PROGRAM, *args())
        s.send("C", *fields)
        assert s.process.wait(10) == 1, fields
    to = [("G",), ("R", "b", "t.test", "SOME", ""), ("R", "b\n", "t.test", "-", ""),
          ("R", "b", "", "-", ""), ("R", "b", "t.test", "-"), ("Q", "x")]
    for packet in to:
        with tempfile.TemporaryFile() as f:
            hop = Hop(())
            s = Sender(PROGRAM, *args())
            s.connect(hop.port)
            s.send("M", "i", "a", "h.test", 0, 0, "7BIT", "", "", "", "", 1, fd=f.fileno())
            s.send(*packet)
            assert s.process.wait(10) == 1, packet
            hop.close()


@case
def confined():
    hop = Hop(())
    with Run(hop) as r:
        status = dict(l.split(":\t", 1) for l in
                      open("/proc/%d/status" % r.sender.process.pid).read().splitlines()
                      if ":\t" in l)
        assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"
        if os.geteuid() == 0:
            assert status["Uid"].split() == ["65534"] * 4 and status["Groups"].strip() == ""
            assert int(status["CapEff"], 16) == 0
            fds = os.listdir("/proc/%d/fd" % r.sender.process.pid)
            assert len(fds) == 5, fds


def run(f):
    name = "sender: " + f.__name__.replace("_", " ")
    try:
        f()
        return "ok " + name
    except Exception as e:  # a case that fails must not hide the others
        where = traceback.extract_tb(e.__traceback__)[-1]
        return "not ok %s: %s:%d %s %r" % (name, os.path.basename(where.filename),
                                           where.lineno, where.line, e)


def main():
    if not os.access(PROGRAM, os.X_OK):
        print("skip sender: %s is not built" % PROGRAM)
        return
    chosen = [f for f in cases if len(sys.argv) == 1 or f.__name__ in sys.argv[1:]]
    left = iter(chosen)
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                f = next(left, None)
            if f is None:
                return
            line = run(f)
            with lock:
                print(line, flush=True)

    workers = [threading.Thread(target=work) for _ in range(4)]    # they mostly wait
    for w in workers:
        w.start()
    for w in workers:
        w.join()


main()
