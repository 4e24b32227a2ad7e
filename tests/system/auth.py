#!/usr/bin/env python3
# suite: timeout=120
"""auth from the keeper's side: every mechanism, with what proves a login and what does
not, and with what is no message of it."""
import base64
import hashlib
import hmac
import os
import re
import signal
import time

from auth_talk import (BUILD, PASSWORD, TLS, Auth, Bad, Scram, Tree, b64, case, check_log,
                       expect, is_last, packet, plain, run_cases, say, scram)

NAME = "alice@here.test"
# argon2id of "pencil" with 8 KiB, one pass and the salt "somesaltsomesalt".
WEAK = "frxJfcMcVf8Q65vTqNCD78DUvbJfeWmQLB3OQ65zqWg"
tree = Tree(timeouts_command="2s")
tree.password()
tree.copy("bob", "carl", "dora", "emil", "frida", "gustav")
tree.postern("user", "add", "zoe@here.test", "--no-password")
auth = tree.start()


def source(n):
    """A client of its own for each case, so that failures do not add up."""
    return {"client": "192.0.2.%d" % n}


def reason(word, login=None):
    """The last line of the log says so; it stands there before the client is told."""
    line = tree.lines("event=auth")[-1]
    expect(re.search(r" reason=%s$" % word, line.strip()), word, line)
    expect(login is None or " login=%s " % login in line, login, line)


@case("PLAIN: a password, and the login in its canonical form")
def _():
    for typed in (NAME, "Alice@HERE.Test", "alice+x@here.test"):
        is_last(plain(auth, typed, PASSWORD, **source(1)), "+", NAME)
    is_last(plain(auth, NAME, PASSWORD, NAME, **source(1)), "+", NAME)
    a = say(auth, "PLAIN", None, b64("\0%s\0%s" % (NAME, PASSWORD)), **source(1))
    is_last(a, "+", NAME)
    line = tree.lines("event=auth ")[-1].strip()
    expect(line == "event=auth session=s1 client=192.0.2.1 login=%s mechanism=PLAIN" % NAME,
           line)


@case("PLAIN: wrong password, unknown login, another's name")
def _():
    is_last(plain(auth, "bob@here.test", "wrong", **source(2)), "-")
    reason("password", "bob@here.test")
    is_last(plain(auth, "nobody@here.test", PASSWORD, **source(2)), "-")
    reason("unknown", "nobody@here.test")
    is_last(plain(auth, "zoe@here.test", PASSWORD, **source(2)), "-")
    reason("unknown")
    is_last(plain(auth, "bob@here.test", PASSWORD, "carl@here.test", **source(2)), "-")
    reason("authorization")
    is_last(plain(auth, "alice", PASSWORD, **source(2)), "-")
    reason("unknown", "alice@mx.here.test")
    is_last(plain(auth, "../../x", PASSWORD, **source(2)), "-")
    is_last(plain(auth, "bob@here.test", "\x07", **source(2)), "-")
    expect(len(tree.lines("event=auth-failed", "client=192.0.2.2 ")) == 7, "one line each")


@case("PLAIN: what is no message of it")
def _():
    for text in ("", "\0\0", "a\0b", "\0a\0", "\0\0b", "\0a\0b\0", "\0a\0b\0c", "a",
                 "\0%s\0x" % ("a" * 256), "\0a\0%s" % ("x" * 256), "%s\0a\0x" % ("a" * 256)):
        is_last(say(auth, "PLAIN", None, b64(text)), "m")
    for text in ("=", "*", "!", "AA", "AAA", "AGEAYg==\n", "AGEAYg==AGEAYg==", "AGEAYg"):
        is_last(say(auth, "PLAIN", text), "m")
    reason("base64")


@case("passwords are prepared by SASLprep")
def _():
    tree.password("bob@here.test", "\u2168 \u00adx")           # ROMAN NUMERAL NINE
    is_last(plain(auth, "bob@here.test", "IX x", **source(3)), "+")
    is_last(plain(auth, "bob@here.test", "\u2168\u00a0x", **source(3)), "+")


