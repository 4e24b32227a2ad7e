#!/usr/bin/env python3
# suite: timeout=60
"""Messages converted for hops with fewer abilities, read back by Python's email package."""
import email
import email.policy
import os
import random
import subprocess
import sys
import tempfile
import traceback

BUILD = os.environ.get("BUILD") or "build"
PROGRAM = os.path.join(BUILD, "test", "sender")
HIGH = "gr\xfc\xdfe \u20ac \u4e2d".encode()
cases = []


def case(f):
    cases.append(f)
    return f


def convert(data, level="7", raw=False, skip=0):
    """What goes out, or the reason why nothing does."""
    with tempfile.TemporaryFile() as f:
        f.write(data)
        f.flush()
        p = subprocess.run([PROGRAM, "convert", level, "raw" if raw else "lines", str(skip)],
                           stdin=f, capture_output=True)
    assert p.returncode in (0, 1), (p.returncode, p.stderr)
    return p.stdout if p.returncode == 0 else p.stderr.decode()


def ends(data):
    """LF to CRLF, and one at the end."""
    data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return data if not data or data.endswith(b"\r\n") else data + b"\r\n"


def is_seven(out):
    assert isinstance(out, bytes), out
    assert max(out) < 128 and 0 not in out, "not 7bit"
    assert out.replace(b"\r\n", b"").count(b"\n") == 0 == out.replace(b"\r\n", b"").count(b"\r")
    assert max(len(l) for l in out.split(b"\r\n")) <= 998


def leaves(data):
    """(type, decoded payload) of all leaves, in order, a multipart as its type alone."""
    found = []
    for part in email.message_from_bytes(data, policy=email.policy.compat32).walk():
        content = None if part.is_multipart() else part.get_payload(decode=True)
        found.append((part.get_content_type(), part.get_filename(), content))
    return found


def part(header, body):
    return header + b"\n\n" + body


def multi(boundary, *parts, kind=b"mixed", top=b"", last=b"\nafter\n", label=b"8bit"):
    head = top + b"Content-Type: multipart/" + kind + b"; boundary=\"" + boundary + \
        b"\"\nContent-Transfer-Encoding: " + label + b"\n\nbefore\n"
    return head + b"".join(b"--" + boundary + b"\n" + p + b"\n" for p in parts) + \
        b"--" + boundary + b"--" + last


TOP = b"From: a@b\nMIME-Version: 1.0\n"


@case
def untouched():
    for data in (b"Subject: x\n\nplain\n", b"Subject: \xff\n\n" + HIGH):
        assert convert(data, "8") == ends(data)
    assert convert(b"Subject: x\n\nplain") == b"Subject: x\r\n\r\nplain\r\n"
    assert convert(b"Return-Path: <>\nA: b\n\nc\n", skip=16) == b"A: b\r\n\r\nc\r\n"


@case
def unlabelled():
    """RFC 1428: a message from before MIME."""
    out = convert(b"Subject: x\n\n" + HIGH + b" and so on, for some time \n=\t\n")
    want = "".join("=%02X" % c if c > 126 else chr(c) for c in HIGH).encode()
    assert out == b"Subject: x\r\nMIME-Version: 1.0\r\n" \
        b"Content-Type: text/plain; charset=unknown-8bit\r\n" \
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + want + \
        b" and so on, for some time=20\r\n=3D=09\r\n", out


@case
def one_part():
    for name, sample in (("mixed", b"plain text and more of it, a whole sentence: " + HIGH + b" end \nsecond\t\n\n"),
                         ("dense", "\u4e2d\u6587\n".encode() * 100),
                         ("no end", b"a line of ASCII text, and then some more: " + HIGH)):
        data = TOP + b"Content-Transfer-Encoding:\n 8bit (really)\n" \
            b"Content-Type: text/plain; charset=utf-8\n\n" + sample
        out = convert(data)
        is_seven(out)
        m = email.message_from_bytes(out)
        assert m["Content-Transfer-Encoding"] == ("base64" if name == "dense" else
                                                  "quoted-printable")
        assert len(m.get_all("Content-Transfer-Encoding")) == 1
        got = m.get_payload(decode=True)
        if name != "dense":
            got = got.replace(b"\r\n", b"\n")
        want = ends(sample) if name == "dense" else sample + b"\n" * (name == "no end")
        if name == "no end":
            got = got.rstrip(b"\n") + b"\n"
        assert got == want, (name, got, want)


