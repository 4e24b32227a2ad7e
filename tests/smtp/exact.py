#!/usr/bin/env python3
# suite: timeout=240
"""What arrives is what was sent, octet by octet.

Random messages (eight bits, NUL, dots, long lines, no final newline, empty, the
largest allowed) go by DATA and by BDAT, in random chunks, cut at random places
on their way, and are compared with the files delivered. The seed of a failing
run is printed; SEED=N repeats it.
"""
import os
import random
import re
import sys
import time

sys.dont_write_bytecode = True
import tree as trees  # noqa: E402
from tree import Failure  # noqa: E402

LIMIT = 25 << 20
TRACE = re.compile(
    rb"Return-Path: <a@client\.test>\nDelivered-To: alice@here\.test\n"
    rb"Received: from client\.test \(\[127\.0\.0\.1\]\)\n"
    rb"\tby mx\.test with ESMTP id [\w.]+\n\tfor <alice@here\.test>;\n\t[^\n]{31}\n")
SEED = int(os.environ.get("SEED", str(random.randrange(1 << 32))))
ROUNDS = 200 if os.environ.get("POSTERN_LONG") else 25


def octets(rng, count):
    return rng.randbytes(count)


def text_line(rng):
    """A line without CR and LF, such as trips readers."""
    kind = rng.randrange(8)
    if kind == 0:
        return b""
    if kind == 1:
        return b"." * rng.randrange(1, 5)
    if kind == 2:
        return b"." + octets(rng, rng.randrange(80)).translate(None, b"\r\n")
    if kind == 3:
        return bytes(rng.randrange(1, 5))
    if kind == 4:
        return b"From " + octets(rng, 10).translate(None, b"\r\n")
    if kind == 5 and rng.randrange(8) == 0:
        return octets(rng, rng.randrange(200000)).translate(None, b"\r\n")
    return octets(rng, rng.randrange(120)).translate(None, b"\r\n")


def text(rng):
    lines = [text_line(rng) for _ in range(rng.choice((0, 1, 2, 5, 50, 800)))]
    return b"".join(line + b"\r\n" for line in lines)


def big_text(rng):
    """Just as large as is allowed, made quickly: lines of 76, some with a dot."""
    block = b"".join(
        (b"." if rng.randrange(4) == 0 else b"") + octets(rng, 75).translate(None, b"\r\n")
        + b"\r\n" for _ in range(10000))
    body = block * (LIMIT // len(block) + 1)
    return body[:LIMIT - 2].rstrip(b"\r\n").ljust(LIMIT - 2, b"x") + b"\r\n"


def stuff(body):
    """RFC 5321 4.5.2."""
    if body.startswith(b"."):
        body = b"." + body
    return body.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def send_cut(rng, conn, data):
    """In writes of random size; now and then the peer gets time to read."""
    if len(data) < 300 and rng.randrange(3) == 0:
        sizes = (1,)
    else:
        sizes = rng.choice(((1, 2, 3, 7, 4096), (1460,), (65536, 1, 8192), (1 << 20,)))
    at = 0
    while at < len(data):
        # Small writes only near the start, so that large messages end in time.
        size = rng.choice(sizes) if at < 20000 else max(sizes[-1], 65536)
        conn.send(data[at:at + size])
        at += size
        if size < 10 and rng.randrange(50) == 0:
            time.sleep(0.001)


def by_data(rng, conn, body):
    conn.command("DATA", "354")
    send_cut(rng, conn, stuff(body))


def by_chunks(rng, conn, body):
    """BDAT, each chunk with its line, all of them pipelined. RFC 3030 4.2"""
    out = []
    at = 0
    most = rng.choice((3, 100, 5000, 1 << 16)) if len(body) < 20000 else 4 << 20
    chunks = 0
    while True:
        size = min(rng.randrange(most + 1), len(body) - at)
        last = at + size == len(body) and rng.randrange(2) == 0
        out.append(b"BDAT %d%s\r\n" % (size, b" LAST" if last else b""))
        out.append(body[at:at + size])
        at += size
        if last:
            break
        chunks += 1
    send_cut(rng, conn, b"".join(out))
    for _ in range(chunks):
        reply = conn.reply()
        if not reply.startswith("250 "):
            raise Failure("BDAT: " + reply)


def deliver(rng, tree, conn, body, send, binary):
    conn.command("MAIL FROM:<a@client.test>" + (" BODY=BINARYMIME" if binary else ""), "250")
    conn.command("RCPT TO:<alice@here.test>", "250")
    send(rng, conn, body)
    reply = conn.reply()
    if not reply.startswith("250 2.0.0 ok "):
        raise Failure("the end of the message: " + reply)
    new = tree.messages("alice")
    if len(new) != 1:
        raise Failure("%d files in new/" % len(new))
    trees.check_name(new[0])
    with open(new[0], "rb") as f:
        got = f.read()
    os.unlink(new[0])
    match = TRACE.match(got)
    if not match:
        raise Failure("trace headers: %r" % got[:400])
    compare(body if binary else body.replace(b"\r\n", b"\n"), got[match.end():])


def compare(wanted, got):
    if wanted == got:
        return
    at = next((i for i, (a, b) in enumerate(zip(wanted, got)) if a != b),
              min(len(wanted), len(got)))
    raise Failure("sent %d octets, got %d; they differ at %d: %r, %r" % (
        len(wanted), len(got), at, wanted[at:at + 20], got[at:at + 20]))


def run(name, tree, make, send, rounds, binary=False):
    rng = random.Random("%d %s" % (SEED, name))
    conn = trees.Connection(tree)
    count = 0
    try:
        if not conn.reply().startswith("220"):
            raise Failure("no greeting")
        conn.command("EHLO client.test", "250")
        for count in range(rounds):
            deliver(rng, tree, conn, make(rng), send, binary)
        conn.command("QUIT", "221")
        if conn.finish() != 0:
            raise Failure("exit code")
    except Failure as e:
        print("not ok %s: SEED=%d message %d: %s" % (name, SEED, count, e), flush=True)
        for path in tree.messages("alice"):
            os.unlink(path)
    else:
        print("ok " + name, flush=True)
    finally:
        conn.kill()


def main():
    tree = trees.Tree()
    try:
        run("text by DATA", tree, text, by_data, ROUNDS)
        run("text by BDAT", tree, text, by_chunks, ROUNDS)
        # Cut anywhere but in a CRLF, so that the end is one that text may have.
        run("no final newline by BDAT", tree, lambda r: text(r) + text_line(r), by_chunks,
            ROUNDS)
        run("any octets by BINARYMIME", tree,
            lambda r: octets(r, r.choice((0, 1, 2, 100, 30000))), by_chunks, ROUNDS, True)
        run("only line ends by BINARYMIME", tree,
            lambda r: bytes(r.choice(b"\r\n.") for _ in range(200)), by_chunks, ROUNDS, True)
        run("empty by DATA", tree, lambda _: b"", by_data, 3)
        run("empty by BDAT", tree, lambda _: b"", by_chunks, 3)
        run("25 MB by DATA", tree, big_text, by_data, 1)
        run("25 MB by BDAT", tree, big_text, by_chunks, 1)
        run("25 MB by BINARYMIME", tree, lambda r: octets(r, LIMIT), by_chunks, 1, True)
    finally:
        tree.remove()


if __name__ == "__main__":
    main()
