#!/usr/bin/env python3
# suite: timeout=120
"""flush and tls together: what goes encrypted, what in clear, and what not at all; a relay
with a login; REQUIRETLS. The next hop is `localhost`, a name that needs no name server."""
import base64
import os
import shutil
import ssl
import subprocess

from flush_talk import BUILD, OWNER, Hop, Tree, case, expect, is_root, run_cases, status_of

tree = Tree()
# ::1 has no listener: the second address is tried.
shutil.copy(os.path.join(BUILD, "tls"), tree.dir)


def openssl(*args):
    subprocess.run(["openssl", *args], cwd=tree.dir, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


for name in ("good", "other"):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:localhost", "-days", "2",
            "-keyout", name + ".key", "-out", name + ".pem")
tree.set(tls_ca="good.pem")


def context(name="good"):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(os.path.join(tree.dir, name + ".pem"), os.path.join(tree.dir, name + ".key"))
    return c


class Way:
    """A domain of its own for each case, so that no failure is remembered."""
    n = 0

    def __init__(self, tls, **hop):
        Way.n += 1
        self.name = "d%d.test" % Way.n
        self.hop = Hop(**hop)
        tree.domain(self.name, "deliver = smtp:localhost:%d" % self.hop.port, "tls = " + tls)

    def send(self, *to, **envelope):
        self.mid = tree.put(self.name, *(to or ("a@" + self.name,)), **envelope)
        return tree.flush(self.name)

    def is_sent(self):
        return len(self.hop.messages) == 1 and tree.gone(self.name)

    def is_waiting(self):
        return not self.hop.messages and tree.marks(self.name, self.mid)[0][0] == "."


@case("may: TLS where there is STARTTLS, and a certificate of anybody")
def _():
    w = Way("may", context=context("other"))
    log = w.send()
    expect(w.is_sent() and "(TLS)" in w.hop.commands and " tls=TLSv1.3 " in log, log)
    expect("event=tls-result domain=%s" % w.name in log and "result=success" in log, log)
    expect("address=127.0.0.1" in log and "address=::1/" in log, log)


@case("may: no STARTTLS, in clear")
def _():
    w = Way("may")
    log = w.send()
    expect(w.is_sent() and "tls-result" not in log, log)


@case("may: a handshake that fails, then in clear on another connection")
def _():
    w = Way("may", context=context(), broken=True)
    log = w.send()
    expect(w.is_sent() and "result=handshake-failure" in log, log)
    expect(w.hop.commands.count("STARTTLS") == 1 and w.hop.connections == 2, w.hop.commands)


@case("never: not even asked for")
def _():
    w = Way("never", context=context())
    log = w.send()
    expect(w.is_sent() and "STARTTLS" not in w.hop.commands, log)


@case("must: not without STARTTLS, nor after a failure; anybody's certificate will do")
def _():
    w = Way("must")
    log = w.send()
    expect(w.is_waiting() and "result=starttls-not-supported" in log and "code=4.7.4" in log, log)
    w = Way("must", context=context(), broken=True)
    log = w.send()
    expect(w.is_waiting() and "result=handshake-failure" in log and
           not any("MAIL" in c for c in w.hop.commands), log)
    w = Way("must", context=context("other"))
    log = w.send()
    expect(w.is_sent() and "(TLS)" in w.hop.commands, log)


@case("verify: the name, by an authority that is trusted")
def _():
    w = Way("verify", context=context())
    log = w.send()
    expect(w.is_sent() and "result=success" in log and "what=verified" in log, log)
    w = Way("verify", context=context("other"))
    log = w.send()
    expect(w.is_waiting() and "result=validation-failure" in log and
           not any("MAIL" in c for c in w.hop.commands), log)


@case("REQUIRETLS: over a connection that is proved")
def _():
    w = Way("may", context=context(), offers=("REQUIRETLS", "8BITMIME"))
    log = w.send(extra="requiretls yes\n")
    expect(w.is_sent() and any(c.endswith("REQUIRETLS") for c in w.hop.commands), log)