@case
def lines_of_every_length():
    """Soft line breaks, blanks at ends, across the 64 KiB of the window."""
    body = b"".join(b"x" * (i % 90) + b"\xe9" * (i % 3) + b" " * (i % 4) + b"\n"
                    for i in range(4000)) + b"y" * 200000 + b" \xff"
    out = convert(TOP + b"Content-Transfer-Encoding: 8bit\n\n" + body)
    is_seven(out)
    head, text = out.split(b"\r\n\r\n", 1)
    assert max(len(l) for l in text.split(b"\r\n")) <= 76
    m = email.message_from_bytes(out)
    assert m.get_payload(decode=True).replace(b"\r\n", b"\n").rstrip(b"\n") == body


@case
def multiparts():
    """What needs no change has none, to the octet."""
    plain = part(b"Content-Type: text/plain", b"seven")
    high = part(b"Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit",
                b"<p>" + HIGH + b" and enough text around it to be quoted</p>")
    coded = part(b"Content-Type: image/png; name=x.png\nContent-Transfer-Encoding: base64",
                 b"AAAA")
    inner = multi(b"in(ner", high, plain, kind=b"alternative", label=b"8BIT")
    data = multi(b"outer b", plain, inner, coded, high, b"\n" + b"no header", top=TOP)
    out = convert(data)
    is_seven(out)
    assert [(t, f, p if p is None else p.replace(b"\r\n", b"\n")) for t, f, p in leaves(out)] == \
        [(t, f, p if p is None else p.replace(b"\r\n", b"\n")) for t, f, p in leaves(data)]
    assert out.count(b"Content-Transfer-Encoding: 7bit\r\n") == 2
    assert out.count(b"Content-Transfer-Encoding: quoted-printable\r\n") == 2
    for piece in (plain, coded, b"before\n--outer b\n", b"\n--outer b--\nafter\n"):
        assert ends(piece).rstrip(b"\r\n") in out, piece


@case
def nested_messages():
    inside = b"Subject: in\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n" \
        b"Content-Transfer-Encoding: 8bit\n\n" + HIGH + b" with some more text, mostly ASCII\n"
    data = multi(b"b", part(b"Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit",
                            inside), part(b"Content-Type: text/plain", b"x"), top=TOP)
    out = convert(data)
    is_seven(out)
    m = email.message_from_bytes(out)
    assert m.get_payload(0)["Content-Transfer-Encoding"] == "7bit"
    message = m.get_payload(0).get_payload(0)
    assert message["Content-Transfer-Encoding"] == "quoted-printable" and message["Subject"] == "in"
    assert message.get_payload(decode=True).replace(b"\r\n", b"\n").startswith(HIGH)
    digest = multi(b"d", b"\n" + inside, b"\nFrom x\nSubject: y\n\n" + HIGH, kind=b"digest",
                   top=TOP)
    out = convert(digest)
    is_seven(out)
    parts = email.message_from_bytes(out).get_payload()
    assert [p.get_payload(0)["Subject"] for p in parts] == ["in", "y"]
    assert parts[1].get_payload(0).get_payload(decode=True).rstrip() == HIGH


@case
def left_alone():
    """A signature covers octets: nothing in it may change, and what is 7bit need not."""
    signed = multi(b"s", part(b"Content-Type: text/plain\nContent-Transfer-Encoding: 8bit", b"ok"),
                   part(b"Content-Type: application/pgp-signature", b"sig"), kind=b"signed",
                   label=b"8bit")
    high = part(b"Content-Type: text/plain\nContent-Transfer-Encoding: 8bit", HIGH)
    out = convert(multi(b"o", signed, high, top=TOP))
    is_seven(out)
    assert ends(signed[signed.index(b"before"):]).rstrip() in out
    for kind in (b"signed", b"encrypted"):
        bad = multi(b"s", high, kind=kind)
        assert "signed" in convert(multi(b"o", bad, top=TOP)), kind
        assert "signed" in convert(multi(b"o", part(b"Content-Type: message/rfc822",
                                                    b"Subject: x\n\n" + HIGH), kind=kind, top=TOP))


