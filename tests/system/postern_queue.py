#!/usr/bin/env python3
# suite: timeout=180
"""postern queue, flush and trace: what waits is listed as it is, chosen by every word,
held, released, made due and removed; the first line of a long list comes at once."""
import json
import os
import re
import socket
import subprocess
import time

from spool_talk import DEADLINE, OURS, Place, case, expect, run_cases, who

LONG = "POSTERN_LONG" in os.environ
place = Place()
ALICE = "alice@" + OURS
BOB = "bob@" + OURS


def send(sender, *to, text=b"Subject: q\n\nb\n"):
    data = b"F" + sender.encode() + b"\0" + b"".join(b"T" + t.encode() + b"\0" for t in to) + b"\0"
    got = place.spool(text, data)
    expect(got[0] == 0, got)
    return re.search(r" id=([0-9a-f.]+)", got[1]).group(1)


def postern(*args, want=0):
    code, out, err = place.postern(*args)
    expect(code == want, args, "exit", code, out, err)
    return out if want == 0 else err


def ids(*args):
    return sorted({m["id"] for m in json.loads(postern("queue", "list", "--json", *args))})


first = send(ALICE, "x@one.test", "y@one.test")
second = send("", "x@two.test")
third = send(BOB, "z@two.test", "x@[192.0.2.1]")
everything = sorted([first, second, third])


@case("queue list: a line for each, and as JSON")
def _():
    lines = postern("queue", "list").splitlines()
    expect(len(lines) == 4, lines)
    line, = [x for x in lines if x.startswith(first)]
    expect(re.fullmatch(r"%s +\ds +\d+ - %s -> x@one\.test y@one\.test \(one\.test\)" %
                        (re.escape(first), ALICE), line), line)
    got = json.loads(postern("queue", "list", "--json", first))
    expect(len(got) == 1 and got[0]["sender"] == ALICE and got[0]["domain"] == "one.test", got)
    expect([r["address"] for r in got[0]["recipients"]] == ["x@one.test", "y@one.test"], got)
    expect(got[0]["recipients"][0]["state"] == "waiting" and not got[0]["hold"], got)
    expect(json.loads(postern("queue", "list", "--json", "nosuch")) == [], "nosuch")


@case("queue list: chosen by id, domain, sender, recipient")
def _():
    for args, want in (((), everything), ((first,), [first]), ((first, third), [first, third]),
                       (("--domain", "two.test"), [second, third]),
                       (("--domain", "TWO.Test"), [second, third]),
                       (("--domain", "[192.0.2.1]"), [third]), (("--domain", "no.test"), []),
                       (("--sender", ALICE), [first]), (("--sender", "<>"), [second]),
                       (("--sender", "@" + OURS), [first, third]),
                       (("--recipient", "Y@one.test"), [first]),
                       (("--recipient", "@two.test", "--sender", BOB), [third]),
                       (("--recipient", "nobody@one.test"), [])):
        expect(ids(*args) == sorted(want), args, ids(*args))
    postern("queue", "list", "../x", want=2)
    postern("queue", "list", "--domain", "a b", want=2)


@case("queue show: recipients, header, what failed; summary: counts by domain")
def _():
    retry = os.path.join(place.tree.state, "spool", "one.test", "retry")
    with open(retry, "w") as f:
        f.write("postern-retry 1\nhost 192.0.2.9/25 1795346553 3 4.4.1 refused\x1b[m\n")
    out = postern("queue", "show", first)
    for word in ("id         " + first, "x@one.test: waiting, 0 attempts", "Subject: q",
                 "host 192.0.2.9/25", "refused\\x1B[m"):
        expect(word in out, word, out)
    postern("queue", "show", "nosuch", want=1)
    rows = {r["domain"]: r for r in json.loads(postern("queue", "summary", "--json"))}
    expect(rows["two.test"]["messages"] == 2 and len(rows) == 3, rows)
    last = postern("queue", "summary").splitlines()[-1].split()
    expect(last[0] == "4" and last[-1] == "all", last)


@case("queue hold, release and retry change what they say")
def _():
    def held():
        return [m["id"] for m in json.loads(postern("queue", "list", "--json")) if m["hold"]]

    expect("1 message held" in postern("queue", "hold", first), "hold")
    expect(held() == [first] and " hold " in postern("queue", "list", first), held())
    expect("nothing" in postern("queue", "hold", first, want=1), "twice")
    at = os.path.join(place.tree.state, "spool", "one.test")
    envelope = os.path.join(at, first + ".e")
    with open(envelope) as f:
        text = f.read()
    with open(envelope, "w") as f:
        f.write(text.replace("to .- 0000000000 000", "to .- 4000000000 003"))
    expect("1 message released" in postern("queue", "release", first) and held() == [], held())
    got, = json.loads(postern("queue", "list", "--json", first))
    expect([(r["next"], r["attempts"], r["state"]) for r in got["recipients"]] ==
           [(0, 3, "deferred")] * 2, got)
    expect(not os.path.exists(os.path.join(at, "retry")), "retry is there")
    expect("4 messages held" in postern("queue", "hold", "--all"), "all")
    expect("2 messages released" in postern("queue", "release", "--domain", "two.test"), "two")
    for verb in ("hold", "release", "retry", "remove"):
        postern("queue", verb, want=2)
        postern("queue", verb, "--all", first, want=2)
    postern("queue", "release", "--all")


