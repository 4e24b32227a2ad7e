#!/usr/bin/env python3
# suite: timeout=150
"""flush end to end over DNS and TLS: MX, DANE and MTA-STS, with next hops whose certificates are
right and wrong. In a network namespace of its own, as root."""
import hashlib
import http.server
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dnszones  # noqa: E402
from flush_talk import BUILD, HOST, Tree, case, expect, run_cases, status_of  # noqa: E402
from tlsfeed import Files, make_cert, make_key, openssl  # noqa: E402

if dnszones.missing():
    print("skip flush over DNS: no " + dnszones.missing())
    sys.exit(0)
if os.geteuid() != 0:
    print("skip flush over DNS: only root can be somebody else")
    sys.exit(0)
if not dnszones.enter():
    print("skip flush over DNS: no network namespace to be had")
    sys.exit(0)

WEB = "127.0.0.8"
files = Files()
for name, names, issuer in (
        ("right", ["mx.sec", "mx.enforce.example", "mx.testing.example"], files["ca"]),
        ("alone", ["mx.sec", "mx.enforce.example", "mx.testing.example"], None),
        ("web", ["mta-sts.enforce.example", "mta-sts.testing.example"], files["ca"])):
    make_key(files[name + ".key"], "prime256v1")
    make_cert(files[name + ".crt"], files[name + ".key"], names, issuer)


def tlsa(name):
    public = openssl("x509", "-in", files[name + ".crt"], "-noout", "-pubkey")
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public,
                         check=True, capture_output=True).stdout
    return "TLSA 3 1 1 " + hashlib.sha256(der).hexdigest()


class TlsHop:
    """A server on port 25 that offers STARTTLS with a certificate (None: it does not)."""

    def __init__(self, address, cert, broken=False):
        self.messages, self.commands = [], []
        self.broken, self.context = broken, None
        if cert:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(files[cert + ".crt"], files[cert + ".key"])
        self.listener = socket.create_server((address, 25), backlog=16)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            conn = self.listener.accept()[0]
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        try:
            with conn:
                conn.sendall(b"220 hop ESMTP\r\n")
                if self.talk(conn, "plain") == "STARTTLS":
                    conn.sendall(b"220 go\r\n")
                    if self.broken:
                        conn.recv(1)  # the first octet of a handshake
                        conn.sendall(b"what?\r\n")
                        return
                    with self.context.wrap_socket(conn, server_side=True) as tls:
                        self.talk(tls, tls.version())
        except OSError:
            pass  # it did not like our certificate

    def talk(self, conn, kind):
        f = conn.makefile("rb")
        for line in f:
            verb = line[:8].upper().strip().split(b" ")[0].decode()
            self.commands.append(verb)
            if verb == "STARTTLS":
                return verb
            if verb == "DATA":
                conn.sendall(b"354 go\r\n")
                text = b"".join(iter(f.readline, b".\r\n"))
                self.messages.append((kind, text))
            offer = kind == "plain" and self.context is not None
            conn.sendall(b"250-hop\r\n250 STARTTLS\r\n" if verb == "EHLO" and offer else
                         b"221 bye\r\n" if verb == "QUIT" else b"250 2.0.0 ok\r\n")
        return None

    def take(self):
        """How messages came since the last call."""
        kinds = [kind for kind, _ in self.messages]
        self.messages.clear()
        return kinds


sec = ["dane IN MX 10 mx", "mx IN A 127.0.1.1", "_25._tcp.mx IN " + tlsa("right"),
       "wrong IN MX 10 mxw", "mxw IN A 127.0.1.2", "_25._tcp.mxw IN " + tlsa("right"),
       "both IN MX 10 mxw", "both IN MX 20 mx",
       "plain IN MX 10 mxp", "mxp IN A 127.0.1.3", "_25._tcp.mxp IN " + tlsa("right"),
       "useless IN MX 10 mxu", "mxu IN A 127.0.1.2", "_25._tcp.mxu IN TLSA 1 1 1 " + "ab" * 32,
       "any IN MX 10 mxa", "mxa IN A 127.0.1.2", "none IN MX 10 mxn", "mxn IN A 127.0.1.3",
       "broken IN MX 10 mxb", "mxb IN A 127.0.1.4",
       "null IN MX 0 .", "loop IN MX 10 %s." % HOST, "text IN TXT x"]
