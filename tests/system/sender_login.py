#!/usr/bin/env python3
# suite: timeout=60
"""The sender logs in to a smarthost: each mechanism, and what a hostile one tries."""
import base64
import hashlib
import hmac
import os
import sys
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sender_talk import Hop, Sender

BUILD = os.environ.get("BUILD") or "build"
PROGRAM = os.path.join(BUILD, "test", "sender")
LOGIN, PASSWORD = "us,er=x@relay.test", "pa ss%word"
cases = []


def case(f):
    cases.append(f)
    return f


def b64(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def ask(hop, conn, challenge):
    conn.sendall(b"334 " + b64(challenge).encode() + b"\r\n")
    line = hop.line()
    return base64.b64decode(line) if line != b"QUIT" else b""


class Scram:
    """The server's side of RFC 5802; `twist` changes its messages."""

    def __init__(self, password=PASSWORD, iterations=4096, twist=None):
        self.password, self.iterations, self.twist = password, iterations, twist or {}

    def __call__(self, hop, conn, line):
        first = base64.b64decode(line.split()[2]).decode()
        assert first.startswith("n,,n=us=2Cer=3Dx@relay.test,r="), first
        bare = first[3:]
        nonce = bare.rsplit(",r=", 1)[1] + "server"
        salt = b"salt of this one"
        challenge = "r=%s,s=%s,i=%s" % (self.twist.get("nonce", nonce), b64(salt),
                                        self.iterations)
        challenge = self.twist.get("first", challenge)
        final = ask(hop, conn, challenge)
        if b",p=" not in final:
            return "501 5.5.2 what?"
        final = final.decode()
        said = (bare + "," + challenge + "," + final.rsplit(",p=", 1)[0]).encode()
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), salt, self.iterations)

        def mac(key, data):
            return hmac.new(key, data, "sha256").digest()

        key = mac(salted, b"Client Key")
        proof = mac(hashlib.sha256(key).digest(), said)
        hop.proved = base64.b64decode(final.rsplit(",p=", 1)[1]) == \
            bytes(a ^ b for a, b in zip(proof, key))
        if not hop.proved:
            return "535 5.7.8 wrong"
        if "skip" in self.twist:
            return "235 2.7.0 ok"
        verifier = b64(mac(mac(salted, b"Server Key"), said))
        last = ask(hop, conn, self.twist.get("final", "v=" + verifier))
        assert last == b""
        return "235 2.7.0 ok"


def plain(hop, conn, line):
    hop.told = base64.b64decode(line.split()[2]).split(b"\0")
    return "235 2.7.0 ok" if hop.told[2].decode() == PASSWORD else "535 5.7.8 wrong"


def by_login(hop, conn, line):
    hop.told = [ask(hop, conn, "Username:"), ask(hop, conn, "Password:")]
    return "235 2.7.0 ok" if hop.told[1].decode() == PASSWORD else "535 5.7.8 wrong"


def login(offer, auth=None, login=LOGIN, password=PASSWORD, tls=True):
    """The answer to SEND_LOGIN, the hop, and the outcome of a message where it was good."""
    hop = Hop(["AUTH " + offer], {"AUTH": auth} if auth else {})
    sender = Sender(PROGRAM)
    answer = sender.connect(hop.port, tls="i" if tls else "n")
    if tls:
        assert answer[0] == "t"
        sender.send("T", "yes", fd=answer[2])    # as good as TLS for this
        os.close(answer[2])
        answer = sender.receive()
    assert answer[0] == "+", answer
    sender.send("L", login, password)
    letter, fields, _ = sender.receive()
    if letter == "+":
        outcomes, _ = sender.message(b"\nx\n", ["b@t.test"], auth="a=b@c")
        assert outcomes[0].cls == "2" and hop.commands[-3].endswith(" AUTH=a+3Db@c"), hop.commands
    assert sender.end() == 0
    hop.close()
    return letter, fields, hop


@case
def scram():
    letter, fields, hop = login("PLAIN LOGIN SCRAM-SHA-256", Scram())
    assert letter == "+" and hop.proved, fields


@case
def plain_and_login():
    letter, _, hop = login("LOGIN PLAIN", plain)
    assert letter == "+" and hop.told == [b"", LOGIN.encode(), PASSWORD.encode()]
    letter, _, hop = login("LOGIN", by_login)
    assert letter == "+" and hop.told == [LOGIN.encode(), PASSWORD.encode()]
    # SASLprep would matter: PLAIN takes it as it is.
    letter, _, hop = login("SCRAM-SHA-256 PLAIN", plain, password="p\xe9")
    assert letter == "-" and hop.told[2].decode() == "p\xe9"


@case
def refused():
    """Never as permanent: who has to mend a password has its mail wait."""
    for offer, auth in (("PLAIN", plain), ("LOGIN", by_login), ("SCRAM-SHA-256", Scram())):
        letter, fields, _ = login(offer, auth, password="other")
        assert letter == "-" and fields[:2] == ["4", "4.7.8"] and "535" in fields[2], fields


@case
def never_in_clear():
    letter, fields, hop = login("PLAIN", plain, tls=False)
    assert letter == "-" and fields[:2] == ["4", "4.7.11"], fields
    assert not any(c.startswith("AUTH") for c in hop.commands)


@case
def nothing_we_know():
    letter, fields, _ = login("CRAM-MD5 GSSAPI", None)
    assert letter == "-" and fields[:2] == ["4", "4.7.4"], fields


@case
def hostile():
    """A server that does not know the password, or wants years of work."""
    for twist, iterations in (({"nonce": "other"}, 4096), ({"skip": 1}, 4096),
                              ({"final": "v=" + b64(b"x" * 32)}, 4096), ({"final": ""}, 4096),
                              ({"final": "e=other-error"}, 4096), ({"first": ""}, 4096),
                              ({"first": "r=,s=,i="}, 4096), ({}, 1), ({}, 10 ** 9)):
        letter, fields, _ = login("SCRAM-SHA-256", Scram(iterations=iterations, twist=twist))
        assert letter == "-" and fields[:2] == ["4", "4.7.8"] and "SCRAM" in fields[2], \
            (twist, iterations, fields)
    letter, fields, _ = login("PLAIN", lambda h, c, l: "334 ")
    assert letter == "-" and fields[0] == "4", fields


def main():
    if not os.access(PROGRAM, os.X_OK):
        print("skip login: %s is not built" % PROGRAM)
        return
    for f in cases:
        name = "login: " + f.__name__.replace("_", " ")
        try:
            f()
            print("ok " + name, flush=True)
        except Exception as e:  # a case that fails must not hide the others
            where = traceback.extract_tb(e.__traceback__)[-1]
            print("not ok %s: %s:%d %s %r" % (name, os.path.basename(where.filename),
                                              where.lineno, where.line, e), flush=True)


main()
