#!/usr/bin/env python3
# suite: timeout=120 calm
"""The site that dials in: flush --fetch by ATRN and by ETRN against our own server, and
against a provider written after RFC 2645, which also tries what a provider may not."""
import base64
import os
import re
import socket
import ssl
import subprocess
import threading
import time

from dialin_talk import (DEADLINE, FOLDER, LOGIN, PASSWORD, Place, case, expect, free_port,
                         run_cases, trees, wait_for)

D = "far.test"


def certificate(folder):
    """For localhost, which needs no name service."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", os.path.join(folder, "mx.key"),
                    "-out", os.path.join(folder, "mx.pem")],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


provider = Place("odmr", "submissions", "submission")
certificate(provider.dir)
provider._own(os.path.join(provider.dir, "mx.key"), provider.tls_uid)
provider.add_login()
provider.hold(D)
provider.hold("b.test")
provider.start()


class Site(trees.Tree):
    """The customer: its own domains, and [provider isp]."""

    def __init__(self):
        super().__init__()
        for domain in (D, "b.test"):
            self.set_domain(domain)
            for i in range(3):
                self.add_user("ok%d@%s" % (i, domain))
        self.flush.close()
        del self.conf[("sockets", "flush")]
        self.set_conf("", "dns-anchor", "none")
        self.set_conf("", "dns", "127.0.0.1@1")
        self.set_conf("", "relay-from", "127.0.0.0/8")     # what must not count here
        self.set_conf("", "tls-ca", os.path.join(provider.dir, "mx.pem"))
        self.set_login(LOGIN, PASSWORD)
        self.isp(host="localhost", port=provider.port["odmr"], login="isp.login")
        self.fetched = 0

    def set_login(self, login, password, mode=0o600):
        path = os.path.join(self.dir, "isp.login")
        with open(path, "w") as f:
            f.write("%s\n%s\n" % (login, password))
        os.chmod(path, mode)

    def isp(self, **keys):
        for key in [k for k in self.conf if k[0] == "provider isp"]:
            del self.conf[key]
        for key, value in keys.items():
            self.set_conf("provider isp", key, str(value))

    def fetch(self, *args, code=0, env=None):
        run = subprocess.run([os.path.join(FOLDER, "flush"), "-c",
                              os.path.join(self.dir, "postern.conf"), "--fetch", "isp", *args],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, timeout=DEADLINE,
                             env=dict(os.environ, **(env or {})))
        self.log = run.stderr.decode()
        expect(run.returncode == code, "exit", run.returncode, self.log)
        expect(run.stdout == b"", run.stdout)
        return self.log

    def got(self):
        return sorted("%s@%s" % (u, d) for d in (D, "b.test") for u in ("ok0", "ok1", "ok2")
                      for _ in self.messages("%s@%s" % (u, d)))

    def empty(self):
        for path in self.all_new():
            os.remove(path)


site = Site()


@case("fetch: our own server: ATRN, both domains, into the mailboxes")
def _():
    for i in range(3):
        provider.put(D, "ok%d@%s" % (i, D))
    provider.put("b.test", "ok0@b.test")
    log = site.fetch()
    expect("event=fetch provider=isp address=" in log and "result=turned" in log, log)
    expect(site.got() == ["ok0@b.test"] + ["ok%d@far.test" % i for i in range(3)], site.got(), log)
    with open(site.messages("ok0@b.test")[0]) as f:
        text = f.read()
    expect("Return-Path: <alice@here.test>" in text and re.search(
        r"Received: from mx\.test \(\[(127\.0\.0\.1|IPv6:::1)\]\)", text), text)
    wait_for(lambda: not provider.waiting(D) and not provider.waiting("b.test"), "all is gone")
    site.empty()


@case("fetch: no mail is no failure; a domain of two; one that is not ours")
def _():
    expect("result=no-mail" in site.fetch(), site.log)
    provider.put(D, "ok0@" + D)
    provider.put("b.test", "ok0@b.test")
    site.isp(host="localhost", port=provider.port["odmr"], login="isp.login", domains="b.test")
    site.fetch()
    expect(site.got() == ["ok0@b.test"], site.got())
    site.isp(host="localhost", port=provider.port["odmr"], login="isp.login",
             domains="b.test, other.test")
    expect("result=refused" in site.fetch(code=1), site.log)
    site.isp(host="localhost", port=provider.port["odmr"], login="isp.login")
    site.fetch()
    site.empty()


@case("fetch: ETRN, over STARTTLS and over TLS from the start")
def _():
    provider.put(D, "ok0@" + D)
    site.isp(host="localhost", port=provider.port["submission"], login="isp.login",
             tls="starttls", mode="etrn", domains="far.test @b.test")
    log = site.fetch()
    expect(re.search(r'what="ETRN far\.test" result=asked reply="2\.0\.0 OK, 1 pending', log) and
           re.search(r'what="ETRN @b\.test" result=no-mail', log), log)
    site.isp(host="localhost", port=provider.port["submissions"], login="isp.login",
             domains="far.test")
    expect("result=asked" in site.fetch("--etrn"), site.log)
    site.isp(host="localhost", port=provider.port["submissions"], login="isp.login",
             mode="etrn", domains="#none")
    expect("result=refused" in site.fetch(code=1), site.log)
    provider.drop(D)
    site.isp(host="localhost", port=provider.port["odmr"], login="isp.login")


@case("fetch: a certificate of nobody, a wrong password, a readable one, nobody there")
def _():
    site.set_conf("", "tls-ca", os.path.join(trees.secure.certificates(), "ca.pem"))
    log = site.fetch(code=111)
    expect("what=tls result=failed" in log and "turned" not in log, log)
    site.set_conf("", "tls-ca", os.path.join(provider.dir, "mx.pem"))
    site.set_login(LOGIN, "wrong")
    expect("535" in site.fetch(code=111), site.log)
    site.set_login(LOGIN, PASSWORD, 0o644)
    expect("others may read" in site.fetch(code=111), site.log)
    site.set_login(LOGIN, PASSWORD)
    site.isp(host="127.0.0.1", port=free_port(), login="isp.login")
    expect("no-hop" in site.fetch(code=111), site.log)
    site.isp(host="localhost", port=provider.port["odmr"])
    expect("missing key 'login'" in site.fetch(code=111), site.log)


class Scripted:
    """A provider by the example of RFC 2645 6, under TLS; script() is what it then does."""

    def __init__(self, script, answer=b"250 OK now reversing the connection"):
        self.script, self.answer = script, answer
        self.heard, self.replies, self.wrong = [], [], None
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(os.path.join(provider.dir, "mx.pem"),
                                     os.path.join(provider.dir, "mx.key"))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        site.isp(host="localhost", port=self.listener.getsockname()[1], login="isp.login",
                 domains="far.test, b.test")

    def run(self):
        try:
            raw = self.listener.accept()[0]
            raw.settimeout(DEADLINE)
            with self.context.wrap_socket(raw, server_side=True) as self.sock:
                self.f = self.sock.makefile("rb")
                self.serve()
        except Exception as e:  # noqa: BLE001, told by the case
            self.wrong = e

    def say(self, *lines):
        self.sock.sendall(b"".join(line + b"\r\n" for line in lines))

    def hear(self):
        self.heard.append(self.f.readline().rstrip(b"\r\n").decode())
        return self.heard[-1]

    def serve(self):
        self.say(b"220 EXAMPLE.NET on-demand mail relay server ready")
        self.hear()
        self.say(b"250-EXAMPLE.NET", b"250-AUTH PLAIN EXTERNAL", b"250 ATRN")
        self.hear()
        self.say(b"235 now authenticated as example.org")
        self.hear()
        self.say(self.answer)
        self.script(self)

    def ask(self, line):
        """As the client on the turned connection: the whole reply."""
        if line is not None:
            self.say(line)
        reply = []
        while not reply or reply[-1][3:4] == "-":
            reply.append(self.f.readline().decode().rstrip())
            expect(reply[-1], "closed after", line)
        self.replies.append(reply)
        return reply[-1]


def deliver(p):
    p.ask(None)
    p.ask(b"EHLO EXAMPLE.NET")
    p.ask(b"MAIL FROM: <Lester.Tester@dot.foo.bar>")
    p.ask(b"RCPT TO: <ok1@far.test>")
    p.ask(b"DATA")
    p.ask(b"Subject: by the RFC\r\n\r\nhello\r\n.")
    p.ask(b"QUIT")


@case("fetch: a provider after the RFC")
def _():
    p = Scripted(deliver)
    site.fetch()
    p.thread.join(DEADLINE)
    expect(p.wrong is None, p.wrong)
    expect(p.heard[0].startswith("EHLO ") and p.heard[1].startswith("AUTH PLAIN ") and
           p.heard[2] == "ATRN far.test,b.test", p.heard)
    expect([r[-1][:3] for r in p.replies] == ["220", "250", "250", "250", "354", "250", "221"],
           p.replies)
    expect(site.got() == ["ok1@far.test"], site.got())
    site.empty()


def misuse(p):
    p.ask(None)
    p.ask(b"EHLO EXAMPLE.NET")
    p.ask(b"AUTH PLAIN " + base64.b64encode(b"\0alice@here.test\0x"))
    p.ask(b"STARTTLS")
    p.ask(b"XCLIENT ADDR=127.0.0.1")
    p.ask(b"ETRN far.test")
    p.ask(b"ATRN")
    p.ask(b"MAIL FROM:<a@b.example>")
    p.ask(b"RCPT TO:<victim@elsewhere.example>")
    p.ask(b"RCPT TO:<nobody@far.test>")
    p.ask(b"QUIT")


@case("fetch: the provider may bring mail for our domains, and nothing else")
def _():
    for keys in ({}, {"xclient": "127.0.0.0/8", "proxies": "127.0.0.0/8"}):
        for key, value in keys.items():
            site.set_conf("", key, value)
        p = Scripted(misuse)
        site.fetch(env={"RELAYCLIENT": ""})
        p.thread.join(DEADLINE)
        expect(p.wrong is None, p.wrong, site.log)
        expect([r[-1][:3] for r in p.replies] ==
               ["220", "250", "502", "502", "500", "530", "530", "250", "550", "550", "221"],
               p.replies)
        offers = " ".join(p.replies[1])
        expect(not re.search("AUTH|STARTTLS|XCLIENT|ETRN|ATRN", offers), offers)
    expect(site.got() == [] and not os.listdir(os.path.join(site.state, "spool")), site.got())
    for key in keys:
        del site.conf[("", key)]
    site.write_conf()


@case("fetch: what a provider may answer instead")
def _():
    for answer, code, result in ((b"450 refused", 1, "refused"), (b"451 not now", 111, "later"),
                                 (b"453 You have no mail", 0, "no-mail"),
                                 (b"502 what", 1, "refused"), (b"530 who", 1, "refused"),
                                 (b"250 OK\r\nMAIL FROM:<a@b>", 111, None),
                                 (b"nonsense", 111, None)):
        p = Scripted(lambda p: p.f.readline(), answer)
        log = site.fetch(code=code)
        expect(("result=%s" % result if result else "result=no-hop") in log, answer, log)
        expect("turned" not in log, answer, log)


@case("fetch: the line breaks in the middle of a message: nothing of it is there")
def _():
    def cut(p):
        p.ask(None)
        p.ask(b"EHLO EXAMPLE.NET")
        p.ask(b"MAIL FROM:<a@b.example>")
        p.ask(b"RCPT TO:<ok0@far.test>")
        p.ask(b"DATA")
        p.say(b"Subject: half")
    Scripted(cut)
    site.fetch()
    expect(site.got() == [] and site.leftovers() == [], site.leftovers())


try:
    run_cases()
finally:
    provider.remove()
    site.remove()
