#!/usr/bin/env python3
# suite: timeout=120
"""tls from outside: versions, certificates, resumption, what is refused, the facts it
tells, the octets it carries, reload, and the death of its key holder."""
import base64
import contextlib
import hashlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from listening import Bad, case, expect, run_cases, wait_for  # noqa: E402
from tlsfeed import (SECONDS, Files, Tls, client_context, is_gone, openssl, receive,  # noqa: E402
                     receive, sleep_until)

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
EC, RSA = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"
# What TLS 1.3 agrees on where both sides know it.
HYBRID = "X25519MLKEM768" if ssl.OPENSSL_VERSION_INFO >= (3, 5) else "x25519"
files = Files()


def der(path):
    with open(path, encoding="ascii") as f:
        return ssl.PEM_cert_to_DER_cert(f.read())


def endpoint(path):
    """RFC 5929 4.1; all of ours are signed with SHA-256."""
    return base64.b64encode(hashlib.sha256(der(path)).digest()).decode()


# -- handshakes --------------------------------------------------------------------


@case("TLS 1.3 and 1.2, ECDSA and RSA side by side, and the facts of each")
def versions():
    with Tls(files) as t:
        for version, ciphers, cert in ((V13, None, None), (V12, EC, "ec"), (V12, RSA, "rsa")):
            with t.link(client_context(version, ciphers)) as link:
                link.echo()
                f = link.facts
                expect(f["version"] == link.client.version(), f)
                expect(f["sni"] == "mx.test" and f["group"] == (HYBRID if version == V13 else
                                                               "x25519"), f)
                expect(f["resumed"] == f["verified"] == f["subject"] == f["email"] == "", f)
                expect(len(base64.b64decode(f["exporter"])) == 32, f)
                if cert:
                    expect(link.client.getpeercert(True) == der(files[cert + ".crt"]),
                           "another certificate")
                    expect(f["endpoint"] == endpoint(files[cert + ".crt"]), f)
        expect(t.log() == "", t.log())


@case("the name asked for chooses the certificate; an unknown one gets the default")
def names():
    section = "[tls other.test]\ncert = other.crt\nkey = other.key\n"
    with Tls(files, sections=section) as t:
        for name, cert in (("other.test", "other"), ("OTHER.test", "other"), ("mx.test", "ec"),
                           ("x.other.test", "ec"), (None, "ec")):
            with t.link(client_context(), name) as link:
                expect(link.client.getpeercert(True) == der(files[cert + ".crt"]),
                       "%s got another certificate" % name)
                expect(link.facts["sni"] == (name or ""), link.facts)
                expect(link.facts["endpoint"] == endpoint(files[cert + ".crt"]), link.facts)


@case("a session is resumed by another process, before and after a reload")
def resumption():
    with Tls(files, "session-reuse = 1\n") as t:
        for version, ciphers, cert in ((V13, None, "ec"), (V12, EC, "ec"), (V12, RSA, "rsa")):
            context = client_context(version, ciphers)
            with t.link(context) as link:
                link.echo()
                session = link.client.session
                first = t.processes("tls-relay")
            for again in range(3):
                if again == 2:
                    t.reload()
                with t.link(context, session=session) as link:
                    link.echo()
                    expect(link.client.session_reused, "not resumed")
                    expect(link.facts["resumed"] == "yes", link.facts)
                    # The certificate that the client saw, which may not be the first one.
                    expect(link.facts["endpoint"] == endpoint(files[cert + ".crt"]), link.facts)
                    expect(set(t.processes("tls-relay")) - set(first), "the same process")
                    session = link.client.session


@case("a ticket that is not ours leads to a full handshake")
def foreign_ticket():
    context = client_context(V13)
    with Tls(files) as one:
        with one.link(context) as link:
            link.echo()
            session = link.client.session
    with Tls(files) as other, other.link(context, session=session) as link:
        link.echo()
        expect(not link.client.session_reused and link.facts["resumed"] == "", link.facts)


