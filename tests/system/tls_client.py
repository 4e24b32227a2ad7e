#!/usr/bin/env python3
# suite: timeout=120
"""tls as a client: servers with right and wrong certificates, asked for nobody, for a name and
for TLSA records; the facts it tells; a host without a certificate of its own."""
import contextlib
import hashlib
import os
import socket
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from listening import case, expect, run_cases  # noqa: E402
from tlsfeed import FACTS, SECONDS, Files, Tls, make_cert, make_key, openssl  # noqa: E402

files = Files()
# A chain: root (ca) - between - mx.example; and names that do not fit.
make_key(files["between.key"], "prime256v1")
openssl("req", "-x509", "-new", "-key", files["between.key"], "-subj", "/CN=Between", "-days",
        "90", "-out", files["between.crt"], "-CA", files["ca.crt"], "-CAkey", files["ca.key"],
        "-addext", "basicConstraints=critical,CA:TRUE")
for name, names, issuer, days in (
        ("leaf", ["mx.example", "other.example"], "between", "90"),
        ("wild", ["*.mail.example"], "between", "90"), ("part", ["m*.example"], "between", "90"),
        ("domain", ["domain.example"], "between", "90"), ("alone", ["mx.example"], None, "90")):
    make_key(files[name + ".key"], "prime256v1")
    make_cert(files[name + ".crt"], files[name + ".key"], names,
              files[issuer] if issuer else None, days=days)
make_key(files["address.key"], "prime256v1")
openssl("req", "-x509", "-new", "-key", files["address.key"], "-subj", "/CN=x", "-days", "90",
        "-out", files["address.crt"], "-CA", files["between.crt"], "-CAkey",
        files["between.key"], "-addext", "subjectAltName=IP:127.0.0.1")
# Without subjectAltName, and one that has ended.
make_key(files["cn.key"], "prime256v1")
openssl("req", "-x509", "-new", "-key", files["cn.key"], "-subj", "/CN=mx.example", "-days", "90",
        "-out", files["cn.crt"], "-CA", files["between.crt"], "-CAkey", files["between.key"])
make_key(files["old.key"], "prime256v1")
openssl("req", "-new", "-key", files["old.key"], "-subj", "/CN=mx.example", "-out",
        files["old.csr"])
with open(files["old.ext"], "w", encoding="ascii") as f:
    f.write("subjectAltName=DNS:mx.example\n")
openssl("x509", "-req", "-in", files["old.csr"], "-CA", files["between.crt"], "-CAkey",
        files["between.key"], "-set_serial", "7", "-extfile", files["old.ext"], "-out",
        files["old.crt"], *(("-days", "-1") if ssl.OPENSSL_VERSION_INFO < (3, 4) else
                            ("-not_before", "20200101000000Z", "-not_after", "20200201000000Z")))
for name in ("leaf", "wild", "part", "domain", "address", "cn", "old"):
    with open(files[name + ".pem"], "w", encoding="ascii") as out:
        for part in (name, "between", "ca"):
            with open(files[part + ".crt"], encoding="ascii") as f:
                out.write(f.read())
os.link(files["alone.crt"], files["alone.pem"])
CA = "tls-ca = ca.crt\n"


class Client(Tls):
    """tls without a certificate of its own."""

    def write_conf(self, keys, conf="", sections=""):
        if keys:
            super().write_conf(keys, conf, sections)
            return
        with open(self["postern.conf"], "w", encoding="ascii") as f:
            user = "session-user = 61002\n" if os.geteuid() == 0 else ""
            f.write("hostname = mx.test\nstate = state\n" + user + conf)


def der(name):
    with open(files[name + ".crt"], encoding="ascii") as f:
        return ssl.PEM_cert_to_DER_cert(f.read())


def tlsa(usage, selector, matching, name):
    data = der(name)
    if selector == 1:
        public = openssl("x509", "-in", files[name + ".crt"], "-noout", "-pubkey")
        data = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public,
                              check=True, capture_output=True).stdout
    if matching:
        data = (hashlib.sha256 if matching == 1 else hashlib.sha512)(data).digest()
    return "%d %d %d %s" % (usage, selector, matching, data.hex())