def bounced(w, code, *words):
    """The one report: the header only, by REQUIRETLS itself; the host is not left alone."""
    reports = tree.reports()
    expect(len(reports) == 1, len(reports), "reports", tree.log)
    report = reports[0][1]
    _, (block,) = status_of(report)
    expect(block["Status"] == code and report["X-Spool"] == "-r" and
           report.get_payload()[2].get_content_type() == "text/rfc822-headers", report)
    expect(tree.gone(w.name) and not w.hop.messages, w.hop.messages)
    expect(all(x in tree.log for x in words), tree.log)


@case("REQUIRETLS: no host of the domain has it, back at once (RFC 8689 4.2.1); others go on")
def _():
    w = Way("may", both=True)
    tree.put(w.name, "plain@" + w.name)
    w.send(extra="ret FULL\nrequiretls yes\n")
    expect([to for to, _ in w.hop.messages] == [["plain@" + w.name]], tree.log)
    w.hop.messages.clear()
    bounced(w, "5.7.10", "result=starttls-not-supported")
    w = Way("may", context=context(), offers=("8BITMIME",), both=True)
    for _ in range(2):
        w.send(extra="ret FULL\nrequiretls yes\n")
        bounced(w, "5.7.30")
    for bad in ({"context": context("other")}, {"context": context(), "broken": True}):
        w = Way("may", offers=("8BITMIME", "REQUIRETLS"), both=True, **bad)
        w.send(extra="requiretls yes\n")
        bounced(w, "5.7.10", "result=validation-failure")


@case("REQUIRETLS: trouble of our own, or a host that is away, lets it wait")
def _():
    w = Way("may", greeting=b"421 not now")
    w.send(extra="requiretls yes\n")
    expect(w.is_waiting() and tree.reports() == [], tree.log)
    w = Way("may", context=context(), offers=("REQUIRETLS",))
    os.rename(os.path.join(tree.dir, "tls"), os.path.join(tree.dir, "away"))
    w.send(extra="requiretls yes\n")
    os.rename(os.path.join(tree.dir, "away"), os.path.join(tree.dir, "tls"))
    expect(w.is_waiting() and tree.reports() == [], tree.log)


@case("REQUIRETLS without a sender: nobody would hear, so it goes as it can (RFC 8689 5)")
def _():
    w = Way("may", context=context(), offers=("REQUIRETLS",))
    w.send(sender="<>", extra="requiretls yes\n")
    expect(w.is_sent() and any(c.endswith(" REQUIRETLS") for c in w.hop.commands), tree.log)
    w = Way("may")
    w.send(sender="<>", extra="requiretls yes\n")
    expect(w.is_sent() and not any("REQUIRETLS" in c for c in w.hop.commands), tree.log)


@case("a relay with a login: only after a handshake that proves its name")
def _():
    def relay(hop):
        tree.set(relay="localhost:%d" % hop.port, relay_login="login")
        mid = tree.put("far.example", "a@far.example")
        log = tree.flush("--now", "far.example")
        subprocess.run(["rm", "-rf", os.path.join(tree.spool, "far.example")], check=True)
        return mid, log

    path = os.path.join(tree.dir, "login")
    with open(path, "w") as f:
        f.write("alice\npa ss\n")
    os.chmod(path, 0o600)
    if is_root():
        os.chown(path, OWNER, OWNER)
    hop = Hop(context=context(), offers=("AUTH PLAIN LOGIN", "8BITMIME"))
    _, log = relay(hop)
    wanted = "AUTH PLAIN " + base64.b64encode(b"\0alice\0pa ss").decode()
    expect(wanted in hop.commands and len(hop.messages) == 1, hop.commands, log)
    expect("pa ss" not in log and "cGEgc3" not in log, "the password is in the log")
    for bad in (Hop(context=context("other"), offers=("AUTH PLAIN",)), Hop(offers=("AUTH PLAIN",))):
        _, log = relay(bad)
        expect(not bad.messages and not any("AUTH" in c for c in bad.commands), bad.commands, log)
    os.chmod(path, 0o644)
    tree.put("far.example", "a@far.example")
    n = len(hop.commands)
    run = subprocess.run(tree.argv("far.example"), stderr=subprocess.PIPE)
    expect(b"others may read" in run.stderr and len(hop.commands) == n, run.stderr)


run_cases()
tree.remove()