def expect_refused(t, context, *words):
    """The handshake fails for the client, for the asker, and in one line of the log."""
    lines = t.log().count("\n")
    link = t.connect()
    try:
        context.wrap_socket(link.client, server_hostname="mx.test").recv(1)
        raise Bad("the handshake was made")
    except (ssl.SSLError, ConnectionResetError):
        pass
    expect(link.is_refused(), "the asker was not told")
    log = t.log().splitlines()[lines:]
    expect(len(log) == 1 and log[0].startswith("event=tls-failed session=s1 client=192.0.2.1 "),
           log)
    for word in words:
        expect(word in log[0], log)


@case("ALPN: mail or nothing")
def alpn():
    with Tls(files) as t:
        for offered, chosen in ((["smtp"], "smtp"), (["h2", "esmtp"], "esmtp"), (None, None)):
            context = client_context()
            if offered:
                context.set_alpn_protocols(offered)
            with t.link(context) as link:
                expect(link.client.selected_alpn_protocol() == chosen, offered)
        for offered in (["h2", "http/1.1"], ["imap"], ["pop3"], ["smtpx"]):
            context = client_context()
            context.set_alpn_protocols(offered)
            expect_refused(t, context, 'reason="no application protocol"')


@case("TLS 1.1 and older, RSA key exchange, CBC: refused")
def old():
    with Tls(files) as t:
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = client_context(version, "ALL:@SECLEVEL=0")
            expect_refused(t, context, 'reason="unsupported protocol"', 'alert="sent ')
        for cipher in ("AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256",
                       "ECDHE-ECDSA-AES256-SHA", "DHE-RSA-AES128-GCM-SHA256"):
            expect_refused(t, client_context(V12, cipher), 'reason="no shared cipher"')


@case("the client's choice of ChaCha20 is honoured, otherwise ours counts")
def preference():
    with Tls(files) as t:
        for ciphers, wanted in (
                ("ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256", "CHACHA20"),
                ("ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256", "AES_128_GCM")):
            with t.link(client_context(V12, ciphers)) as link:
                expect(wanted in link.facts["cipher"], link.facts)


@case("client certificates: asked for, reported, never fatal; a resumed session keeps them")
def client_certificates():
    fingerprint = hashlib.sha256(der(files["client.crt"])).hexdigest()
    with Tls(files, "tls-client-ca = ca.crt\n") as t:
        for version in (V12, V13):
            context = client_context(version)
            context.load_cert_chain(files["client.crt"], files["client.key"])
            session = None
            for resumed in ("", "yes"):
                with t.link(context, session=session) as link:
                    link.echo()
                    session = link.client.session
                    f = link.facts
                    expect(f["resumed"] == resumed and f["verified"] == "yes", f)
                    expect(f["subject"] == "CN=client.test", f)
                    expect(f["email"] == "alice@example.test", f)
                    expect(f["fingerprint"] == fingerprint, f)
            context = client_context(version)
            context.load_cert_chain(files["other.crt"], files["other.key"])
            with t.link(context) as link:
                link.echo()
                expect(link.facts["verified"] == "", link.facts)
                expect(link.facts["subject"] == "CN=other.test", link.facts)
            with t.link(client_context(version)) as link:
                expect(link.facts["subject"] == link.facts["verified"] == "", link.facts)
        expect(t.log() == "", t.log())