class Server:
    """One TLS server for one connection, which says 220 and echoes."""

    def __init__(self, cert, options=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(files[cert + ".pem"], files[cert + ".key"])
        self.sni = []
        self.context.sni_callback = lambda s, name, c: self.sni.append(name)
        if options:
            options(self.context)
        self.door = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        conn, _ = self.door.accept()
        conn.settimeout(SECONDS)
        with contextlib.suppress(OSError), conn:
            with self.context.wrap_socket(conn, server_side=True) as tls:
                self.version = tls.version()
                tls.sendall(b"220 \r\n")
                while data := tls.recv(65536):
                    tls.sendall(data)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.door.close()
        self.thread.join(SECONDS)


def connect(t, server, verify, names="mx.example", records=(), peer="127.0.0.1"):
    """Facts and the plain end; or the reason and None."""
    conn = socket.create_connection(server.door.getsockname(), timeout=SECONDS)
    ours, theirs = socket.socketpair()
    asker = t.asker()
    words = ["s1", peer, names, verify] + list(records)
    socket.send_fds(asker, [b"c" + b"".join(w.encode() + b"\0" for w in words)],
                    [conn.fileno(), theirs.fileno()])
    conn.close()
    theirs.close()
    answer = asker.recv(4096)
    asker.close()
    ours.settimeout(SECONDS)
    fields = answer[1:].split(b"\0")[:-1]
    if answer[:1] == b"+":
        return dict(zip(FACTS, (x.decode() for x in fields))), ours
    ours.close()
    expect(answer[:1] == b"-" and len(fields) == 1, "a strange answer %r" % answer)
    return fields[0].decode(), None


def expect_up(t, cert, verify, verified, options=None, sni="mx.example", **more):
    with Server(cert, options) as server:
        facts, plain = connect(t, server, verify, **more)
        expect(plain is not None, "%s with %s: %s" % (verify, cert, facts))
        with plain:
            expect(plain.recv(100) == b"220 \r\n", "no greeting")
            plain.sendall(b"EHLO x\r\n")
            expect(plain.recv(100) == b"EHLO x\r\n", "no echo")
        expect(facts["verified"] == ("yes" if verified else ""), "%s %s: %r" % (
            verify, cert, facts))
        expect(server.sni == [sni], server.sni)
    return facts


def expect_down(t, cert, verify, reason, options=None, **more):
    with Server(cert, options) as server:
        why, plain = connect(t, server, verify, **more)
        expect(plain is None, "%s with %s came up" % (verify, cert))
        expect(reason in why, "the reason is %r" % why)


@case("nobody in particular: any certificate will do; the facts; TLS 1.2")
def none():
    with Client(files, keys="") as t:
        for cert in ("leaf", "alone", "old", "cn", "domain"):
            f = expect_up(t, cert, "none", False)
            expect(f["fingerprint"] == hashlib.sha256(der(cert)).hexdigest(), f)
            expect(f["version"] == "TLSv1.3" and f["sni"] == "mx.example", f)
            expect(f["resumed"] == "" and f["email"] == "" and f["exporter"] != "", f)
            expect(f["subject"].startswith("CN="), f)

        def only_12(context):
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        f = expect_up(t, "leaf", "none", False, only_12)
        expect(f["version"] == "TLSv1.2", f)
        expect_up(t, "leaf", "none", False, names="", sni=None)
        expect(t.log() == "", t.log())


@case("by name: the authority, the name and the dates have to be right")
def by_name():
    with Client(files, CA, keys="") as t:
        for cert, names in (("leaf", "mx.example"), ("leaf", "OTHER.example"),
                            ("wild", "mx.mail.example"), ("domain", "mx.example domain.example")):
            expect_up(t, cert, "name", True, names=names, sni=names.split()[0])
        for cert, names, reason in (
                ("leaf", "mx2.example", "hostname mismatch"),
                ("wild", "a.mx.mail.example", "hostname mismatch"),
                ("part", "mx.example", "hostname mismatch"),
                ("cn", "mx.example", "hostname mismatch"),
                ("alone", "mx.example", "self-signed"),
                ("old", "mx.example", "expired")):
            expect_down(t, cert, "name", reason, names=names)
        expect_down(t, "leaf", "name", "IP address mismatch", names="")
        expect_up(t, "address", "name", True, names="", sni=None)
        expect_up(t, "address", "name", True, names="127.0.0.1", sni=None)
        expect(t.log().count("event=tls-failed") == 7 and "host=mx2.example" in t.log(), t.log())


@case("tried by name: who fails is served, and the facts say so")
def tried():
    with Client(files, CA, keys="") as t:
        for cert, good in (("leaf", True), ("alone", False), ("old", False), ("domain", False)):
            for _ in range(2):  # the second time the parent has the authorities
                expect_up(t, cert, "try", good)


@case("no authorities: by name fails, tried comes up, the others do not care")
def no_authorities():
    with Client(files, "tls-ca = gone.crt\n", keys="") as t:
        expect_down(t, "leaf", "name", "certificates of authorities")
        expect_up(t, "leaf", "none", False)
        expect_up(t, "leaf", "dane", True, records=[tlsa(3, 1, 1, "leaf")])
        expect("gone.crt" in t.log(), t.log())


@case("DANE: usage 3 and 2, both selectors, every matching type")
def dane():
    with Client(files, keys="") as t:
        for selector in (0, 1):
            for matching in (0, 1, 2):
                # RFC 7672 3.1.1: names and dates do not matter with usage 3.
                for cert in ("alone", "old", "domain"):
                    expect_up(t, cert, "dane", True, records=[tlsa(3, selector, matching, cert)])
                for authority in ("between", "ca"):
                    expect_up(t, "leaf", "dane", True,
                              records=[tlsa(2, selector, matching, authority)])
        wrong = tlsa(3, 1, 1, "alone")
        expect_up(t, "leaf", "dane", True, records=[wrong] * 11 + [tlsa(3, 0, 2, "leaf")])
        expect(t.log() == "", t.log())


@case("DANE: another key, another name with usage 2, dates with usage 2, nothing usable")
def dane_wrong():
    with Client(files, CA, keys="") as t:
        for cert, records, names, reason in (
                ("leaf", [tlsa(3, 1, 1, "alone")], "mx.example", "DANE"),
                ("leaf", [tlsa(2, 1, 1, "alone")], "mx.example", "DANE"),
                ("domain", [tlsa(2, 1, 1, "ca")], "mx.example", "hostname mismatch"),
                ("old", [tlsa(2, 1, 1, "ca")], "mx.example", "expired"),
                ("leaf", ["0 0 9 00", "3 1 1 00"], "mx.example", "no usable"),
                ("leaf", ["3 1 1 " + "zz" * 32, "rubbish", ""], "mx.example", "no usable"),
                ("leaf", [], "mx.example", "no usable"),
                ("leaf", [tlsa(3, 1, 1, "leaf")], "", "DANE")):
            expect_down(t, cert, "dane", reason, names=names, records=records)
        # RFC 7672 3.2.2: the recipient's domain will do, too.
        expect_up(t, "domain", "dane", True, names="mx.example domain.example",
                  records=[tlsa(2, 1, 1, "ca")])


@case("old TLS, a plain server, silence, and an end: failures with a reason")
def failures():
    with Client(files, "[timeouts]\nhandshake = 1s\n", keys="") as t:
        for words, reason in ((b"220 mx ESMTP\r\n" * 4, "wrong version"), (b"", "closed"),
                              (None, "timeout"), (b"\x15\x03\x03\0\x02\x02\x28", "handshake failure")):
            with socket.create_server(("127.0.0.1", 0)) as door:
                conn = socket.create_connection(door.getsockname())
                server, _ = door.accept()
                asker = t.asker()
                ours, theirs = socket.socketpair()
                socket.send_fds(asker, [b"cs1\0" + b"192.0.2.1\0mx.example\0none\0"],
                                [conn.fileno(), theirs.fileno()])
                conn.close()
                theirs.close()
                if words is not None:
                    server.sendall(words)
                    server.shutdown(socket.SHUT_WR)
                answer = asker.recv(4096)
                expect(answer[:1] == b"-" and reason.encode() in answer, "%r: %r" % (words, answer))
                for s in (server, ours, asker):
                    s.close()


@case("without a certificate of our own nobody is served; a reload brings one")
def client_only():
    with Client(files, keys="") as t:
        a, b = socket.socketpair()
        plain, asker = t.serve(b)
        answer = asker.recv(4096)
        expect(answer.startswith(b"-no certificate"), answer)
        for s in (a, b, plain, asker):
            s.close()
        t.write_conf("ec")
        t.process.send_signal(1)
        t.wait_log("reloaded")
        with t.link() as link:
            link.echo()
        expect_up(t, "leaf", "none", False)


@case("requests of clients that are none are closed")
def bad_requests():
    with Client(files, keys="") as t:
        for words in (["s", "p", "n"], ["s", "p", "n", "all"], ["s", "p", "n", "none", "3 1 1 00"],
                      ["s", "p", "n", "dane"] + ["x"] * 13, []):
            a, b = socket.socketpair()
            asker = t.asker()
            socket.send_fds(asker, [b"c" + b"".join(w.encode() + b"\0" for w in words)],
                            [a.fileno(), b.fileno()])
            expect(asker.recv(100) == b"", "an answer to %r" % words)
            for s in (a, b, asker):
                s.close()


try:
    run_cases()
finally:
    files.remove()