@case("LOGIN")
def _():
    a = auth.connect()
    a.begin("LOGIN", **TLS)
    expect(a.challenge() == b"Username:", a.text)
    a.respond(b64("carl@here.test"))
    expect(a.challenge() == b"Password:", a.text)
    a.respond(b64(PASSWORD))
    is_last(a, "+", "carl@here.test")
    is_last(say(auth, "LOGIN", b64("carl@here.test"), b64(PASSWORD), **source(4)), "+")
    is_last(say(auth, "LOGIN", None, b64("carl@here.test"), b64("x"), **source(4)), "-")
    reason("password", "carl@here.test")
    for texts in (("",), ("*",), (b64("a\0b"),), (b64("a"), ""), (b64("a"), b64("b\0c")),
                  (b64("a" * 256),), (b64("a"), b64("b" * 256)), (b64("a"), "*")):
        is_last(say(auth, "LOGIN", None, *texts, **source(4)), "m")


@case("SCRAM-SHA-256")
def _():
    for _ in range(2):
        is_last(scram(auth, Scram(NAME, PASSWORD), **source(5)), "+", NAME)
    is_last(scram(auth, Scram("Alice+x@HERE.test", PASSWORD), **source(5)), "+", NAME)
    is_last(scram(auth, Scram(NAME, PASSWORD, authorize="alice@here.test"), **source(5)),
            "+", NAME)
    is_last(scram(auth, Scram(NAME, PASSWORD, authorize="bob@here.test"), **source(5)), "-")
    reason("authorization")
    is_last(scram(auth, Scram("dora@here.test", "wrong"), **source(5)), "-")
    reason("password", "dora@here.test")


@case("SCRAM-SHA-256: an unknown login looks like any other")
def _():
    def first(login):
        a = auth.connect()
        client = Scram(login, "x")
        expect(a.begin("SCRAM-SHA-256", client.first(), **dict(TLS, **source(6))) == "c", a.last)
        a.respond(client.final(a.challenge())) if login == "nobody@here.test" else None
        fields = dict(f.split("=", 1) for f in a.challenge().decode().split(",")) \
            if a.last == "c" else {"s": None, "i": a.last}
        a.close()
        return fields["s"], fields["i"]
    expect(first("nobody@here.test") == (None, "-"), "it is refused at the end only")
    reason("unknown", "nobody@here.test")
    salts = [first(n)[0] for n in ("x@here.test", "X@Here.Test", "y@here.test", NAME, NAME)]
    expect(salts[0] == salts[1] != salts[2] and salts[3] == salts[4] != salts[0], salts)
    expect(len({len(s) for s in salts}) == 1, salts)
    expect(first("x@here.test")[1] == first(NAME)[1], "iterations")


@case("SCRAM-SHA-256-PLUS: bound to the channel")
def _():
    exporter, endpoint = b"E" * 32, b"S" * 32

    def plus(flag, binding, name="emil@here.test", **facts):
        return scram(auth, Scram(name, PASSWORD, flag, binding), plus=True,
                     **dict(source(7), **facts))
    is_last(plus("p=tls-exporter", exporter), "+", "emil@here.test")
    is_last(plus("p=tls-server-end-point", endpoint), "+", "emil@here.test")
    for flag, binding, facts in (("p=tls-exporter", endpoint, {}),
                                 ("p=tls-exporter", exporter, {"exporter": b64("F" * 32)}),
                                 ("p=tls-exporter", b"", {"exporter": ""}),
                                 ("p=tls-server-end-point", b"", {"endpoint": ""}),
                                 ("p=tls-unique", exporter, {}), ("n", b"", {}), ("y", b"", {})):
        is_last(plus(flag, binding, "frida@here.test", **facts), "-")
        reason("channel-binding")
    is_last(scram(auth, Scram(NAME, PASSWORD, "p=tls-exporter", exporter), **source(7)), "-")
    # RFC 5802 6: we offer -PLUS, and this client could have used it, but saw none.
    is_last(scram(auth, Scram(NAME, PASSWORD, "y"), **source(7)), "-")
    reason("downgrade", NAME)
    a = scram(auth, Scram(NAME, PASSWORD, "y"), exporter="", endpoint="", **source(7))
    is_last(a, "+", NAME)