@case("tls-exporter is the client's own value")
def exporter():
    with Tls(files) as t:
        for version in ("-tls1_3", "-tls1_2"):
            with socket.create_server(("127.0.0.1", 0)) as door:
                client = subprocess.Popen(
                    ["openssl", "s_client", "-connect", "127.0.0.1:%d" % door.getsockname()[1],
                     version, "-keymatexport", "EXPORTER-Channel-Binding",
                     "-keymatexportlen", "32"],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                conn, _ = door.accept()
            plain, asker = t.serve(conn)
            conn.close()
            packet = asker.recv(4096).split(b"\0")
            plain.close()
            out, _ = client.communicate(timeout=SECONDS)
            material = re.search(rb"Keying material: ([0-9A-F]{64})", out)
            expect(material, "no keying material: %r" % out[-300:])
            expect(base64.b64decode(packet[9]) == bytes.fromhex(material.group(1).decode()),
                   "another value")


# -- octets ------------------------------------------------------------------------


def carry(read_from, write_to, data):
    got = []
    reader = threading.Thread(target=lambda: got.append(receive(read_from, len(data))))
    reader.start()
    write_to.sendall(data)
    reader.join(SECONDS * 3)
    expect(got and got[0] == data, "%d octets of %d, or others" % (
        len(got[0]) if got else 0, len(data)))


@case("25 MB, both ways, octet for octet")
def large():
    data = os.urandom(1 << 20) * 25
    with Tls(files) as t, t.link() as link:
        carry(link.plain, link.client, data)
        carry(link.client, link.plain, data)


@case("who does not read stops who sends, both ways; then all of it comes")
def slow():
    data = os.urandom(1 << 16) * 256
    with Tls(files) as t, t.link() as link:
        for source, target in ((link.client, link.plain), (link.plain, link.client)):
            source.settimeout(0.4)
            sent = 0
            try:
                while sent < len(data):
                    sent += source.send(data[sent:sent + 16384])
                raise Bad("16 MB went in and nobody read")
            except TimeoutError:
                source.settimeout(SECONDS)
            expect(receive(target, sent) == data[:sent], "other octets")


@case("the client says close_notify: the session sees the end, its reply still arrives")
def client_closes():
    with Tls(files) as t:
        for version in (V12, V13):
            with t.link(client_context(version)) as link:
                link.client.sendall(b"QUIT\r\n")
                link.client.settimeout(0)
                try:
                    link.client.unwrap()
                except ssl.SSLWantReadError:
                    pass
                link.client.settimeout(SECONDS)
                expect(receive(link.plain, 7) == b"QUIT\r\n", "not what was sent, or no end")
                link.plain.sendall(b"221 bye\r\n")
                link.plain.close()
                # Python will not read after its close_notify: the record is on the wire.
                raw = socket.socket(fileno=os.dup(link.client.fileno()))
                raw.settimeout(SECONDS)
                expect(len(receive(raw, 1000)) > 20, "no reply")


@case("the session ends: its last words, then close_notify, then the end")
def session_closes():
    with Tls(files) as t:
        for version in (V12, V13):
            with t.link(client_context(version)) as link:
                link.echo()
                link.plain.sendall(b"221 bye\r\n")
                link.plain.close()
                expect(receive(link.client, 9) == b"221 bye\r\n", "no last words")
                expect(link.client.recv(1) == b"", "no close_notify")
                link.client.unwrap().close()
            expect(sleep_until(lambda: not t.processes("tls-relay")), "a relay is left")


@case("the session leaves input unread: its reply arrives all the same")
def unread():
    with Tls(files) as t, t.link() as link:
        link.echo()
        link.client.sendall(b"x" * 200000)
        wait_for(lambda: link.plain.recv(1, socket.MSG_PEEK), "nothing arrived")
        link.plain.sendall(b"421 enough\r\n")
        link.plain.close()
        expect(receive(link.client, 12) == b"421 enough\r\n", "no reply")
        expect(link.client.recv(1) == b"", "no close_notify")


@case("a connection that is cut without close_notify is the end of file, no more")
def truncation():
    with Tls(files) as t:
        for cut in (lambda s: s.shutdown(socket.SHUT_WR), reset):
            with t.link() as link:
                link.client.sendall(b"BDAT 1000\r\nhalf of it")
                expect(receive(link.plain, 21) == b"BDAT 1000\r\nhalf of it", "not that")
                cut(link.client)
                expect(link.plain.recv(100) == b"", "no end of file")
                link.plain.close()
            expect(sleep_until(lambda: not t.processes("tls-relay")), "a relay is left")


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    os.close(client.detach())


@case("a forged record ends the connection; what came before it is delivered")
def forged():
    with Tls(files) as t, t.link() as link:
        link.client.sendall(b"DATA\r\n")
        expect(receive(link.plain, 6) == b"DATA\r\n", "not what was sent")
        raw = socket.socket(fileno=os.dup(link.client.fileno()))
        raw.sendall(b"\x17\x03\x03\x00\x20" + os.urandom(32))
        expect(link.plain.recv(100) == b"", "something came of it")
        link.plain.close()
        expect(sleep_until(lambda: not t.processes("tls-relay")), "a relay is left")
        raw.close()


@case("a client that closes before it has read its ticket loses nothing")
def early_close():
    with Tls(files) as t:
        for _ in range(20):
            link = t.connect()
            link.client = client_context(V13).wrap_socket(link.client, server_hostname="mx.test")
            link.client.sendall(b"NOOP\r\n")
            link.client.close()
            link.read_facts()
            expect(receive(link.plain, 7) == b"NOOP\r\n", "not what was sent, or no end")
            link.close()
        expect(t.log() == "", t.log())


@case("a client that never ends is not waited for")
def linger():
    with Tls(files) as t, t.link() as link:
        link.echo()
        link.plain.close()
        pid = t.processes("tls-relay")[0]
        end = time.monotonic() + 10
        with_errors = 0
        while time.monotonic() < end and pid in t.processes("tls-relay"):
            try:
                link.client.send(b"x" * 1000)
            except OSError:
                with_errors += 1
            time.sleep(0.05)
        expect(pid not in t.processes("tls-relay"), "the relay is still there")


# -- life --------------------------------------------------------------------------


@case("reload: bad files change nothing, good ones count, no connection is lost")
def reload():
    with Tls(files) as t, t.link() as old_link:
        for wrong in ("other.crt ec.key", "nothing.crt ec.key", "ec.crt nothing.key",
                      "ec.crt ca.crt"):
            cert, key = wrong.split()
            with open(t["postern.conf"], "w", encoding="ascii") as f:
                f.write("hostname = mx.test\nstate = state\ntls-cert = %s\ntls-key = %s\n" % (
                    cert, key))
            t.reload("reload failed: the certificates of before stay")
            with t.link() as link:
                expect(link.client.getpeercert(True) == der(files["ec.crt"]), wrong)
        with open(t["postern.conf"], "w", encoding="ascii") as f:
            f.write("hostname = mx.test\nfrobnicate = yes\n")
        t.reload("reload failed")
        t.write_conf("new")
        t.reload()
        with t.link() as link:
            expect(link.client.getpeercert(True) == der(files["new.crt"]), "the old one")
        old_link.echo()
        expect(sleep_until(lambda: len(t.processes("tls-keys")) == 1),
               "key holders are left: %s" % t.processes("tls-keys"))
        for word in ("nothing.crt", "nothing.key", "frobnicate", "ca.crt",
                     "its key is not the one"):
            expect(word in t.log(), "the log does not name %s" % word)


@case("a handshake in progress while tls reloads is finished")
def reload_during_handshake():
    with Tls(files) as t:
        link = t.connect()
        wait_for(lambda: t.processes("tls-relay"), "no relay")
        t.reload()
        link.shake_hands(client_context())
        link.echo()
        link.close()


@case("the key holder is killed: connections go on, another takes its place")
def holder_killed():
    with Tls(files) as t, t.link() as link:
        link.echo()
        for _ in range(2):
            pid = t.processes("tls-keys")[0]
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda p=pid: is_gone(p), "it lives")
            with t.link() as other:
                other.echo()
        link.echo()
        expect(t.log().count("the key holder has ended") == 2, t.log())


