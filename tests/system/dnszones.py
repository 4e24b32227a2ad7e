"""For router.py and its like, no suite itself: signed DNS in a network namespace of one's own.
nsd has the zones, the root included; unbound resolves them with a trust anchor of ours. One
calls enter() first: the program is started anew in a namespace where it may use any port.
"""
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

import listening
from listening import wait_for

NSD, RESOLVER, DEAD = "127.0.0.10", "127.0.0.53", "127.0.0.66"
ALGORITHM = "ECDSAP256SHA256"
NEEDED = ("unshare", "ip", "nsd", "unbound", "ldns-keygen", "ldns-signzone", "ldns-key2ds")
INSIDE = "POSTERN_NAMESPACE"


def missing():
    """The first program that is not there, or None."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    os.environ["PATH"] = path
    return next((p for p in NEEDED if shutil.which(p) is None), None)


def enter(addresses=()):
    """Starts this program again in a network namespace. False: that cannot be had."""
    if INSIDE not in os.environ:
        words = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
        if subprocess.run(words + ["true"], check=False, capture_output=True).returncode != 0:
            return False
        os.environ[INSIDE] = "root" if os.geteuid() == 0 else "user"
        os.execvp(words[0], words + [sys.executable] + sys.argv)
    listening.ROOT = os.environ[INSIDE] == "root"  # a user's own root is none
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for a in addresses:
        subprocess.run(["ip", "addr", "add", a, "dev", "lo"], check=True)
    return True


def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more).stdout


class Zones:
    """zones: {"": root's lines, "sec": lines, ...}. A zone in `signed` is signed, and has its
    DS in the root; one in `forged` has the DS of another key."""

    def __init__(self, zones, signed, forged=(), resolver_lines=""):
        self.dir = tempfile.mkdtemp(prefix="zones")
        os.chmod(self.dir, 0o755)
        self.processes = []
        self.sign_all(zones, signed, forged)
        self.start_nsd(zones)
        self.start_unbound(resolver_lines)
        wait_for(self.is_up, "DNS does not come up: " + self.log())

    def __getitem__(self, name):
        return os.path.join(self.dir, name)

    def log(self):
        text = ""
        for name in ("nsd.log", "unbound.log"):
            if os.path.exists(self[name]):
                with open(self[name], encoding="ascii", errors="replace") as f:
                    text += f.read()
        return text

    def key(self, zone):
        """A key for the zone; its name without suffix."""
        return run("ldns-keygen", "-a", ALGORITHM, "-k", "-r", "/dev/urandom", zone + ".",
                   cwd=self.dir).strip()

    def write_zone(self, zone, lines):
        origin = zone + "."
        head = ("$ORIGIN %s\n$TTL 300\n@ IN SOA ns.%s admin.%s 1 3600 600 86400 300\n"
                "@ IN NS ns.%s\nns.%s IN A %s\n" % (
                    origin, origin.lstrip("."), origin.lstrip("."), origin.lstrip("."),
                    origin.lstrip("."), NSD))
        with open(self[(zone or "root") + ".zone"], "w", encoding="ascii") as f:
            f.write(head + "\n".join(lines) + "\n")

    def sign_all(self, zones, signed, forged):
        root = list(zones.get("", []))
        for zone in (z for z in zones if z):
            self.write_zone(zone, zones[zone])
            root.append("%s. IN NS ns.%s." % (zone, zone))
            root.append("ns.%s. IN A %s" % (zone, NSD))
            if zone not in signed:
                continue
            key = self.key(zone)
            run("ldns-signzone", zone + ".zone", key, cwd=self.dir)
            other = self.key(zone) if zone in forged else key
            root.append(run("ldns-key2ds", "-n", "-2", other + ".key", cwd=self.dir).strip())
        self.write_zone("", root)
        key = self.key("")
        run("ldns-signzone", "-n", "root.zone", key, cwd=self.dir)
        shutil.copy(self[key + ".key"], self["anchor.key"])

    def start_nsd(self, zones):
        with open(self["nsd.conf"], "w", encoding="ascii") as f:
            f.write('server:\n ip-address: %s\n port: 53\n username: ""\n zonesdir: "%s"\n'
                    ' database: ""\n pidfile: "%s/nsd.pid"\n logfile: "%s/nsd.log"\n'
                    ' xfrdfile: "%s/xfrd"\n zonelistfile: "%s/list"\n cookie-secret-file: ""\n'
                    ' server-count: 1\nremote-control:\n control-enable: no\n' % (
                        (NSD,) + (self.dir,) * 5))
            for zone in zones:
                path = self[(zone or "root") + ".zone"]
                if os.path.exists(path + ".signed"):
                    path += ".signed"
                f.write('zone:\n name: "%s."\n zonefile: "%s"\n' % (zone, path))
        self.spawn("nsd", "-d", "-c", self["nsd.conf"])

    def start_unbound(self, lines):
        with open(self["hints"], "w", encoding="ascii") as f:
            f.write(". 3600 IN NS ns.\nns. 3600 IN A %s\n" % NSD)
        with open(self["unbound.conf"], "w", encoding="ascii") as f:
            f.write('server:\n interface: %s\n username: ""\n chroot: ""\n directory: "%s"\n'
                    ' pidfile: "%s/unbound.pid"\n logfile: "%s/unbound.log"\n use-syslog: no\n'
                    ' root-hints: "%s/hints"\n trust-anchor-file: "%s/anchor.key"\n'
                    ' do-not-query-localhost: no\n do-daemonize: no\n num-threads: 1\n'
                    ' local-zone: "test." nodefault\n harden-referral-path: no\n'
                    ' infra-host-ttl: 1\n%s\nremote-control:\n control-enable: no\n' % (
                        (RESOLVER,) + (self.dir,) * 5 + (lines,)))
        self.spawn("unbound", "-d", "-p", "-c", self["unbound.conf"])

    def spawn(self, *words):
        with open(self[words[0] + ".log"], "ab") as log:
            self.processes.append(subprocess.Popen(words, stdin=subprocess.DEVNULL,
                                                   stdout=log, stderr=log))

    def is_up(self):
        return ask(RESOLVER, "ns")

    def close(self):
        for p in self.processes:
            p.terminate()  # nsd takes its own children along
        for p in self.processes:
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def ask(server, name):
    """True when the server answers a question for the address of a name."""
    question = b"\x12\x34\x01\0" + struct.pack("!4H", 1, 0, 0, 0) + wire(name) + b"\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        try:
            s.connect((server, 53))
            s.send(question)
            answer = s.recv(4096)
        except OSError:
            return False
    return answer[:2] == b"\x12\x34" and answer[3] & 15 == 0 and answer[6:8] != b"\0\0"


def wire(name):
    labels = [x for x in name.split(".") if x]
    return b"".join(bytes([len(x)]) + x.encode() for x in labels) + b"\0"


TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}


def rdata(kind, value):
    if kind == "A":
        return socket.inet_aton(value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "CNAME":
        return wire(value)
    if kind == "MX":
        preference, name = value.split()
        return struct.pack("!H", int(preference)) + wire(name)
    if kind == "TXT":
        data = value if isinstance(value, bytes) else value.encode()
        return b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255]
                        for i in range(0, len(data), 255))
    return value


class Resolver:
    """A resolver that says what `records` has: {("name", "MX"): ["10 mx"]}, unsigned; or, where
    `twist` is set, what that function makes of the answer (None: silence)."""

    def __init__(self, address=DEAD):
        self.records = {}
        self.twist = None
        self.asked = []
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((address, 53))
        self.tcp = socket.create_server((address, 53))
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def answer(self, question, tcp):
        at, labels = 12, []
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode("latin-1").lower())
            at += 1 + question[at]
        name = ".".join(labels)
        kind = struct.unpack("!H", question[at + 1:at + 3])[0]
        kind = next((k for k, n in TYPES.items() if n == kind), str(kind))
        self.asked.append((name, kind))
        body, n, here = b"", 0, name
        for _ in range(20):
            alias = self.records.get((here, "CNAME"))
            if not alias or kind == "CNAME":
                break
            body += wire(here) + struct.pack("!HHIH", 5, 1, 60, len(wire(alias[0]))) + wire(alias[0])
            here = alias[0]
            n += 1
        for value in self.records.get((here, kind), []):
            data = rdata(kind, value)
            body += wire(here) + struct.pack("!HHIH", TYPES[kind], 1, 60, len(data)) + data
            n += 1
        known = n > 0 or any(x == here or x.endswith("." + here) for x, _ in self.records)
        head = question[:2] + bytes([0x81, 0x80 if known else 0x83]) + struct.pack(
            "!4H", 1, n, 0, 0)
        whole = head + question[12:at + 5] + body
        return self.twist(whole, tcp, name) if self.twist else whole

    def serve_udp(self):
        while True:
            question, peer = self.udp.recvfrom(65536)
            answer = self.answer(question, False)
            if answer is not None and len(answer) > 1232:
                answer = answer[:2] + bytes([answer[2] | 2]) + answer[3:6] + b"\0\0" + \
                    answer[8:12] + question[12:]
            if answer is not None:
                self.udp.sendto(answer, peer)

    def serve_tcp(self):
        while True:
            conn, _ = self.tcp.accept()
            threading.Thread(target=self.serve_conn, args=(conn,), daemon=True).start()

    def serve_conn(self, conn):
        try:
            with conn, conn.makefile("rb") as f:
                while head := f.read(2):
                    answer = self.answer(f.read(struct.unpack("!H", head)[0]), True)
                    if answer is None:
                        return
                    conn.sendall(struct.pack("!H", len(answer)) + answer)
        except OSError:
            pass  # who asked has gone