def scram_final(change, name="gustav@here.test"):
    """The last message of a right client, changed."""
    client = Scram(name, PASSWORD)
    a = auth.connect()
    a.begin("SCRAM-SHA-256", client.first(), **dict(TLS, **source(8)))
    text = base64.b64decode(client.final(a.challenge())).decode()
    a.respond(b64(change(text)))
    if a.last == "c":
        a.respond("")
    a.close()
    return a


@case("SCRAM-SHA-256: what is no message of it")
def _():
    n = ",r=" + "0123456789abcdef"
    for text in ("", "n", "n,", "n,,", "n,,n=" + NAME, "n,,n=" + n, "n,,n=a,r=", "x,,n=a" + n,
                 "n,x,n=a" + n, "n,a=,n=a" + n, "n,,m=1,n=a" + n, "n,,n=a" + n + ",m=1",
                 "n,,n=a=2Db" + n, "n,,n=a=" + n, "n,,n=a,r=\x01", "n,,n=a,r=\u00e9",
                 "p,,n=a" + n, "p=,,n=a" + n, "p=tls unique,,n=a" + n, "n,,r=a,n=b",
                 "n,,n=a" + n + ",x", "n,,n=a" + n + ",", "n,,n=a,r=" + "x" * 257,
                 "n,,n=a\0" + n, "n,,n=" + "a" * 1025 + n):
        is_last(say(auth, "SCRAM-SHA-256", None, b64(text), **source(9)), "m")
    is_last(say(auth, "SCRAM-SHA-256", b64(b"n,,n=\xff" + n.encode()), **source(9)), "m")
    for change in (lambda t: "", lambda t: t[:-1], lambda t: t + "=", lambda t: t + ",x=y",
                   lambda t: t.replace("c=", "d="), lambda t: t.replace(",p=", ",m=1,p="),
                   lambda t: t.replace("r=", "r=x"), lambda t: re.sub("r=(.*),p", r"r=\1x,p", t),
                   lambda t: re.sub("r=.{20}.*,p", "r=" + "A" * 48 + ",p", t),
                   lambda t: t + "\0", lambda t: re.sub(",p=.*", "", t),
                   lambda t: re.sub(",p=.*", ",p=", t), lambda t: re.sub("p=....", "p=", t)):
        is_last(scram_final(change), "m")
    is_last(scram_final(lambda t: t.replace("c=biws", "c=eSws")), "-")
    reason("channel-binding")


@case("SCRAM-SHA-256: extensions that need not be known")
def _():
    a = auth.connect()
    client = Scram(NAME, PASSWORD)
    client.bare += ",x=1,y=two"
    a.begin("SCRAM-SHA-256", client.first(), **dict(TLS, **source(5)))
    a.respond(client.final(a.challenge()))
    expect(a.challenge() == client.signature, "server-final")
    a.respond(b64("x"))                       # RFC 4954 4: nothing is to follow
    is_last(a, "m")