@case("the ancestor of the relays is killed: connections go on, another takes its place")
def ancestor_dies():
    with Tls(files) as t, t.link() as link:
        for again in (1, 2):
            os.kill(t.processes("tls-ancestor")[0], signal.SIGKILL)
            t.wait_log("the ancestor of the relays has ended", again)
            with t.link() as other:
                other.echo()
        link.echo()
        expect(len(t.processes("tls-ancestor")) == 1, "more than one ancestor")
        t.deaths = 2


@case("session-reuse: relays serve several connections, as many as it says, each by itself")
def reuse():
    with Tls(files, "session-reuse = 3\n") as t:
        seen, exporters, hellos = [], set(), set()
        for _ in range(12):
            with t.link() as link:
                link.echo()
                seen += t.processes("tls-relay")
                exporters.add(link.facts["exporter"])
            expect(sleep_until(lambda: not t.processes("tls-relay")), "it goes on")
        expect(max(map(seen.count, seen)) == 3, "served by %s" % seen)
        expect(len(exporters) == 12, "two handshakes are the same")
        for _ in range(12):
            hellos |= set(server_hello(t))
        # A relay is put back to what it was: not its random numbers.
        expect(len(hellos) == 24, "a random number comes twice")
        context = client_context(V13)
        with t.link(context) as link:
            link.echo()
            session = link.client.session
        t.reload()
        with t.link(context, session=session) as link:
            link.echo()
            expect(link.facts["resumed"] == "yes", link.facts)