zones = dnszones.Zones({"": [], "sec": sec}, {"sec"})
right = TlsHop("127.0.1.1", "right")
wrong = TlsHop("127.0.1.2", "alone")
plain = TlsHop("127.0.1.3", None)
broken = TlsHop("127.0.1.4", "alone", broken=True)
tree = Tree(dns="127.0.0.53", dns_anchor=zones["anchor.key"], tls_ca=files["ca.crt"])
for program in ("tls", "sts"):
    shutil.copy(os.path.join(BUILD, program), tree.dir)


def send(domain):
    """Queues one message and flushes; the log."""
    tree.put(domain, "bob@" + domain)
    return tree.flush(domain)


def drop(domain):
    shutil.rmtree(os.path.join(tree.spool, domain), ignore_errors=True)


def expect_sent(domain, hop, kind, words=""):
    log = send(domain)
    expect(tree.gone(domain) and hop.take() == [kind], domain, "was not sent so:", log)
    expect(words in log and "event=sent" in log, words, log)


def expect_deferred(domain, words=""):
    log = send(domain)
    expect(list(tree.queued(domain).values()) == [["."]], domain, tree.queued(domain), log)
    for hop in (right, wrong, plain, broken):
        expect(hop.take() == [], "the message went out", log)
    expect(words in log, words, log)
    drop(domain)


@case("TLS where there is no policy: any certificate; none, or one that fails, is no obstacle")
def opportunistic():
    expect_sent("any.sec", wrong, "TLSv1.3")
    expect_sent("none.sec", plain, "plain")
    expect_sent("broken.sec", broken, "plain")


@case("DANE: the right key; a wrong one and no STARTTLS mean later, never in clear")
def dane():
    expect_sent("dane.sec", right, "TLSv1.3", "policy=dane")
    expect_deferred("wrong.sec", "policy=dane")
    expect_deferred("plain.sec")


@case("DANE: the next mail server is tried; useless records want TLS, and no proof")
def dane_more():
    expect_sent("both.sec", right, "TLSv1.3", "policy=dane")
    expect_sent("useless.sec", wrong, "TLSv1.3", "policy=dane")


@case("null MX, no such domain, no address, ourselves: bounced with their codes")
def never():
    for domain, code in (("null.sec", "5.1.10"), ("nowhere.sec", "5.1.2"), ("text.sec", "5.4.4"),
                         ("loop.sec", "5.4.6")):
        send(domain)
        expect(tree.gone(domain), domain, "is still queued", tree.log)
        (to, report), = tree.reports()
        blocks = status_of(report)[1]
        expect(to == "alice@src.test" and blocks[0]["Status"] == code, domain, blocks)


class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        mode = self.headers["Host"].split(".")[1]
        body = ("version: STSv1\nmode: %s\nmx: mx.%s.example\nmax_age: 86400\n" % (
            mode, mode)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *unused):
        pass


@case("MTA-STS: enforced and in testing, with certificates that are right and wrong")
def sts():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["web.crt"], files["web.key"])
    server = http.server.ThreadingHTTPServer((WEB, 443), Web)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    names = dnszones.Resolver()
    for mode in ("enforce", "testing"):
        domain = mode + ".example"
        names.records[("_mta-sts." + domain, "TXT")] = ["v=STSv1; id=1;"]
        names.records[("mta-sts." + domain, "A")] = [WEB]
        names.records[(domain, "MX")] = ["10 mx." + domain]
    tree.set(dns=dnszones.DEAD, dns_anchor="none")

    def lead(address):
        for mode in ("enforce", "testing"):
            names.records[("mx.%s.example" % mode, "A")] = [address]
    lead("127.0.1.1")
    expect_sent("enforce.example", right, "TLSv1.3", "policy=sts-enforce")
    expect_sent("testing.example", right, "TLSv1.3", "policy=sts-testing")
    expect(sorted(os.listdir(os.path.join(tree.state, "sts"))) ==
           ["enforce.example", "testing.example"], "what is kept")
    lead("127.0.1.2")
    expect_deferred("enforce.example", "policy=sts-enforce")
    expect_sent("testing.example", wrong, "TLSv1.3", "policy=sts-testing "
                "result=validation-failure")
    lead("127.0.1.3")
    expect_deferred("enforce.example")
    expect_sent("testing.example", plain, "plain")


try:
    run_cases()
finally:
    tree.remove()
    files.remove()
    zones.close()