@case
def impossible():
    for data, why in (
            (b"Subject: \xe9\n\nx", "header"),
            (TOP + b"Content-Type: text/plain; name=\"\xe9\"\n\nx", "header"),
            (multi(b"b", part(b"Content-Type: text/plain; name=\xe9", b"x"), top=TOP), "header"),
            (TOP + b"Content-Transfer-Encoding: base64\n\n\xe9", "must not be encoded"),
            (TOP + b"Content-Transfer-Encoding: x-uuencode\n\n\xe9", "must not be encoded"),
            (TOP + b"Content-Type: message/partial; id=a; number=1\n\n\xe9", "must not be"),
            (TOP + b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n\xe9",
             "must not be"),
            (TOP + b"Content-Type: multipart/mixed\n\n\xe9", "must not be"),
            (TOP + b"Content-Type: nonsense\n\n\xe9", "must not be"),
            (TOP + b"Content-Type: text/plain\nContent-Type: text/html\n\n\xe9", "two ways"),
            (TOP + b"Content-Transfer-Encoding: 8bit\nContent-Transfer-Encoding: 7bit\n\n\xe9",
             "two ways"),
            (TOP + b"what is this\n\n\xe9", "two ways"),
            (multi(b"b", b"\nx", top=TOP, last=b"\n\xe9\n"), "outside"),
            (TOP + b"Content-Type: multipart/mixed; boundary=b\n\n\xe9\n--b\n\nx\n--b--\n",
             "outside")):
        out = convert(data)
        assert isinstance(out, str) and why in out, (data, out)
    deep = b"\n\nx"
    for i in range(40):
        deep = multi(b"b%d." % i, deep)
    assert "deep" in convert(TOP + deep + b"\xe9")
    many = multi(b"b", *[b"\n\xe9"] * 2500, top=TOP)
    assert "too many" in convert(many)


@case
def boundaries():
    """What looks like a boundary and is none, and one with the parameter's odd forms."""
    for parameter, boundary in ((b"boundary=simple", b"simple"),
                                (b'charset=x; BOUNDARY="a \\"b"', b'a "b'),
                                (b"(c (o) m)boundary\t=\n\t\"folded\" ; x=y", b"folded"),
                                (b"boundary=\"trail  \"", b"trail")):
        data = TOP + b"Content-Type: multipart/mixed; " + parameter + b"\n\n--" + boundary + \
            b" \t\n\n\xe9 and some text in the first part\n--" + boundary + b"x\n---" + boundary + \
            b"\n --" + boundary + b"\n--" + boundary + b"--x\n--" + boundary + \
            b"\nContent-Type: text/plain\n\nsecond\n--" + boundary + b"--  \n"
        out = convert(data)
        is_seven(out)
        assert out.count(b"quoted-printable") == 1 and out.count(b"second") == 1, (boundary, out)
        assert (b"--" + boundary + b"\r\nContent-Type: text/plain\r\n\r\nsecond") in out
        assert out.count(b"=E9 and") == 1
    # An outer boundary ends what is within, closed or not.
    data = multi(b"o", b"Content-Type: multipart/mixed; boundary=i\n\n--i\n\nx\xe9 some text here",
                 b"\nlast one, too\xe9 some text", top=TOP)
    assert convert(data).count(b"quoted-printable") == 2