@case("queue retry and flush tell flush by its socket")
def _():
    path = os.path.join(place.dir, "flush.sock")
    before = place.tree.conf["sockets", "flush"]
    place.tree.set_conf("sockets", "flush", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        os.chmod(path, 0o666)
        s.settimeout(DEADLINE)
        postern("queue", "retry", "--domain", "two.test")
        expect(s.recv(300) == b"two.test", "retry")
        postern("flush", "Far.Test")
        expect(s.recv(300) == b"far.test name", "flush")
        # What spool queues is told, too.
        send(ALICE, "n@new.test")
        expect(s.recv(300) == b"new.test", "spool")
    # First this: with a socket that is not there spool starts flush, which would go on with
    # what the other cases put into the queue.
    place.tree.set_conf("sockets", "flush", before)
    os.unlink(path)
    postern("queue", "remove", "--domain", "new.test")


@case("queue remove: both files go, the others stay; not while it is being sent to")
def _():
    lock = os.path.join(place.tree.state, "spool", "two.test", "lock")
    with subprocess.Popen(["flock", "-o", lock, "sh", "-c", "echo; read x"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, **who("owner")) as p:
        p.stdout.readline()
        began = time.monotonic()
        expect("being sent" in postern("queue", "remove", second, want=111), "locked")
        expect(time.monotonic() - began > 2, "did not wait")
        p.stdin.close()
    postern("queue", "remove", second)
    expect(ids() == sorted([first, third]), ids())
    expect("3 messages removed" in postern("queue", "remove", "--all"), "all")
    expect(place.queued() == {}, "left")


@case("queue: a damaged envelope is told and stops nothing")
def _():
    good = send(ALICE, "x@one.test")
    at = os.path.join(place.tree.state, "spool", "one.test")
    with open(os.path.join(at, "zz.1.e"), "w") as f:
        f.write("postern 1\nnonsense\n")
    os.symlink("/etc/passwd", os.path.join(at, "ln.1.e"))
    place.tree._own(os.path.join(at, "zz.1.e"))
    code, out, err = place.postern("queue", "list")
    expect(code == 0 or code == 1, code)
    expect(out.startswith(good) and "zz.1.e" in err, out, err)
    place.clear_queue()


@case("trace: the message's lines and its session's, in order, nobody else's")
def _():
    log = os.path.join(place.dir, "mail.log")
    with open(log, "w") as f:
        f.write("""Nov 22 h smtpd[1]: event=tls session=6b.1 client=192.0.2.1
Nov 22 h smtpd[1]: event=queued session=6b.1 id=6b.1.1 from=a@x
Nov 22 h smtpd[1]: event=queued session=6b.1 id=6b.1.2 from=a@x
Nov 22 h smtpd[1]: event=queued session=6b.12 id=6b.12.1 from=a@x
Nov 22 h flush[1]: event=deferred id=6b.1.1.0 to=b@y
Nov 22 h other[1]: id=6b.1.1
Nov 22 h flush[1]: event=sent id=6b.1.1 to=b@y
Nov 22 h smtpd[1]: event=end session=6b.1 seconds=3
""")
    out = postern("trace", "6b.1.1", log)
    expect([re.search(r"event=(\S+)", x).group(1) for x in out.splitlines()] ==
           ["tls", "queued", "deferred", "sent", "end"], out)
    expect("no line" in postern("trace", "6b.9.1", log, want=1), "nothing")
    postern("trace", "a b", log, want=2)
    got = subprocess.run([place.program("postern"), "trace", "6b.1.2", "-"],
                         stdin=open(log), capture_output=True)
    expect(got.returncode == 0 and got.stdout.count(b"\n") == 3, got.stdout)


@case("a long queue: the first line comes at once, a timer's view costs little")
def _():
    domains, each = (10000, 10) if LONG else (1000, 5)
    send(ALICE, "x@seed.test")
    (_, _), (lines, message) = list(place.queued().items())[0]
    place.clear_queue()
    text = "\n".join(lines) + "\n"
    spool = os.path.join(place.tree.state, "spool")
    for d in range(domains):
        at = os.path.join(spool, "d%05d.test" % d)
        os.mkdir(at, 0o700)
        for i in range(each):
            name = "6b0300%06x.%x" % (d, i)
            with open(os.path.join(at, name + ".e"), "w") as f:
                f.write(re.sub(r"(?m)^id .*$", "id " + name, text))
            with open(os.path.join(at, name + ".m"), "wb") as f:
                f.write(message)
            for end in (".e", ".m"):
                place.tree._own(os.path.join(at, name + end))
        place.tree._own(at)
    best, tries = 9.0, 0
    # On a busy machine some tries are late; were the queue read first, each would be.
    while best >= 0.1 and tries < 30:
        tries += 1
        began = time.monotonic()
        p = subprocess.Popen([place.program("postern"), "-c", place.conf, "queue", "list"],
                             stdout=subprocess.PIPE)
        p.stdout.readline()
        best = min(best, time.monotonic() - began)
        p.stdout.close()
        p.wait(DEADLINE)
    expect(best < 0.1, "first line after %.0f ms" % (best * 1000))
    began = time.monotonic()
    expect(postern("queue", "list").count("\n") == domains * each, "lines")
    print("# %d messages in %d domains: first line %.0f ms, all %.1f s" %
          (domains * each, domains, best * 1000, time.monotonic() - began))
    last = postern("queue", "summary").splitlines()[-1].split()
    expect(last[0] == str(domains * each), last)


try:
    run_cases()
finally:
    place.remove()
