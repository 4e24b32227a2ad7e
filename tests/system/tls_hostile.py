#!/usr/bin/env python3
# suite: timeout=120
"""What hostile clients can do to tls, what a relay that is taken over would find in its
memory, and who may do what: keys, uids, sandboxes, idle memory."""
import contextlib
import os
import random
import re
import socket
import ssl
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from listening import (case, expect, find_in_memory, poison, memory_kib, run_cases,  # noqa: E402
                       status)
from tlsfeed import (RELAY_UID, SECONDS, Files, Tls, client_context, is_gone, openssl,  # noqa: E402
                     receive, sleep_until)

files = Files()
DICE = random.Random(8446)
IDLE = 200               # connections
IDLE_KIB = 200           # private memory of each relay; it had 188 when this was written


def expect_served(t):
    with t.link() as link:
        link.echo()


def hello(t):
    """A ClientHello of an ordinary client, as octets."""
    out = ssl.MemoryBIO()
    client = client_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="mx.test")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


# -- octets that are no handshake ---------------------------------------------------


@case("garbage, SMTP in clear, records that lie: refused, logged, survived")
def garbage():
    good = hello(None)
    record = struct.Struct("!BHH")
    inputs = [b"\0" * 100, b"EHLO client.test\r\n", b"GET / HTTP/1.1\r\n\r\n", os.urandom(5000),
              b"\x80\x2e\x01\x03\x01" + b"\0" * 44,                 # SSL 2
              record.pack(22, 0x0301, 16384 + 2048) + b"x" * 18432,  # too long
              record.pack(22, 0x0301, 0) * 200,                      # empty ones
              record.pack(22, 0x0301, 16384) + b"\1" + b"\xff" * 16383,
              record.pack(23, 0x0303, 5) + b"early",                 # data before a handshake
              record.pack(21, 0x0303, 2) + b"\2\x28",                # an alert
              good[:5] + b"\2" + good[6:], good + good]
    for _ in range(20):
        broken = bytearray(good)
        for _ in range(DICE.randrange(1, 8)):
            broken[DICE.randrange(len(broken))] = DICE.randrange(256)
        inputs.append(bytes(broken))
    with Tls(files, sections="[timeouts]\nhandshake = 2s\n") as t:
        links = []
        for data in inputs:
            link = t.connect()
            link.client.settimeout(SECONDS)
            try:
                link.client.sendall(data)
            except OSError:
                pass             # refused in the middle
            with contextlib.suppress(OSError):
                link.client.shutdown(socket.SHUT_WR)
            links.append(link)
        up = 0
        for link in links:
            packet = link.asker.recv(4096)
            # A change may leave a handshake good so far: it then waits and is cut.
            up += packet[:1] == b"+"
            link.close()
        expect(up == 0, "%d of them were handshakes" % up)
        t.wait_log("event=tls-failed", len(inputs))
        expect(t.log().count("event=tls-failed") == len(inputs), t.log())
        expect_served(t)


@case("half a handshake and silence: ended by the deadline; one octet a segment: served")
def stall():
    good = hello(None)
    with Tls(files, sections="[timeouts]\nhandshake = 1s\n") as t:
        begun = time.monotonic()
        links = []
        for data in (b"", good[:3], good[:100], good):
            link = t.connect()
            link.client.sendall(data)
            links.append(link)
        for link in links:
            expect(link.asker.recv(10)[:1] == b"-", "not refused")
            link.client.settimeout(SECONDS)
            while link.client.recv(4096):
                pass
            link.close()
        expect(0.9 <= time.monotonic() - begun < 10, "after %d s" % (time.monotonic() - begun))
        t.wait_log("reason=timeout", 4)
        expect(t.log().count("reason=timeout") == 4, t.log())
        expect(sleep_until(lambda: not t.processes("tls-relay")), "relays are left")
    with Tls(files) as t, t.connect() as link:
        incoming, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context().wrap_bio(incoming, out, server_hostname="mx.test")
        link.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(5):
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                drip(link.client, out.read())
                incoming.write(link.client.recv(65536))
        drip(link.client, out.read())
        link.read_facts()
        client.write(b"NOOP\r\n")
        drip(link.client, out.read())
        expect(receive(link.plain, 6) == b"NOOP\r\n", "other octets")


