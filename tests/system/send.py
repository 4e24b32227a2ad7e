#!/usr/bin/env python3
# suite: timeout=120
"""`postern send`: a user's message over a line that breaks: by CHECKPOINT where it is
offered, its bar on a terminal, a later run that goes on, TLS and a login, clear errors."""
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from flush_talk import Hop  # noqa: E402
from line import Line  # noqa: E402
from listening import ROOT, case, expect, front, read, run_cases, trees, wait_for  # noqa: E402

BUILD = os.path.dirname(trees.default_smtpd())
ALL = {"checkpoint": "all", "limits_connections_per_source": "1000"}
POSTERN = os.path.join(BUILD, "postern")
folder = tempfile.mkdtemp(prefix="postern-send.")


def letter(size, name="letter.eml", head=b"Subject: large\n"):
    path = os.path.join(folder, name)
    with open(path, "wb") as f:
        f.write(head + b"\n" + b"".join(b"%07d.%068d\n" % (i, i) for i in range(size // 77)))
    return path


def send(port, *args, data=None, before=(), host="127.0.0.1", sender="a@client.test"):
    words = ["-f", sender] if sender else []
    return subprocess.run([*before, POSTERN, "send", "--to", "%s:%d" % (host, port), *words,
                           *args], input=data, stdin=None if data else subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100)


def mail_of(tree, user="alice"):
    return [read(p) for p in tree.messages(user)]


@case("from standard input, to two")
def _():
    with front() as f:
        run = send(f.address[1], "alice@here.test", "bob@here.test",
                   data=b"Subject: x\n\n.one\n")
        expect(run.returncode == 0 and not run.stderr, run.stderr)
        expect(re.fullmatch(rb"(message: sent to \w+@here.test: 250 2.0.0 ok \S+\n){2}",
                            run.stdout), run.stdout)
        for user in ("alice", "bob"):
            text, = mail_of(f.tree, user)
            expect(text.endswith(b"Subject: x\n\n.one\n"), text)


@case("files, recipients from their headers")
def _():
    with front() as f:
        one = letter(100, "one.eml", b'To: "Alice" <alice@here.test>,\n\tbob@here.test\n')
        two = letter(100, "two.eml", b"Cc: bob@here.test\n")
        run = send(f.address[1], one, two)
        expect(run.returncode == 0, run.stderr)
        expect((len(mail_of(f.tree)), len(mail_of(f.tree, "bob"))) == (1, 2), run.stdout)


@case("over a line that breaks: gone on with, and shown on a terminal")
def _():
    with front(**ALL) as f:
        line = Line(f.address, (100000, 300000))
        path = letter(1 << 20)
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(POSTERN, [POSTERN, "send", "--to", "127.0.0.1:%d" % line.port, "-f",
                               "a@client.test", "alice@here.test", path])
        said = b""
        while True:
            try:
                data = os.read(fd, 65536)
            except OSError:
                break
            if not data:
                break
            said += data
        _, status = os.waitpid(pid, 0)
        line.close()
        expect(status == 0, said[-300:])
        expect(b"% of 1.1 MB" in said and b"[####" in said, said[-300:])
        expect(line.cuts > 3 and said.count(b"sent to alice@here.test: 250") == 1, said[-300:])
        text, = mail_of(f.tree)
        expect(text.endswith(read(path)), "another text")
        wire = os.path.getsize(path) * 78 // 77
        expect(line.sent < 1.3 * wire, "%d octets of %d" % (line.sent, wire))


@case("killed, and started again: goes on")
def _():
    with front(**ALL) as f:
        line = Line(f.address)
        path = letter(4 << 20)
        command = [POSTERN, "send", "--to", "127.0.0.1:%d" % line.port, "-f", "a@client.test",
                   "alice@here.test", path]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        wait_for(lambda: line.sent > 1 << 20, "nothing is sent")
        process.kill()
        process.wait()
        first = line.sent
        wait_for(lambda: "event=end" in f.log(), "the connection does not end")
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        line.close()
        expect(run.returncode == 0, run.stderr)
        text, = mail_of(f.tree)
        expect(text.endswith(read(path)), "another text")
        expect("event=resumed" in f.log(), "sent anew: %d, %d octets" % (first, line.sent))


@case("a server without CHECKPOINT: gives up, and says so")
def _():
    with front(checkpoint="no") as f:
        line = Line(f.address, 200000)
        run = send(line.port, "--tries", "2", "alice@here.test", letter(1 << 20))
        line.close()
        expect(run.returncode == 111 and b"not sent: connection closed" in run.stderr, run)
        expect(mail_of(f.tree) == [], "it has arrived")


@case("refused: said for each, exit 1")
def _():
    with front() as f:
        run = send(f.address[1], "nobody@here.test", "alice@here.test", data=b"Subject: x\n\ny\n")
        expect(run.returncode == 1 and b"refused to nobody@here.test: 550 5.1.1" in run.stderr,
               run.stderr)
        expect(b"sent to alice@here.test" in run.stdout and len(mail_of(f.tree)) == 1, run)


@case("RFC 9422: MAILMAX; the others over further connections, at once")
def _():
    hop = Hop(offers=("PIPELINING", "LIMITS MAILMAX=2 RCPTMAX=1"))
    to = ["r%d@far.test" % i for i in range(5)]
    run = send(hop.port, "--tries", "1", *to, data=b"Subject: x\n\ny\n")
    hop.close()
    expect(run.returncode == 0 and not run.stderr, run.stderr)
    expect(sorted(a for t, _ in hop.messages for a in t) == to and hop.connections == 3,
           (hop.connections, hop.messages))


@case("TLS and a login")
def _():
    if not ROOT or not shutil.which("unshare"):
        return "only root can give mx.test an address"
    tree = trees.Tree()
    tree.add_certificate()
    tree.add_password("alice", "wonder")
    hosts, login = os.path.join(folder, "hosts"), os.path.join(folder, "login")
    with open(hosts, "w") as f:
        f.write("127.0.0.1 localhost mx.test wrong.test\n")
    with open(login, "w") as f:
        f.write("alice@here.test\nwonder\n")
    os.chmod(login, 0o600)
    before = ["unshare", "-m", "sh", "-c", 'mount --bind %s /etc/hosts && exec "$@"' % hosts,
              "sh"]
    with front(tree=tree) as f:
        ca = ("--ca", os.path.join(tree.dir, "mx.pem"), "bob@here.test")
        data = b"Subject: x\n\ny\n"
        run = send(f.address[1], "--login", login, *ca, data=data, before=before,
                   host="mx.test", sender=None)
        expect(run.returncode == 0, run.stderr)
        text, = mail_of(tree, "bob")
        expect(b"with ESMTPSA" in text and text.startswith(b"Return-Path: <alice@here.test>"),
               text)
        for host, words, args in (
                ("wrong.test", b"certificate verify failed", ("--tls",)),
                ("mx.test", b"535 5.7.8 login or password wrong", ("--login", login))):
            if args[0] == "--login":
                with open(login, "w") as out:
                    out.write("alice@here.test\nwrong\n")
            run = send(f.address[1], *args, *ca, data=data, before=before, host=host)
            expect(run.returncode == 111 and words in run.stderr, run.stderr)


@case("mistakes: told, exit 2 or 1")
def _():
    path = letter(100)
    loose = os.path.join(folder, "loose")
    with open(loose, "w") as f:
        f.write("a@b\nsecret\n")
    os.chmod(loose, 0o644)
    for args, code, words in (
            (["--to", "x:0", path], 2, "expected a port of 1 to 65535"),
            (["--to", "[::1", path], 2, "expected HOST, HOST:PORT or [ADDRESS]:PORT"),
            (["--bad"], 2, "unknown option"),
            (["-f", "nobody", "a@b.test", path], 2, "no address: nobody"),
            (["a@b.test", path], 2, "say whom it is from"),
            (["--login", loose, "a@b.test", path], 1, "others may read your password"),
            (["-f", "a@b.test", "a@c.test", "x@y/z.eml"], 1, "neither an address nor a file"),
            (["-f", "a@b.test", path], 1, "no recipient"),
            (["--to", "127.0.0.1:1", "-f", "a@b.test", "a@c.test", path], 111,
             "connect: Connection refused")):
        run = subprocess.run([POSTERN, "send", *args], stdin=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, timeout=30)
        expect(run.returncode == code and words in run.stderr.decode(),
               "%s: %d %s" % (args, run.returncode, run.stderr.decode()))
    # As every command: it comes first, and is of no use here.
    run = subprocess.run([POSTERN, "-c", "/nowhere", "send", "-f", "nobody", "a@b.test", path],
                         stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=30)
    expect(run.returncode == 2 and b"no address: nobody" in run.stderr, run.stderr)


if __name__ == "__main__":
    try:
        run_cases()
    finally:
        shutil.rmtree(folder)
