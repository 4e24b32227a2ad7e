#!/usr/bin/env python3
# suite: timeout=120
"""A real HAProxy before a listening smtpd, with PROXY headers of both versions; and
XCLIENT, as a content filter says it."""
import os
import shutil
import subprocess
import tempfile
import threading

from listening import (Client, case, check_mail, expect, free_port, front, new_tree, read,
                       run_cases, wait_for)

CONF = """
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
%s
"""
# Health checks speak for the proxy itself: PROXY UNKNOWN, or LOCAL in version 2.
LISTEN = """
listen %(name)s
    bind 127.0.0.1:%(port)d
    bind [::1]:%(port)d
    option smtpchk EHLO checker.test
    server one 127.0.0.1:%(smtp)d %(how)s check check-send-proxy inter 1s
"""


class Haproxy:
    """Before `f`, a front; .ports by version."""

    def __init__(self, f):
        self.dir = tempfile.mkdtemp(prefix="postern-haproxy.")
        self.ports = {"1": free_port(), "2": free_port()}
        parts = [LISTEN % {"name": "v" + v, "port": self.ports[v], "smtp": f.address[1],
                           "how": how} for v, how in (("1", "send-proxy"),
                                                      ("2", "send-proxy-v2"))]
        path = os.path.join(self.dir, "haproxy.cfg")
        with open(path, "w") as conf:
            conf.write(CONF % "".join(parts))
        self.log = open(os.path.join(self.dir, "log"), "w+")  # noqa: SIM115
        self.process = subprocess.Popen(["haproxy", "-db", "-q", "-f", path],
                                        stdout=self.log, stderr=self.log, cwd="/")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir)

    def output(self):
        self.log.seek(0)
        return self.log.read()


def is_up(port):
    try:
        with Client(("127.0.0.1", port), greeted=False, timeout=5) as client:
            return client.reply().startswith("220 ")
    except OSError:
        return False


@case("HAProxy, send-proxy and send-proxy-v2: the client's address counts")
def _():
    if not shutil.which("haproxy"):
        return "haproxy is not installed"
    tree = new_tree(proxies="127.0.0.1", relay_from="127.0.0.77",
                    limits_connections_per_source="1", limits_rate="2")
    with front(tree=tree) as f, Haproxy(f) as proxy:
        for port in proxy.ports.values():
            wait_for(lambda: is_up(port), "HAProxy does not serve: %s; %s" %  # noqa: B023
                     (proxy.output(), f.log()[-400:]))
        wanted = []
        for version, port in proxy.ports.items():
            for host, source in (("127.0.0.1", "127.0.0.5"), ("::1", "::1"),
                                 ("127.0.0.1", "127.0.0.77")):
                with Client((host, port), source) as client:
                    client.hello()
                    client.deliver("version %s from %s" % (version, source))
                    client.say("MAIL FROM:<a@client.test>")
                    client.say("RCPT TO:<b@elsewhere.test>",
                               "250" if source == "127.0.0.77" else "550")
                    client.quit()
                wanted.append("version %s from %s" % (version, source))
        check_mail(tree, "alice", wanted)
        for text in map(read, tree.messages("alice")):
            source = text.rpartition(b" from ")[2].strip().decode()
            literal = "[IPv6:%s]" % source if ":" in source else "[%s]" % source
            expect("from client.test (%s)" % literal in text.decode(), text.decode())
        wait_for(lambda: f.log().count("client=127.0.0.5 seconds=") == 2, f.log())
        many_at_once(f, proxy)
        expect("bad-proxy-header" not in f.log() and "event=error" not in f.log() and
               "refused" not in f.log().replace("event=refused", ""), f.log())
        check_health(proxy)
    return None


def check_health(proxy):
    """By smtpchk, a second apart: HAProxy says when a server goes down."""
    expect(proxy.process.poll() is None and "DOWN" not in proxy.output(), proxy.output())