def drip(sock, data):
    for i in range(len(data)):
        sock.send(data[i:i + 1])


@case("a renegotiation is refused")
def renegotiation():
    with Tls(files) as t, socket.create_server(("127.0.0.1", 0)) as door:
        client = subprocess.Popen(
            ["openssl", "s_client", "-connect", "127.0.0.1:%d" % door.getsockname()[1],
             "-tls1_2", "-legacy_renegotiation"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        conn, _ = door.accept()
        plain, asker = t.serve(conn)
        conn.close()
        expect(asker.recv(4096)[:1] == b"+", "no handshake")
        client.stdin.write(b"R\n")
        client.stdin.flush()
        out, _ = client.communicate(timeout=SECONDS)
        expect(b"no renegotiation" in out, "not refused: %r" % out[-300:])
        plain.close()


@case("many half handshakes at once: others are served, all are freed")
def many():
    with Tls(files, sections="[timeouts]\nhandshake = 3s\n") as t:
        links = [t.connect() for _ in range(100)]
        for link in links:
            link.client.sendall(b"\x16\x03\x01")
        expect_served(t)
        for link in links:
            link.close()
        expect(sleep_until(lambda: not t.processes("tls-relay")), "relays are left")


# -- who has the key -----------------------------------------------------------------


def key_octets(path):
    """What of a private key would give it away: big-endian and as OpenSSL computes."""
    text = openssl("pkey", "-in", path, "-noout", "-text").decode()
    names = ("prime1", "prime2", "privateExponent") if "prime1" in text else ("priv",)
    found = []
    for name in names:
        digits = re.search(name + r":\s+((?:[0-9a-f]{2}:?\s*)+)", text).group(1)
        number = bytes.fromhex(re.sub(r"[:\s]", "", digits)).lstrip(b"\0")
        found += [number[:24], number[::-1][:24]]
    return found


@case("the private keys are in the key holder's memory, in no other, and in no log", root=True)
def key_memory():
    with Tls(files) as t, t.link(client_context(ssl.TLSVersion.TLSv1_3)) as ec, \
            t.link(client_context(ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-GCM-SHA256")) as rsa:
        ec.echo()
        rsa.echo()
        t.reload()
        t.link().close()
        expect(sleep_until(lambda: len(t.processes("tls-relay")) == 2), "the third goes on")
        relays = t.processes("tls-relay")
        relays += t.processes("tls-ancestor")
        for name in ("ec.key", "rsa.key"):
            octets = key_octets(files[name])
            with open(files[name], "rb") as f:
                octets.append(f.read()[60:100])     # the file itself
            holder = [m for o in octets for m in find_in_memory(t.processes("tls-keys")[0], o)]
            expect(holder, "%s is not in the key holder: the search is no good" % name)
            for pid in [t.process.pid] + relays:
                for o in octets:
                    found = find_in_memory(pid, o)
                    expect(not found, "%s is in process %d: %s" % (name, pid, found))
                    expect(o not in t.log().encode(), "%s is in the log" % name)


def descriptors(pid):
    """What a process holds beside 0 to 2, by kind."""
    at = "/proc/%d/fd" % pid
    return [os.readlink(os.path.join(at, n)).partition(":")[0] for n in os.listdir(at)
            if int(n) > 2]


@case("relays, their ancestor, key holder: no right, no file, no system call but a few; no core",
      root=True)
def sandboxes():
    with Tls(files) as t, t.link() as link:
        link.echo()
        pids = {n: t.processes(n)[0] for n in ("tls-relay", "tls-ancestor", "tls-keys")}
        pids["parent"] = t.process.pid
        for name, pid in pids.items():
            s = status(pid)
            expect(s["Uid"].split() == [str(RELAY_UID)] * 4, "%s: %s" % (name, s["Uid"]))
            expect(s["Groups"] == "", "%s: groups %s" % (name, s["Groups"]))
            expect(s["NoNewPrivs"] == "1", "%s may gain privileges" % name)
            with open("/proc/%d/limits" % pid) as f:
                expect(re.search(r"Max core file size\s+0\s+0", f.read()), "%s: cores" % name)
            if name == "parent":
                # The keys are root's here: it has to read them again, and may do no more.
                expect(int(s["CapEff"], 16) == 1 << 2, s["CapEff"])
                continue
            expect(int(s["CapEff"], 16) == int(s["CapPrm"], 16) == 0, "%s: rights" % name)
            expect(s["Seccomp"] == "2", "%s: no filter" % name)
        # Jobs, the log or nothing; connection and plain end, or the parent's word.
        for name, kinds in (("tls-relay", ["/dev/null"] + ["socket"] * 3),
                            ("tls-ancestor", ["/dev/null", "socket"])):
            held = sorted(descriptors(pids[name]))
            expect(held == kinds, "%s holds %s" % (name, held))


@case("of a connection that has ended nothing is left in a relay, whoever had it", root=True)
def leftovers():
    canaries = [b"canary-%d-of-a-client" % n for n in range(3)]
    with Tls(files) as t:
        pids = set()
        for canary in canaries:
            with t.link() as link:
                link.echo(canary + b" up\r\n", canary + b" down\r\n")
                relay = t.processes("tls-relay")[0]
                expect(find_in_memory(relay, canary), "the search is no good")
                expect(poison(relay, canary) > 200, "it has no room")
                pids.add(relay)
            expect(sleep_until(lambda: not t.processes("tls-relay")), "it goes on")
            for pid in pids:
                found = find_in_memory(pid, canary)
                expect(not found, "%s is in the memory of %d: %s" % (canary, pid, found[:3]))
        expect(len(pids) == 1 and not is_gone(pids.pop()), "another relay served")


@case("nobody but root and the key's owner reads the key", root=True)
def key_file():
    with Tls(files) as t:
        for uid in (61001, RELAY_UID):
            got = subprocess.run(["setpriv", "--reuid=%d" % uid, "--regid=%d" % uid,
                                  "--clear-groups", "cat", t["ec.key"]], capture_output=True)
            expect(got.returncode != 0 and got.stdout == b"", "uid %d read it" % uid)


@case("the key's owner, where that is not root, is whom tls becomes", root=True)
def key_owner():
    for name in ("ec.key", "rsa.key"):
        os.chown(files[name], 61004, 61004)
    try:
        with Tls(files) as t, t.link() as link:
            link.echo()
            for pid in [t.process.pid] + t.processes("tls-relay") + t.processes("tls-keys"):
                s = status(pid)
                expect(s["Uid"].split() == ["61004"] * 4, s["Uid"])
                expect(int(s["CapEff"], 16) == 0, s["CapEff"])
            t.reload()
            with t.link() as other:
                other.echo()
    finally:
        for name in ("ec.key", "rsa.key"):
            os.chown(files[name], 0, 0)


@case("idle relays are small", root=True)
def idle():
    with Tls(files) as t:
        links = []
        for _ in range(IDLE):
            link = t.link()
            link.echo()
            link.echo()
            links.append(link)
        time.sleep(1.2)          # they rest after one second, and on a busy machine later
        sizes = []

        def rest():
            sizes[:] = sorted(memory_kib(pid) for pid in t.processes("tls-relay"))
            return sizes[len(sizes) // 2] <= IDLE_KIB
        sleep_until(rest)
        expect(len(sizes) == IDLE, "%d relays" % len(sizes))
        print("    %d idle relays: median %d KiB, most %d KiB" % (
            IDLE, sizes[IDLE // 2], sizes[-1]))
        for link in links:
            link.close()
        expect(sizes[IDLE // 2] <= IDLE_KIB, "the median relay has %d KiB" % sizes[IDLE // 2])


try:
    run_cases()
finally:
    files.remove()
