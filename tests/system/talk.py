"""SMTP from the client's side for the suites of this folder; not a suite itself.

talk.py HOST PORT listening                 exit 0 when something accepts
talk.py HOST PORT deliver FROM TO FILE      one message through smtplib
talk.py HOST PORT say LINE...               a reply awaited before each line; prints all
                                            that came, exit 1 unless it is nothing but SMTP
talk.py HOST PORT burst N AT_ONCE           N times greeting and QUIT; prints the rate
talk.py HOST PORT hold SECONDS              EHLO, MAIL, then waits: prints `ready' when answered
talk.py - - text TEXT STORED                the decoded text of STORED is TEXT
talk.py - - same SENT STORED                STORED is SENT behind trace headers
"""
import email
import re
import smtplib
import socket
import sys
import threading
import time

REPLY = re.compile(rb"([2-5][0-9][0-9])([ -])[ -~]*\r\n")


def connect(host, port):
    return socket.create_connection((host, int(port)), timeout=20)


def listening(host, port):
    connect(host, port).close()


def deliver(host, port, sender, recipient, path):
    with open(path, "rb") as f, smtplib.SMTP(host, int(port), timeout=20) as client:
        client.ehlo("client.test")
        data = re.sub(rb"\r?\n", b"\r\n", f.read())
        client.sendmail(sender, [recipient], data, ["BODY=8BITMIME"])


def read_reply(sock):
    """Octets up to the end of one reply, or of the connection."""
    got = b""
    while True:
        try:
            data = sock.recv(65536)
        except ConnectionResetError:
            return got, True
        if not data:
            return got, True
        got += data
        if re.search(rb"(?:^|\n)[2-5][0-9][0-9] [^\n]*\n\Z", got):
            return got, False


def say(host, port, *lines):
    with connect(host, port) as sock:
        got, closed = read_reply(sock)
        for line in lines:
            if closed:
                break
            try:
                sock.sendall(line.encode() + b"\r\n")
            except (BrokenPipeError, ConnectionResetError):
                break
            more, closed = read_reply(sock)
            got += more
        while not closed:
            sock.shutdown(socket.SHUT_WR)
            more, closed = read_reply(sock)
            got += more
    sys.stdout.buffer.write(got)
    if not re.fullmatch(rb"(?:%s)*" % REPLY.pattern, got):
        sys.exit("not only SMTP: %r" % got)


def burst(host, port, n, at_once):
    left = [int(n)]
    good = [0]
    faults = []
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                if left[0] == 0:
                    return
                left[0] -= 1
            try:
                with connect(host, port) as sock:
                    got, closed = read_reply(sock)
                    if not closed:
                        sock.sendall(b"QUIT\r\n")
                        got += read_reply(sock)[0]
            except OSError as e:
                got = str(e).encode()
            with lock:
                if got.startswith(b"220 ") and b"\n221 " in got:
                    good[0] += 1
                else:
                    faults.append(got)

    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(int(at_once))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    took = time.monotonic() - began
    print("%d of %s good, %.0f a second" % (good[0], n, int(n) / took), faults[:2])
    if good[0] != int(n):
        sys.exit(1)


def hold(host, port, seconds):
    with connect(host, port) as sock:
        read_reply(sock)
        sock.sendall(b"EHLO client.test\r\n")
        read_reply(sock)
        sock.sendall(b"MAIL FROM:<>\r\n")     # a keeper is one when it is asked
        read_reply(sock)
        print("ready", flush=True)
        time.sleep(float(seconds))


def same(_host, _port, sent, stored):
    with open(sent, "rb") as f:
        body = f.read().replace(b"\r\n", b"\n")
    with open(stored, "rb") as f:
        lines = f.read().split(b"\n")
    for name in (b"Return-Path:", b"Delivered-To:", b"Received:"):
        if not lines or not lines[0].startswith(name):
            sys.exit("no %s before %r" % (name.decode(), lines[:1]))
        lines.pop(0)
        while lines and lines[0][:1] in (b" ", b"\t"):
            lines.pop(0)
    got = b"\n".join(lines)
    if got != body:
        sys.exit("stored %r, sent %r" % (got[:200], body[:200]))


def text(_host, _port, wanted, stored):
    with open(stored, "rb") as f:
        got = email.message_from_binary_file(f).get_payload(decode=True)
    with open(wanted, "rb") as f:
        body = f.read()
    if got != body:
        sys.exit("stored %r, sent %r" % (got[:200], body[:200]))


if __name__ == "__main__":
    globals()[sys.argv[3]](*sys.argv[1:3], *sys.argv[4:])