def many_at_once(f, proxy):
    """Each with an address of its own, 30 at a time."""
    faults = []

    def one(n):
        try:
            with Client(("127.0.0.1", proxy.ports["12"[n % 2]]), "127.0.1.%d" % n) as client:
                client.hello()
                client.deliver("many %d" % n, "bob")
                client.quit()
        except Exception as e:  # noqa: BLE001
            faults.append("%d: %s" % (n, e))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(1, 31)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    expect(not faults, "; ".join(faults[:3]))
    check_mail(f.tree, "bob", ["many %d" % n for n in range(1, 31)])
    for text in map(read, f.tree.messages("bob")):
        expect(b"([127.0.1.%d])" % int(text.split()[-1]) in text, text.decode())


@case("a header in pieces, and what follows it at once")
def _():
    with front(proxies="127.0.0.1") as f:
        with f.connect(greeted=False) as client:
            for octet in b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 25\r\n":
                client.send(bytes([octet]))
            expect(client.reply().startswith("220 "), "in pieces")
        with f.connect(greeted=False) as client:
            client.send("PROXY TCP6 2001:db8::7 2001:db8::1 5000 25\r\nEHLO client.test\r\n"
                        "MAIL FROM:<a@client.test>\r\nRCPT TO:<alice@here.test>\r\n")
            for code in ("220", "250", "250", "250"):
                expect(client.reply().startswith(code), "pipelined behind the header")


@case("no header, a bad one, half of one: closed without a word, and logged")
def _():
    with front(proxies="127.0.0.1") as f:
        for i, text in enumerate((b"EHLO client.test\r\n", b"PROXY TCP4 nonsense\r\n",
                                  b"PROXY TCP4 1.2.3.4", b"\r\n\r\n\0\r\nQUIT\n\x31\0\0\0")):
            with f.connect(greeted=False) as client:
                client.send(text)
                if text.endswith(b"4"):
                    client.sock.shutdown(1)
                expect(client.rest() == "", "an answer to %r" % text)
            wait_for(lambda: f.log().count("bad-proxy-header") == i + 1,  # noqa: B023
                     "not logged: %r" % text)
        f.wait_calm()
        with f.connect(source="127.0.0.2") as client:
            client.hello()
            client.say("PROXY TCP4 192.0.2.7 192.0.2.1 5000 25", "500")


@case("XCLIENT: from configured networks, with sessions that serve again")
def _():
    tree = new_tree(xclient="127.0.0.1", relay_from="192.0.2.8", session_reuse="50")
    with front(tree=tree) as f:
        for i in range(4):
            with f.connect() as client:
                expect("XCLIENT" in client.hello(), "not offered")
                client.say("XCLIENT ADDR=192.0.2.%d HELO=real%d.test NAME=x PROTO=ESMTP" %
                           (i + 7, i), "220")
                expect("XCLIENT" in client.hello(), "no longer offered to who may say it")
                client.deliver("message %d" % i)
                client.say("MAIL FROM:<a@client.test>")
                client.say("RCPT TO:<b@elsewhere.test>", "250" if i == 1 else "550")
                client.quit()
            with f.connect(source="127.0.0.2") as client:
                expect("XCLIENT" not in client.hello(), "offered to a stranger")
                client.say("XCLIENT ADDR=192.0.2.8", "500")
                client.say("MAIL FROM:<a@client.test>")
                client.say("RCPT TO:<b@elsewhere.test>", "550")
        check_mail(tree, "alice", ["message %d" % i for i in range(4)])
        for text in map(read, tree.messages("alice")):
            i = int(text.split()[-1])
            expect(b"from real%d.test ([192.0.2.%d])" % (i, i + 7) in text, text.decode())


@case("a PROXY header, then XCLIENT from who is behind it")
def _():
    with front(proxies="127.0.0.1", xclient="192.0.2.7") as f:
        with f.connect(greeted=False) as client:
            client.send("PROXY TCP4 192.0.2.7 192.0.2.1 5000 25\r\n")
            expect(client.reply().startswith("220 "), "no greeting")
            client.hello()
            client.say("XCLIENT ADDR=IPV6:2001:db8::9", "220")
            client.hello()
            client.deliver("twice removed")
        text = read(f.tree.messages("alice")[0])
        expect(b"([IPv6:2001:db8::9])" in text, text.decode())


if __name__ == "__main__":
    run_cases()
