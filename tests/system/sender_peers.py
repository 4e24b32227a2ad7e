#!/usr/bin/env python3
# suite: timeout=120
"""
The sender and servers that are not ours: Postfix, OpenSMTPD and smtp-sink where
tests/bench/peers has installed them (PEERS names the folder), Dovecot's LMTP.
"""
import email
import glob
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../bench")]
import dovecot_lmtp
import servers
from sender_talk import Sender

PROGRAM = os.path.join(servers.BUILD, "test", "sender")
HIGH = "gr\u00fc\u00dfe und noch etwas mehr Text".encode()
BODY = b".\n..\nFrom x\n" + b"x" * 70 + b"\n" + HIGH + b"\n\n.\n"
HEAD = b"Subject: peers\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n" \
    b"Content-Transfer-Encoding: 8bit\n\n"


class Skip(Exception):
    pass


def body_of(stored):
    """Of a message in a Maildir, decoded."""
    return email.message_from_bytes(stored).get_payload(decode=True).replace(b"\r\n", b"\n")


def wait_for(n, folder):
    for _ in range(200):
        found = glob.glob(os.path.join(folder, "*"))
        if len(found) >= n:
            return [open(f, "rb").read() for f in found]
        time.sleep(0.1)
    raise AssertionError("%d of %d messages came to %s" % (len(found), n, folder))


def send_some(sender, to, unknown):
    large = HEAD + b"0123456789abcdef\n" * 20000
    for data in (HEAD + BODY, large, HEAD + BODY):
        outcomes, more = sender.message(data, [to] + unknown)
        assert outcomes[0].cls == "2" and more == "yes", [o.text for o in outcomes]
        for o in outcomes[1:]:
            assert o.cls == "5" and o.source == "remote" and o.enhanced == "5.1.1", o.text
    return [BODY, large[len(HEAD):], BODY]


def packaged(kind, work):
    if os.geteuid() != 0:
        raise Skip("needs root")
    try:
        server = kind(work)
    except servers.Missing as e:
        raise Skip(str(e))
    try:
        sender = Sender(PROGRAM)
        ready = sender.connect(server.port, seconds=(10, 30, 60))
        assert ready[0] == "+", ready
        want = send_some(sender, server.address, [])
        assert sender.end() == 0
        got = [body_of(m) for m in wait_for(3, server.new)]
        assert sorted(got) == sorted(want), [len(g) for g in got]
    finally:
        server.stop()
    return ready[1][0]


def postfix(work):
    return packaged(servers.Postfix, work)


def opensmtpd(work):
    return packaged(servers.OpenSMTPD, work)


def smtp_sink(work):
    """How fast one connection is, each message of 4 KiB with its own outcome."""
    root = os.environ.get("POSTFIX_ROOT") or os.path.join(servers.PEERS, "postfix")
    if os.geteuid() != 0 or not os.path.exists(root + "/usr/sbin/smtp-sink"):
        raise Skip("no smtp-sink in " + root)
    port = servers.free_port()
    sink = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "chroot", root,
                             "/usr/sbin/smtp-sink", "-u", "nobody", "127.0.0.1:" + port, "64"])
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", int(port))).close()
                break
            except OSError:
                time.sleep(0.05)
        sender = Sender(PROGRAM)
        assert sender.connect(port)[0] == "+"
        with tempfile.TemporaryFile() as f:
            f.write(HEAD + b"0123456789abcde\n" * 250)
            f.flush()
            n, start = 1000, time.monotonic()
            for _ in range(n):
                outcomes, more = sender.message(f, ["b@t.test"])
                assert outcomes[0].cls == "2" and more == "yes", outcomes[0].text
            rate = n / (time.monotonic() - start)
        ticks = open("/proc/%d/stat" % sender.process.pid).read().split()[13:15]
        assert sender.end() == 0
        cpu = sum(map(int, ticks)) * 1e6 / os.sysconf("SC_CLK_TCK") / n
    finally:
        sink.kill()
        sink.wait()
    return "%d messages/s over one connection, %.0f us of CPU each" % (rate, cpu)


QUOTA = """
mail_plugins = quota
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=1G
}
"""


def dovecot(_):
    if dovecot_lmtp.missing():
        raise Skip(dovecot_lmtp.missing())
    server = dovecot_lmtp.Dovecot("alice", "full", settings=QUOTA)
    try:
        conn = socket.socket(socket.AF_UNIX)
        conn.connect(server.path)
        sender = Sender(PROGRAM)
        ready = sender.connect("", server.path, "lmtp", fd=conn.fileno(), seconds=(5, 30, 30))
        assert ready[0] == "+", ready
        want = send_some(sender, "alice@here.test", ["nobody@here.test"])
        outcomes, _ = sender.message(HEAD + BODY, ["alice@here.test", "full@here.test"])
        assert [o.cls for o in outcomes] == ["2", "2"], [o.text for o in outcomes]
        assert sender.end() == 0
        got = [body_of(m) for m in wait_for(4, server.new("alice"))]
        assert sorted(got) == sorted(want + [BODY])
        assert len(wait_for(1, server.new("full"))) == 1
    except AssertionError as e:
        raise AssertionError(server.log()) from e
    finally:
        server.stop()
    return ready[1][0]


def main():
    if not os.access(PROGRAM, os.X_OK):
        print("skip peers: %s is not built" % PROGRAM)
        return
    for f in (dovecot, postfix, opensmtpd, smtp_sink):
        work = tempfile.mkdtemp(prefix="postern-peers.")
        try:
            print("ok peers: %s: %s" % (f.__name__, f(work)), flush=True)
        except Skip as e:
            print("skip peers: %s: %s" % (f.__name__, e), flush=True)
        except Exception as e:  # a case that fails must not hide the others
            where = traceback.extract_tb(e.__traceback__)[-1]
            print(("not ok peers: %s: %s:%d %s %r" % (
                f.__name__, os.path.basename(where.filename), where.lineno, where.line, e))
                .replace("\n", " ")[:900], flush=True)
        shutil.rmtree(work, ignore_errors=True)


main()