@case
def binary_to_less():
    """BINARYMIME without a hop that takes it: base64 of just these octets."""
    blob = bytes(range(256)) * 300 + b"\r\n--b"
    text = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + \
        HIGH + b" with more text than that, to be quoted\r\n"
    long = b"Content-Type: text/plain\r\n\r\n" + b"z" * 5000
    data = b"Received: us\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=bb\r\n" \
        b"Content-Transfer-Encoding: binary\r\n\r\n--bb\r\nContent-Type: application/x\r\n" \
        b"Content-Transfer-Encoding: binary\r\n\r\n" + blob + b"\r\n--bb\r\n" + text + \
        b"\r\n--bb\r\n" + long + b"\r\n--bb\r\nContent-Type: text/plain\r\n\r\nbare\nlf" + \
        b"\r\n--bb--\r\n"
    for level in "78":
        out = convert(data, level, raw=True)
        if level == "7":
            is_seven(out)
        m = email.message_from_bytes(out)
        parts = m.get_payload()
        assert m["Content-Transfer-Encoding"] == level + "bit"
        assert parts[0]["Content-Transfer-Encoding"] == "base64"
        assert parts[0].get_payload(decode=True) == blob
        assert parts[1]["Content-Transfer-Encoding"] == ("quoted-printable" if level == "7"
                                                         else "8bit")
        assert parts[1].get_payload(decode=True).replace(b"\r\n", b"\n").startswith(HIGH)
        assert parts[2].get_payload(decode=True) == b"z" * 5000
        assert parts[3].get_payload(decode=True) == b"bare\nlf"
        assert out.startswith(b"Received: us\r\nMIME")
        assert max(len(l) for l in out.split(b"\r\n")) <= 998
    clean = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\nlines\r\n"
    assert convert(b"MIME-Version: 1.0\r\n" + clean, "7", raw=True) == \
        b"MIME-Version: 1.0\r\n" + clean.replace(b"binary", b"7bit")
    assert "signed" in convert(b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n"
                               b"Content-Transfer-Encoding: binary\r\n\r\n\0\r\n--b--\r\n",
                               "8", raw=True)


def make(rng, depth):
    """A random part, and whether anything in it is sealed or can't be."""
    kind = rng.random()
    if depth < 4 and kind < 0.35:
        boundary = b"b%d.%d" % (depth, rng.randrange(10 ** 6))
        return multi(boundary, *[make(rng, depth + 1) for _ in range(rng.randrange(1, 4))],
                     kind=rng.choice([b"mixed", b"alternative", b"related"]),
                     label=rng.choice([b"7bit", b"8bit"]), last=rng.choice([b"", b"\n", b"\nz"]))
    if depth < 4 and kind < 0.5:
        return part(b"Content-Type: message/rfc822", b"Subject: s\nMIME-Version: 1.0\n" +
                    make(rng, depth + 1))
    words = [b"word", b"some", b" ", b"\t", b"\xc3\xa9", b"\n", b".", b"=", b"From ", b"\n.\n",
             b"x" * 70, b"y" * 1200, b"\n\n", b"--b", b"\xff" * 5]
    body = b"".join(rng.choice(words) for _ in range(rng.randrange(60)))
    if rng.random() < 0.05:
        body = body * 2000
    return part(b"Content-Type: %s\nContent-Transfer-Encoding: %s" % (
        rng.choice([b"text/plain", b"text/html; charset=utf-8", b"application/x; name=\"a b\""]),
        rng.choice([b"8bit", b"7bit", b"8BIT"])), body)


@case
def random_trees():
    rng = random.Random(5)
    runs = 400 if "POSTERN_LONG" in os.environ else 60
    for i in range(runs):
        data = TOP + make(rng, 0) + b"\n"
        out = convert(data)
        if max(data) < 128:
            assert out == ends(data), i
            continue
        assert isinstance(out, bytes), (i, out)
        assert max(out) < 128, i
        # A part that was encoded has CRLF where it had LF; nothing else may differ.
        want, got = leaves(ends(data)), leaves(out)
        assert [w[:2] for w in want] == [g[:2] for g in got], i
        for w, g in zip(want, got):
            if w[2] is not None:
                assert w[2].replace(b"\r\n", b"\n") == g[2].replace(b"\r\n", b"\n"), \
                    (i, w[2][-60:], g[2][-60:])


def main():
    if not os.access(PROGRAM, os.X_OK):
        print("skip content: %s is not built" % PROGRAM)
        return
    for f in cases:
        name = "content: " + f.__name__.replace("_", " ")
        try:
            f()
            print("ok " + name, flush=True)
        except Exception as e:  # a case that fails must not hide the others
            where = traceback.extract_tb(e.__traceback__)[-1]
            print(("not ok %s: line %d %s %r" % (name, where.lineno, where.line, e))
                  .replace("\n", " ")[:600], flush=True)


main()