def server_hello(t):
    """(its random number, its share of the key), as they are on the wire (RFC 8446 4.1.3)."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = client_context(V13)
    client = context.wrap_bio(into, out, server_hostname="mx.test")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    link = t.connect()
    link.client.sendall(out.read())
    octets = receive(link.client, 122)
    link.close()
    expect(octets[0] == 22 and octets[5] == 2, "no ServerHello: %s" % octets.hex())
    return octets[11:43], octets[-32:]


@case("tls is told to stop: connections go on")
def stop():
    with Tls(files) as t, t.link() as link:
        t.process.send_signal(signal.SIGTERM)
        expect(t.process.wait(SECONDS) == 0, "exit code")
        link.echo()
        expect(sleep_until(lambda: not t.processes("tls-keys")), "the key holder is left")


@case("the asker goes away before the end of the handshake: so does the relay")
def asker_gone():
    with Tls(files) as t:
        link = t.connect()
        wait_for(lambda: t.processes("tls-relay"), "no relay")
        link.asker.close()
        expect(sleep_until(lambda: not t.processes("tls-relay")), "the relay is left")
        link.client.settimeout(SECONDS)
        expect(link.client.recv(1) == b"", "the connection is open")
        link.close()
        expect(t.log() == "", t.log())


@case("requests that are none are closed and logged")
def bad_requests():
    with Tls(files) as t:
        one, two = socket.socketpair()
        for packet, fds in ((b"", []), (b"s", []), (b"x1\0a\0s\0", [one.fileno(), two.fileno()]),
                            (b"s1\0a\0s\0", []), (b"s1\0a\0s\0", [one.fileno()]),
                            (b"s1\0a\0s", [one.fileno(), two.fileno()]),
                            (b"s1\0a\0s\0x\0", [one.fileno(), two.fileno()])):
            asker = t.asker()
            if packet:
                socket.send_fds(asker, [packet], fds)
            else:
                asker.shutdown(socket.SHUT_WR)
            expect(asker.recv(100) == b"", "an answer to %r" % packet)
            asker.close()
        # Neither TCP nor anything that could be a client.
        asker = t.asker()
        socket.send_fds(asker, [b"s1\0a\0s\0"], [os.open("/dev/null", os.O_RDWR)] * 2)
        expect(asker.recv(100)[:1] == b"-", "not refused")
        with t.link() as link:
            link.echo()


@case("a certificate that is missing, with a passphrase, of Ed25519: told, exit 111")
def cannot_start():
    openssl("genpkey", "-algorithm", "ed25519", "-out", files["ed.key"])
    openssl("req", "-x509", "-new", "-key", files["ed.key"], "-subj", "/CN=mx.test", "-out",
            files["ed.crt"])
    openssl("ec", "-in", files["ec.key"], "-aes128", "-passout", "pass:x", "-out",
            files["locked.key"])
    os.link(files["ec.crt"], files["locked.crt"])
    with open(files["conf"], "w", encoding="ascii") as f:
        f.write("hostname = mx.test\n")
    for conf, word in (("locked", "passphrase"),
                       ("ed", "expected RSA"), ("gone", "No such file")):
        with open(files["conf"], "w", encoding="ascii") as f:
            f.write("hostname = mx.test\nsession-user = 61002\n")
            f.write("tls-cert = %s.crt\ntls-key = %s.key\n" % (conf, conf))
        done = subprocess.run([os.path.join(os.environ.get("BUILD", "build"), "tls"), "-c",
                               files["conf"], "-F"], capture_output=True, timeout=SECONDS)
        expect(done.returncode == 111 and word.encode() in done.stderr,
               "%s: %d %r" % (conf, done.returncode, done.stderr))
    for name in ("ed.key", "ed.crt", "locked.key", "locked.crt", "conf"):
        os.unlink(files[name])


try:
    run_cases()
finally:
    files.remove()