@case("EXTERNAL: by the certificate's address, or its fingerprint")
def _():
    mark = "ab" * 32
    facts = {"verified": "yes", "email": "Alice@here.test", "fingerprint": mark}
    is_last(say(auth, "EXTERNAL", "=", **facts), "+", NAME)
    is_last(say(auth, "EXTERNAL", None, "", **facts), "+", NAME)
    is_last(say(auth, "EXTERNAL", b64(NAME), **facts), "+", NAME)
    for text, change in ((b64("dora@here.test"), {}), ("=", {"verified": ""}),
                         (b64(NAME), {"verified": ""}), ("=", {"email": "nobody@here.test"}),
                         ("=", {"email": ""}), ("=", {"email": "alice"}),
                         (b64(NAME), {"email": "", "fingerprint": ""})):
        is_last(say(auth, "EXTERNAL", text, **dict(facts, **change, **source(20))), "-")
    is_last(say(auth, "EXTERNAL", b64("a\0b"), **facts), "m")
    dora = "dora@here.test"
    stranger = {"fingerprint": mark}
    is_last(say(auth, "EXTERNAL", b64(dora), **stranger, **source(21)), "-")
    reason("certificate", dora)
    tree.postern("user", "certificate", dora, "--fingerprint", mark.upper())
    is_last(say(auth, "EXTERNAL", b64(dora), **stranger, **source(21)), "+", dora)
    is_last(say(auth, "EXTERNAL", "=", **stranger, **source(21)), "-")
    tree.postern("user", "certificate", dora, "--fingerprint", mark, "--remove")
    is_last(say(auth, "EXTERNAL", b64(dora), **stranger, **source(21)), "-")


@case("a disabled login looks like a wrong password")
def _():
    tree.postern("user", "disable", "frida@here.test")
    is_last(scram(auth, Scram("frida@here.test", PASSWORD), **source(10)), "-")
    reason("disabled", "frida@here.test")
    is_last(plain(auth, "frida@here.test", PASSWORD, **source(10)), "-")
    reason("disabled")
    is_last(say(auth, "EXTERNAL", "=", verified="yes", email="frida@here.test",
                **source(10)), "-")
    tree.postern("user", "enable", "frida@here.test")
    is_last(scram(auth, Scram("frida@here.test", PASSWORD), **source(11)), "+")


@case("mechanisms that are not for everybody")
def _():
    for name in ("CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "", "X" * 63, "GSSAPI"):
        is_last(say(auth, name), "n")
    is_last(say(auth, "plain", b64("\0%s\0%s" % (NAME, PASSWORD))), "+")
    for name in ("PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL"):
        a = auth.connect()
        a.begin(name)
        is_last(a, "t")
        a.close()
    expect(tree.postern("user", "password", NAME, "--cram-md5", "--no-password", code=1)
           .count("does not name CRAM-MD5") == 1, "opt-in")


def hmac_md5(password, challenge):
    return hmac.new(password.encode(), challenge, "md5").hexdigest()


def digest(challenge, name, password, **change):
    """A digest-response (RFC 2831), and what the server has to prove."""
    offered = dict(re.findall(r'([a-z-]+)="?([^",]*)"?', challenge.decode()))
    expect(offered["qop"] == "auth" and offered["algorithm"] == "md5-sess", challenge)
    f = dict({"username": name, "realm": offered["realm"], "nonce": offered["nonce"],
              "cnonce": b64(os.urandom(9)), "nc": "00000001", "qop": "auth",
              "digest-uri": "smtp/mx.here.test", "charset": "utf-8"}, **change)

    def md5(*parts):
        return hashlib.md5(b":".join(p if isinstance(p, bytes) else p.encode()
                                     for p in parts))
    secret = md5(name, f["realm"], password).digest()
    a1 = [secret, f["nonce"], f["cnonce"]] + [f[k] for k in ("authzid",) if k in f]

    def value(a2):
        return md5(md5(*a1).hexdigest(), f["nonce"], f["nc"], f["cnonce"], f["qop"],
                   md5(a2, f["digest-uri"]).hexdigest()).hexdigest()
    f.setdefault("response", value("AUTHENTICATE"))
    bare = ("nc", "qop", "response", "charset")
    return (",".join('%s=%s' % (k, v if k in bare else '"%s"' % v) for k, v in f.items()),
            b"rspauth=" + value("").encode())


@case("CRAM-MD5 and DIGEST-MD5: where they are named, for logins that have them")
def _():
    legacy = Tree(mechanisms="PLAIN CRAM-MD5 DIGEST-MD5")
    legacy.password(NAME, PASSWORD)
    legacy.copy("bob")
    legacy.password(NAME, PASSWORD, "--cram-md5", "--digest-md5")
    server = legacy.start()

    def cram(name, password, **facts):
        a = server.connect()
        a.begin("CRAM-MD5", **dict(TLS, **facts))
        expect(re.fullmatch(rb"<[0-9]+\.[0-9]+@mx\.here\.test>", a.challenge()), a.text)
        a.respond(b64("%s %s" % (name, hmac_md5(password, a.challenge()))))
        a.close()
        return a

    def md5(name, password, reply="", **change):
        a = server.connect()
        a.begin("DIGEST-MD5", **dict(TLS, **source(len(name) + len(change))))
        text, proof = digest(a.challenge(), name, password, **change)
        if a.respond(b64(text)) == "c":
            expect(a.challenge() == proof, a.challenge())
            a.respond(reply)
        a.close()
        return a
    is_last(cram(NAME, PASSWORD), "+", NAME)
    is_last(cram("ALICE@here.test", PASSWORD), "+", NAME)
    is_last(cram(NAME, "wrong"), "-")
    is_last(cram("bob@here.test", PASSWORD), "-")
    is_last(cram("nobody@here.test", PASSWORD), "-")
    for text in ("x", "x " + "0" * 31, "x " + "A" * 32, " " + "0" * 32, "x\0 " + "0" * 32):
        is_last(say(server, "CRAM-MD5", None, b64(text)), "m")
    is_last(say(server, "CRAM-MD5", b64("x " + "0" * 32)), "m")
    is_last(md5(NAME, PASSWORD), "+", NAME)
    is_last(md5(NAME, PASSWORD, authzid=NAME), "+", NAME)
    is_last(md5(NAME, PASSWORD, authzid="bob@here.test"), "-")
    is_last(md5(NAME, "wrong"), "-")
    is_last(md5("bob@here.test", PASSWORD), "-")
    is_last(md5(NAME, PASSWORD, reply=b64("x")), "m")
    for change in ({"nonce": "x"}, {"nc": "00000002"}, {"qop": "auth-int"}, {"realm": "x"},
                   {"digest-uri": "imap/mx.here.test"}, {"charset": "utf-16"},
                   {"cnonce": ""}, {"response": "0" * 31}, {"username": ""}):
        is_last(md5(NAME, PASSWORD, **change), "m")
    # What is stored is neither the password nor good for anything without the key.
    with open(legacy.verifier()) as f:
        lines = dict(line.split(" ", 1) for line in f)
    expect({"cram-md5", "digest-md5"} < set(lines), lines.keys())
    secret = hashlib.md5(("%s:mx.here.test:%s" % (NAME, PASSWORD)).encode()).digest()
    expect(secret not in base64.b64decode(lines["digest-md5"].split()[1]), "sealed")
    legacy.password(NAME, PASSWORD + "2")       # stays what it was opted in for
    is_last(cram(NAME, PASSWORD, client="192.0.2.77"), "-")
    is_last(cram(NAME, PASSWORD + "2", client="192.0.2.77"), "+")
    check_log(legacy)


@case("the dialogue: wrong packets, silence, a client that leaves")
def _():
    good = b64("\0%s\0%s" % (NAME, PASSWORD))
    for data in (packet("r", good), packet("a"), packet("a", "PLAIN", good), b"x", b"a\0",
                 packet("a", *(["PLAIN", good] + ["x"] * 8)), b"aPLAIN",
                 packet("a", *(["PLAIN", good, "s", "c"] + [""] * 8)),
                 packet("a", "X" * 4000, *[""] * 10)):
        a = auth.connect()
        a.send(data)
        expect(a.receive() in "closed m", data, a.last)
    a = auth.connect()
    a.begin("PLAIN", **TLS)
    a.send(packet("c", good))
    is_last(a, "c")
    expect(a.receive() == "m", a.last)
    before = len(tree.lines("event=auth-failed"))
    a = auth.connect()
    a.begin("LOGIN", **TLS)
    a.close()
    a = auth.connect()
    a.begin("LOGIN", **TLS)
    began = time.monotonic()
    expect(a.receive() == "l" and 1.5 < time.monotonic() - began < 10, a.last)
    lines = tree.lines("event=auth-failed")[before:]
    expect([line.split("reason=")[1].strip() for line in lines] == ["gone", "silent"], lines)


@case("a new configuration takes effect, a broken one does not")
def _():
    own = Tree()
    server = own.start()

    def answer(mechanism):
        return say(server, mechanism, "=").last
    expect(answer("PLAIN") == "m", "at first")
    own.set(mechanisms="EXTERNAL")
    server.process.send_signal(signal.SIGHUP)
    for _ in range(100):
        if answer("PLAIN") == "n":
            break
        time.sleep(0.05)
    else:
        raise Bad("PLAIN is still there")
    own.set(nonsense="yes")
    server.process.send_signal(signal.SIGHUP)
    for _ in range(100):
        if own.lines("nonsense"):
            break
        time.sleep(0.05)
    expect(answer("PLAIN") == "n" and answer("EXTERNAL") != "n", "the old one stays")
    expect(server.stop() == 0, "it ends with its feed")


@case("argon2id parameters grow with a log-in, a missing SCRAM verifier is made")
def _():
    with open(tree.verifier("carl")) as f:
        whole = f.read()
    # "pencil" at the least cost, as an older installation may have left it.
    weak = "argon2id $argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" \
           "%s\nchanged 2020-01-01T00:00:00Z\n" % WEAK
    with open(tree.verifier("carl"), "w") as f:
        f.write(weak)
    is_last(plain(auth, "carl@here.test", "wrong", **source(30)), "-")
    with open(tree.verifier("carl")) as f:
        expect(f.read() == weak, "a wrong password changes nothing")
    is_last(plain(auth, "carl@here.test", "pencil", **source(30)), "+")
    for _ in range(200):
        with open(tree.verifier("carl")) as f:
            lines = dict(line.split(" ", 1) for line in f.read().splitlines())
        if "scram-sha-256" in lines:
            break
        time.sleep(0.05)
    expect(lines["argon2id"].startswith("$argon2id$v=19$m=65536,t=2,p=1$"), lines)
    expect(lines["changed"] == "2020-01-01T00:00:00Z", lines)
    st = os.stat(tree.verifier("carl"))
    expect(st.st_mode & 0o777 == 0o600 and st.st_uid == os.stat(tree.verifiers).st_uid, st)
    is_last(plain(auth, "carl@here.test", "pencil", **source(31)), "+")
    is_last(scram(auth, Scram("carl@here.test", "pencil"), **source(31)), "+")
    expect(whole, "there was one")


@case("a damaged verifier: try again later, and the log says why")
def _():
    with open(tree.verifier("gustav"), "w") as f:
        f.write("argon2id nonsense\n")
    is_last(plain(auth, "gustav@here.test", PASSWORD, **source(40)), "l")
    expect(tree.lines('what="its argon2id line is damaged"', "login=gustav@here.test"), "why")


@case("misused: exit 2, and what was expected")
def _():
    import subprocess
    for words, code in ((["-x"], 2), ([], 2), (["-F", "x"], 2), (["-c"], 2)):
        done = subprocess.run([os.path.join(BUILD, "auth"), "-c", tree.conf, *words],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              close_fds=True)
        expect(done.returncode == code and b"usage: auth" in done.stderr, words, done)
    done = subprocess.run([os.path.join(BUILD, "auth"), "-c", "/nonexistent", "true"],
                          stderr=subprocess.PIPE, pass_fds=[], preexec_fn=lambda: os.dup2(0, 3),
                          close_fds=False)
    expect(done.returncode == 111 and b"/nonexistent" in done.stderr, done)


@case("nothing secret is in the log, and each failure is one line")
def _():
    check_log(tree)
    for line in tree.lines("event=auth-failed"):
        expect(re.fullmatch(r"event=auth-failed session=s1 client=192\.0\.2\.\d+ "
                            r'login=("[^"]*"|\S+) mechanism=[A-Z0-9-]+ reason=[a-z0-9-]+\n',
                            line), line)


if __name__ == "__main__":
    run_cases()
