#!/usr/bin/env python3
# suite: timeout=150 calm
"""The router against real DNS (nsd with signed zones, unbound) and a resolver that lies: MX,
DANE, MTA-STS; failures, limits, confinement. In a network namespace of its own."""
import contextlib
import hashlib
import http.server
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dnszones  # noqa: E402
import listening  # noqa: E402
from dnszones import DEAD, RESOLVER, Resolver, Zones  # noqa: E402
from listening import case, expect, run_cases, wait_for  # noqa: E402
from tlsfeed import Files, make_cert, make_key  # noqa: E402

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
US = "us.example"
OWN, WEB = "192.0.2.9", "127.0.0.8"
ROUTER_UID = 61002
HASH = "ab" * 32
FIELDS = ("address", "port", "host", "preference", "secure", "policy", "names")

if dnszones.missing():
    print("skip router: no " + dnszones.missing())
    sys.exit(0)
if not dnszones.enter([OWN + "/32"]):
    print("skip router: no network namespace to be had")
    sys.exit(0)


# -- asking --------------------------------------------------------------------------------


class Route:
    """A running router and its asker (tests/system/route.c)."""

    def __init__(self, *options, dns=RESOLVER, anchor="anchor.key", conf="",
                 program=os.path.join(BUILD, "test", "route")):
        self.dir = tempfile.mkdtemp(prefix="route")
        os.chmod(self.dir, 0o755)
        os.mkdir(os.path.join(self.dir, "state"))
        path = os.path.join(self.dir, "postern.conf")
        with open(path, "w", encoding="ascii") as f:
            f.write("hostname = %s\nstate = state\ndns = %s\ndns-anchor = %s\ntls-ca = %s\n%s" % (
                US, dns, anchor if anchor == "none" else zones[anchor], files["ca.crt"], conf))
        self.log_file = open(os.path.join(self.dir, "log"), "w+", encoding="ascii")
        user = ["-u", str(ROUTER_UID)] if listening.ROOT else []
        self.process = subprocess.Popen(
            [program, "-c", path, "-s",
             os.path.join(self.dir, "state")] + user + list(options), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.log_file, text=True)

    def ask(self, *questions):
        """A list of (hops, result, code, text) in the questions' order, all asked at once."""
        self.process.stdin.write(";".join(questions) + "\n")
        self.process.stdin.flush()
        found, hops = [], []
        while (line := self.process.stdout.readline()) not in (".\n", ""):
            words = line.rstrip("\n").split("\t")
            if words[0] == "hop":
                hops.append(dict(zip(FIELDS, words[1:]), tlsa=[]))
            elif words[0] == "tlsa":
                hops[-1]["tlsa"].append(words[1])
            else:
                found.append((hops, words[0], words[1], words[2]))
                hops = []
        expect(len(found) == len(questions), "%d answers; log: %s" % (len(found), self.log()))
        return found

    def hops(self, question):
        hops, result, code, text = self.ask(question)[0]
        expect(result == "good", "%s: %s %s %s" % (question, result, code, text))
        return hops

    def log(self):
        self.log_file.seek(0)
        return self.log_file.read()

    def kept(self, domain):
        return os.path.join(self.dir, "state", "sts", domain)

    def __enter__(self):
        return self

    def __exit__(self, kind, *unused):
        self.process.stdin.close()
        code = self.process.wait(30)
        self.process.stdout.close()
        log = self.log()
        self.log_file.close()
        subprocess.run(["rm", "-rf", self.dir], check=True)
        if kind is None:
            expect(code == 0 and "signal=" not in log.replace("signal=KILL", ""), "ended with %d: %s" % (code, log))


def expect_hops(hops, want):
    got = [(h["address"], h["host"], h["preference"]) for h in hops]
    expect(got == want, "got %r" % got)


def expect_end(answer, result, code, word=""):
    expect(answer[1:3] == (result, code) and word in answer[3], "got %r" % (answer[1:],))


# -- zones ---------------------------------------------------------------------------------

LONG = "x" * 60
sec = """
@ IN MX 10 mx
@ IN MX 20 mx2
mx IN A 127.0.1.1
mx IN AAAA fd00::1
mx2 IN A 127.0.1.2
equal IN MX 5 e1
equal IN MX 5 e2
equal IN MX 5 e3
e1 IN A 127.0.2.1
e2 IN A 127.0.2.2
e3 IN A 127.0.2.3
fallback IN A 127.0.1.3
alias IN CNAME fallback
aliased IN MX 10 mxalias
mxalias IN CNAME mx2
null IN MX 0 .
null-and IN MX 0 .
null-and IN MX 10 mx2
text IN TXT "only text"
dead-mx IN MX 10 text
gone-mx IN MX 10 nowhere
literal IN MX 10 192.0.2.1.
odd IN MX 10 under_score
odd-and IN MX 5 a\\032b
odd-and IN MX 10 mx2
us-best IN MX 10 us.example.
us-best IN MX 20 mx2
us-second IN MX 10 mx
us-second IN MX 20 US.example.
us-second IN MX 20 mx2
us-second IN MX 30 mx2
own IN MX 10 mx2
own IN MX 20 ownhost
own IN MX 30 e1
ownhost IN A 192.0.2.9
own-only IN MX 10 ownhost
own-fallback IN A 127.0.0.1
self IN MX 10 localhost.
half-lame IN MX 10 mx.lame.
half-lame IN MX 20 mx2
lame-only IN MX 10 mx.lame.
half-gone IN MX 10 nowhere
half-gone IN MX 20 mx2
d-ee IN MX 10 ee
ee IN A 127.0.3.1
_25._tcp.ee IN TLSA 3 1 1 HASH
_2525._tcp.ee IN TLSA 3 1 2 HASHHASH
d-bad IN MX 10 bad
bad IN A 127.0.3.2
_25._tcp.bad IN TLSA 1 1 1 HASH
_25._tcp.bad IN TLSA 3 1 9 HASH
_25._tcp.bad IN TLSA 3 1 1 abcd
d-mixed IN MX 10 mixed
mixed IN A 127.0.3.3
_25._tcp.mixed IN TLSA 0 1 1 HASH
_25._tcp.mixed IN TLSA 2 0 1 HASH
_25._tcp.mixed IN TLSA 3 1 1 HASH
d-full IN MX 10 full
full IN A 127.0.3.4
_25._tcp.full IN TLSA 3 0 0 30820002abcd
_25._tcp.full IN TLSA 3 1 0 3003020101
_25._tcp.full IN TLSA 2 0 0 3003020101
_25._tcp.full IN TLSA 3 0 0 1234
d-alias IN MX 10 to-ee
to-ee IN CNAME ee
d-at-alias IN MX 10 to-mx2
to-mx2 IN CNAME mx2
_25._tcp.to-mx2 IN TLSA 3 1 1 HASH
d-out IN MX 10 out
out IN CNAME mx.ins.
_25._tcp.out IN TLSA 3 1 1 HASH
d-broken IN MX 10 broken
d-broken IN MX 20 ee
broken IN A 127.0.3.5
d-broken-only IN MX 10 broken
_tcp.broken IN NS ns.lame.
d-ins IN MX 10 mx.ins.
d-fallback IN A 127.0.3.6
_25._tcp.d-fallback IN TLSA 3 1 1 HASH
many-tlsa IN MX 10 mt
mt IN A 127.0.3.7
""".replace("HASH", HASH).strip().split("\n")
sec += ["many IN MX %d m%d" % (i, i) for i in range(1, 41)]
sec += ["m%d IN A 127.0.4.%d" % (i, i) for i in range(1, 41)]
sec += ["many-a IN MX 10 ma"] + ["ma IN A 127.0.5.%d" % i for i in range(1, 21)]
sec += ["ma IN AAAA fd00::5:%x" % i for i in range(1, 21)]
sec += ["_25._tcp.mt IN TLSA 3 1 1 " + "%064x" % i for i in range(20)]
sec += ["%s.%s IN A 127.0.6.1" % (LONG, ".".join([LONG] * 3))]
ins = ["@ IN MX 10 mx", "@ IN MX 20 mx.sec.", "mx IN A 127.0.7.1",
       "_25._tcp.mx IN TLSA 3 1 1 " + HASH]
root = ["lame. IN NS ns.lame.", "ns.lame. IN A 127.0.0.77"]
forged = ["@ IN MX 10 mx.sec.", "_25._tcp IN TLSA 3 1 1 " + HASH, "@ IN A 127.0.8.1"]
dnssec = Zones({"": root, "sec": sec, "ins": ins, "forged": forged}, {"sec", "forged"},
               {"forged"})
zones = dnssec
files = Files()
web_names = ["mta-sts." + n for n in (
    "enforce.example", "testing.example", "none.example", "moved.example", "gone.example",
    "html.example", "large.example", "broken.example", "slow.example", "deny.example",
    "two.example", "dane.sec", "late.example", "plainer.example")]
make_key(files["web.key"], "prime256v1")
make_cert(files["web.crt"], files["web.key"], web_names, files["ca"])
liar = Resolver()


# -- MX --------------------------------------------------------------------------------------


@case("preferences in order, the addresses of each; equal ones take turns")
def order():
    with Route() as r:
        expect_hops(r.hops("mx sec"), [("127.0.1.1", "mx.sec", "10"), ("fd00::1", "mx.sec", "10"),
                                       ("127.0.1.2", "mx2.sec", "20")])
        first = set()
        for answer in r.ask(*["mx equal.sec"] * 40):
            expect(sorted(h["address"] for h in answer[0]) ==
                   ["127.0.2.1", "127.0.2.2", "127.0.2.3"], answer)
            first.add(answer[0][0]["address"])
        expect(len(first) == 3, "always one of %r first" % first)


@case("without MX the domain itself; aliases of domains and of mail servers")
def fallback():
    with Route() as r:
        expect_hops(r.hops("mx fallback.sec"), [("127.0.1.3", "fallback.sec", "0")])
        expect_hops(r.hops("mx alias.sec"), [("127.0.1.3", "alias.sec", "0")])
        expect_hops(r.hops("mx aliased.sec"), [("127.0.1.2", "mxalias.sec", "10")])


@case("null MX, no such domain, no address, names that no host has")
def never():
    with Route() as r:
        for domain, code, word in (
                ("null.sec", "5.1.10", "null MX"), ("nowhere.sec", "5.1.2", "no such domain"),
                ("nowhere", "5.1.2", "no such domain"), ("text.sec", "5.4.4", "no address"),
                ("dead-mx.sec", "5.4.4", "no address"), ("gone-mx.sec", "5.4.4", "no address"),
                ("literal.sec", "5.4.4", "names"), ("odd.sec", "5.4.4", "names")):
            expect_end(r.ask("mx " + domain)[0], "permanent", code, word)
        for domain in ("null-and.sec", "odd-and.sec"):
            expect_hops(r.hops("mx " + domain), [("127.0.1.2", "mx2.sec", "10")])
        expect_hops(r.hops("mx half-gone.sec"), [("127.0.1.2", "mx2.sec", "20")])


@case("our own name or address among the mail servers: what is no better goes, or 5.4.6")
def loops():
    with Route() as r:
        for domain in ("us-best.sec", "own-only.sec", "own-fallback.sec", "self.sec",
                       "[%s]" % OWN, "[127.0.0.1]", "[IPv6:::1]", "[0.0.0.0]"):
            expect_end(r.ask("mx " + domain)[0], "permanent", "5.4.6", "this host")
        expect([h["preference"] for h in r.hops("mx us-second.sec")] == ["10", "10"], "second")
        expect_hops(r.hops("mx own.sec"), [("127.0.1.2", "mx2.sec", "10")])
        # A relay may be ourselves, on another port.
        expect_hops(r.hops("host 127.0.0.1 2525"), [("127.0.0.1", "", "0")])


@case("name servers that do not answer: later; others that do are used")
def failures():
    with Route(conf="[timeouts]\ndns = 2s\n") as r:
        for answer in r.ask("mx lame", "mx x.lame", "mx lame-only.sec"):
            expect_end(answer, "temporary", "4.4.3")
        expect_hops(r.hops("mx half-lame.sec"), [("127.0.1.2", "mx2.sec", "20")])
        for answer in r.ask("mx forged", "mx x.forged"):
            expect_end(answer, "temporary", "4.7.0", "validation failure")
    with Route(dns="127.0.0.99", conf="[timeouts]\ndns = 2s\n") as r:
        expect_end(r.ask("mx sec")[0], "temporary", "4.4.3")
        expect_hops(r.hops("host localhost 25")[:1], [("127.0.0.1", "localhost", "0")])
    with Route(anchor="none") as r:
        expect_hops(r.hops("mx sec")[2:], [("127.0.1.2", "mx2.sec", "20")])
        expect(r.hops("mx sec")[0]["secure"] == "insecure", "secure without an anchor")


@case("address literals")
def literals():
    with Route() as r:
        expect_hops(r.hops("mx [127.0.0.5]"), [("127.0.0.5", "", "0")])
        expect_hops(r.hops("mx [IPv6:fd00::5]"), [("fd00::5", "", "0")])
        expect_hops(r.hops("mx [ipv6:FD00::5]"), [("fd00::5", "", "0")])
        for literal in ("[127.0.0.5", "[]", "[fd00::5]", "[IPv6:127.0.0.5]", "[x]", "a..b",
                        "-", "x_y.sec"):
            expect_end(r.ask("mx " + literal)[0], "temporary", "4.3.0")
        expect(r.log().count("that is none") == 8, r.log())


@case("limits: mail servers, addresses of one, hops in all; a name as long as can be")
def limits():
    with Route() as r:
        expect([h["preference"] for h in r.hops("mx many.sec")] ==
               [str(i) for i in range(1, 17)], "mail servers")
        hops = r.hops("mx many-a.sec")
        expect(len(hops) == 16 and len({h["address"] for h in hops}) == 16, len(hops))
        long_name = "%s.%s.sec" % (LONG, ".".join([LONG] * 3))
        expect_hops(r.hops("mx " + long_name), [("127.0.6.1", long_name, "0")])


@case("IPv6 and IPv4 take turns where there is a route for IPv6, else it comes last")
def families():
    with Route() as r:
        hops = r.hops("mx many-a.sec")
        expect([":" in h["address"] for h in hops] == [False] * 8 + [True] * 8, "without a route")
    subprocess.run(["ip", "-6", "route", "add", "default", "dev", "lo"], check=True)
    with Route() as r:
        hops = r.hops("mx many-a.sec")
        expect([":" in h["address"] for h in hops] == [True, False] * 8, "with a route")
    subprocess.run(["ip", "-6", "route", "del", "default", "dev", "lo"], check=True)


@case("a configured relay: its addresses, no MX")
def relay():
    with Route() as r:
        expect_hops(r.hops("host mx2.sec 587"), [("127.0.1.2", "mx2.sec", "0")])
        expect(r.hops("host mx2.sec 587")[0]["port"] == "587", "port")
        expect_hops(r.hops("host fd00::7 25"), [("fd00::7", "", "0")])
        expect(r.hops("host ee.sec 2525")[0]["tlsa"] == ["3 1 2 " + HASH * 2], "TLSA of the port")
        for name in ("nowhere.sec", "text.sec"):
            expect_end(r.ask("host " + name + " 25")[0], "temporary", "4.4.4", "relay")
        expect_end(r.ask("host forged 25")[0], "temporary", "4.7.0")


# -- DANE --------------------------------------------------------------------------------------


def one(r, domain):
    hops = r.hops("mx " + domain)
    expect(len(hops) == 1, hops)
    return hops[0]


@case("DANE: usable records travel, useless ones make TLS a must, unproved ones nothing")
def dane():
    with Route() as r:
        h = one(r, "d-ee.sec")
        expect((h["policy"], h["tlsa"], h["secure"], h["names"]) ==
               ("dane", ["3 1 1 " + HASH], "secure", "ee.sec d-ee.sec"), h)
        h = one(r, "d-bad.sec")
        expect((h["policy"], h["tlsa"]) == ("dane", []), h)
        h = one(r, "d-mixed.sec")
        expect((h["policy"], h["tlsa"]) == ("dane", ["3 1 1 " + HASH, "2 0 1 " + HASH]), h)
        for domain, secure in (("d-ins.sec", "insecure"), ("d-out.sec", "insecure"),
                               ("fallback.sec", "secure")):
            h = one(r, domain)
            expect((h["policy"], h["tlsa"], h["secure"]) == ("none", [], secure), h)
        hops = r.hops("mx ins")
        expect([(h["policy"], h["secure"]) for h in hops] ==
               [("none", "insecure")] * len(hops), "an unproved MX")
        h = one(r, "d-fallback.sec")
        expect((h["policy"], h["names"]) == ("dane", "d-fallback.sec"), h)


@case("DANE: aliases; whole certificates become hashes; more records than fit")
def dane_forms():
    with Route() as r:
        h = one(r, "d-alias.sec")
        expect((h["host"], h["policy"], h["names"]) ==
               ("to-ee.sec", "dane", "ee.sec to-ee.sec d-alias.sec"), h)
        h = one(r, "d-at-alias.sec")
        expect((h["policy"], h["tlsa"], h["names"]) ==
               ("dane", ["3 1 1 " + HASH], "to-mx2.sec d-at-alias.sec"), h)
        h = one(r, "d-full.sec")
        key = bytes.fromhex("3003020101")
        cert = bytes.fromhex("30820002abcd")
        expect(sorted(h["tlsa"]) == ["2 0 0 3003020101",
                                     "3 0 1 " + hashlib.sha256(cert).hexdigest(),
                                     "3 1 1 " + hashlib.sha256(key).hexdigest()], h)
        h = one(r, "many-tlsa.sec")
        expect(len(set(h["tlsa"])) == 12, h)


@case("DANE: records that can't be had bar the server; others are used, or later")
def dane_broken():
    with Route(conf="[timeouts]\ndns = 2s\n") as r:
        hops = r.hops("mx d-broken.sec")
        expect([(h["host"], h["policy"]) for h in hops] == [("ee.sec", "dane")], hops)
        expect_end(r.ask("mx d-broken-only.sec")[0], "temporary", "4.4.3", "TLSA of broken.sec")
    with Route(anchor="none") as r:
        expect(one(r, "d-ee.sec")["policy"] == "none", "DANE without DNSSEC")


# -- MTA-STS -----------------------------------------------------------------------------------

policies, fetched = {}, []


class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        host = self.headers["Host"]
        fetched.append((host, self.path))
        status, kind, body = policies.get(host, (404, "text/plain", b""))
        if body is None:
            time.sleep(8)
            return
        self.send_response(status)
        if status == 301:
            self.send_header("Location", "https://mta-sts.enforce.example" + self.path)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *unused):
        pass


class WebServer(http.server.ThreadingHTTPServer):
    def handle_error(self, *unused):
        pass  # clients that do not like our certificate


def start_web():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["web.crt"], files["web.key"])
    server = WebServer((WEB, 443), Web)
    server.socket = context.wrap_socket(server.socket, server_side=True,
                                        do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def policy(domain, mode="enforce", mx="mx." "example", age=86400, status=200,
           kind="text/plain", body=None, ident="1"):
    """Publishes one; the domain's mail server is mx.DOMAIN."""
    lines = ["version: STSv1", "mode: " + mode] + ["mx: " + m for m in mx.split() if m]
    if body is None:
        body = ("\r\n".join(lines + ["max_age: %d" % age]) + "\r\n").encode()
    policies["mta-sts." + domain] = (status, kind, body)
    liar.records[("_mta-sts." + domain, "TXT")] = ["v=STSv1; id=%s;" % ident]
    liar.records[("mta-sts." + domain, "A")] = [WEB]
    liar.records[(domain, "MX")] = ["10 mx." + domain]
    liar.records[("mx." + domain, "A")] = ["127.0.9.1"]


def sts_route(**more):
    liar.twist = None
    return Route(dns=DEAD, anchor="none", **more)


def policy_of(r, domain):
    return [h["policy"] for h in r.hops("mx " + domain)]


@case("MTA-STS: enforce, testing and none; servers it does not allow")
def sts():
    policy("enforce.example", mx="mx.enforce.example *.other.example")
    policy("testing.example", "testing", mx="else.example")
    policy("none.example", "none", mx="")
    policy("deny.example", mx="*.deny.deny.example")
    liar.records[("enforce.example", "MX")] = ["10 mx.enforce.example", "20 a.other.example",
                                               "30 a.b.other.example", "40 evil.example"]
    for name in ("a.other.example", "a.b.other.example", "evil.example"):
        liar.records[(name, "A")] = ["127.0.9.2"]
    with sts_route() as r:
        hops = r.hops("mx enforce.example")
        expect([(h["host"], h["policy"], h["names"]) for h in hops] ==
               [("mx.enforce.example", "sts-enforce", "mx.enforce.example"),
                ("a.other.example", "sts-enforce", "a.other.example")], hops)
        expect(policy_of(r, "testing.example") == ["sts-testing"], "testing")
        expect(policy_of(r, "none.example") == ["none"], "none")
        expect_end(r.ask("mx deny.example")[0], "temporary", "4.7.0", "MTA-STS")
        expect(("mta-sts.enforce.example", "/.well-known/mta-sts.txt") in fetched, fetched)
        with open(r.kept("enforce.example"), encoding="ascii") as f:
            text = f.read()
        expect("\nid 1\n" in text and "mode enforce\nmx mx.enforce.example *.other.example\n"
               in text, text)
        expect(r.log() == "", r.log())


@case("MTA-STS: what is kept is used until it is old, changed or gone")
def sts_kept():
    policy("enforce.example", mx="mx.enforce.example")
    liar.records[("enforce.example", "MX")] = ["10 mx.enforce.example"]
    with sts_route() as r:
        def count():
            before = len(fetched)
            expect(policy_of(r, "enforce.example") == ["sts-enforce"], "not enforced")
            return len(fetched) - before

        def age(seconds, max_age=86400):
            with open(r.kept("enforce.example"), "w", encoding="ascii") as f:
                f.write("postern-sts 1\nid 1\nfetched %d\nmax-age %d\nmode enforce\n"
                        "mx mx.enforce.example\n" % (time.time() - seconds, max_age))
        expect(count() == 1 and count() == 0, "fetched twice, or never")
        age(50000)
        expect(count() == 1 and count() == 0, "half of its time is over")
        age(90000, 10 ** 6)
        expect(count() == 1, "a day is over")
        with open(r.kept("enforce.example"), "w", encoding="ascii") as f:
            f.write("postern-sts 1\nid 1\nrubbish")
        expect(count() == 1, "a damaged file")
    with sts_route() as r:
        # Neither the record nor the server is there: what is kept holds until its end.
        expect(policy_of(r, "enforce.example") == ["sts-enforce"], "not enforced")
        del liar.records[("_mta-sts.enforce.example", "TXT")]
    with sts_route() as r:
        os.mkdir(os.path.dirname(r.kept("")))
        for seconds, want in ((1000, "sts-enforce"), (86500, "none")):
            with open(r.kept("enforce.example"), "w", encoding="ascii") as f:
                f.write("postern-sts 1\nid 1\nfetched %d\nmax-age 86400\nmode enforce\n"
                        "mx mx.enforce.example\n" % (time.time() - seconds))
            expect(policy_of(r, "enforce.example") == [want], want)
        expect(not os.path.exists(r.kept("enforce.example")), "an old one is still there")
    policy("enforce.example", mx="mx.enforce.example", status=500)
    with sts_route() as r:
        os.mkdir(os.path.dirname(r.kept("")))
        with open(r.kept("enforce.example"), "w", encoding="ascii") as f:
            f.write("postern-sts 1\nid 0\nfetched %d\nmax-age 86400\nmode enforce\n"
                    "mx mx.enforce.example\n" % (time.time() - 10))
        expect(policy_of(r, "enforce.example") == ["sts-enforce"], "the server fails")
        before = len(fetched)
        expect(policy_of(r, "enforce.example") == ["sts-enforce"], "again")
        expect(len(fetched) == before, "asked again at once after a failure")


@case("MTA-STS: what is no policy is none: status, type, size, text, certificate, silence")
def sts_broken():
    good = b"version: STSv1\nmode: enforce\nmx: mx.x.example\nmax_age: 86400\n"
    policy("moved.example", status=301)
    policy("gone.example", status=404)
    policy("html.example", kind="text/html")
    policy("large.example", body=good + b"x: y\n" * 20000)
    policy("broken.example", body=good.replace(b"enforce", b"enforced"))
    policy("two.example")
    liar.records[("_mta-sts.two.example", "TXT")] *= 2
    policy("stranger.example")      # the certificate has no such name
    policy("plainer.example")
    liar.records[("mta-sts.plainer.example", "A")] = ["127.0.0.88"]  # nobody there
    names = ("moved", "gone", "html", "large", "broken", "two", "stranger", "plainer")
    with sts_route() as r:
        for name, answer in zip(names, r.ask(*["mx %s.example" % n for n in names])):
            expect(answer[1] == "good" and answer[0][0]["policy"] == "none", "%s: %r" % (
                name, answer))
            expect(not os.path.exists(r.kept(name + ".example")), name + " is kept")
        log = r.log()
        for words in ("status 301", "status 404", "not text/plain", "mode: expected",
                      "domain=large.example", "domain=stranger.example", "domain=plainer.example"):
            expect(words in log, "no %r in %s" % (words, log))
        expect("two.example" not in log and ("mta-sts.two.example", "/.well-known/mta-sts.txt")
               not in fetched, "two records are none")


@case("MTA-STS is off, or sts is not there: mail goes on")
def sts_off():
    policy("enforce.example", mx="nobody.example")
    with sts_route() as r:
        expect_end(r.ask("mx enforce.example")[0], "temporary", "4.7.0")
    with Route("-n", dns=DEAD, anchor="none") as r:
        expect(policy_of(r, "enforce.example") == ["none"], "off")
    alone = shutil.copy(os.path.join(BUILD, "test", "route"), files["route"])
    with sts_route(program=alone) as r:
        expect(policy_of(r, "enforce.example") == ["none"], "not there")
        expect("/sts" in r.log() and "No such file" in r.log(), r.log())


@case("DANE wins over MTA-STS")
def sts_dane():
    # A domain of the signed zone, its policy from the same resolver: none is there, so the
    # kept one counts, which allows no server of the domain.
    with Route() as r:
        os.mkdir(os.path.dirname(r.kept("")))
        for domain in ("d-ee.sec", "fallback.sec"):
            with open(r.kept(domain), "w", encoding="ascii") as f:
                f.write("postern-sts 1\nid 1\nfetched %d\nmax-age 86400\nmode enforce\n"
                        "mx nobody.example\n" % time.time())
        expect(one(r, "d-ee.sec")["policy"] == "dane", "DANE")
        expect_end(r.ask("mx fallback.sec")[0], "temporary", "4.7.0", "MTA-STS")


# -- a resolver that lies --------------------------------------------------------------------


@case("answers that are none: later, within the deadline, and the router lives on")
def hostile():
    liar.records[("ok.example", "A")] = ["127.0.9.9"]
    for i in range(30):
        liar.records[("c%d.example" % i, "CNAME")] = ["c%d.example" % (i + 1)]
    liar.records[("round.example", "CNAME")] = ["round2.example"]
    liar.records[("round2.example", "CNAME")] = ["round.example"]

    twists = {
        "silence": lambda a, tcp, n: None,
        "garbage": lambda a, tcp, n: a[:12] + os.urandom(200),
        "cut": lambda a, tcp, n: a[:20],
        "short": lambda a, tcp, n: a[:5],
        "truncated, no TCP": lambda a, tcp, n: None if tcp else a[:2] + b"\x83" + a[3:],
        "another id": lambda a, tcp, n: b"\0\0" + a[2:],
        "another question": lambda a, tcp, n: a[:13] + b"z" + a[14:],
        "counts that are wrong": lambda a, tcp, n: a[:6] + b"\xff\xff" + a[8:],
        "SERVFAIL": lambda a, tcp, n: a[:3] + b"\x82" + a[4:],
        "REFUSED": lambda a, tcp, n: a[:3] + b"\x85" + a[4:],
        "a pointer to itself": lambda a, tcp, n: a[:12] + b"\xc0\x0c" + a[14:],
    }
    domains = {"t%d.example" % i: name for i, name in enumerate(twists)}

    def twist(answer, tcp, name):
        return twists[domains[name]](answer, tcp, name) if name in domains else answer
    liar.twist = twist
    with Route(dns=DEAD, anchor="none", conf="[timeouts]\ndns = 2s\n") as r:
        start = time.monotonic()
        answers = r.ask(*["mx " + d for d in domains])
        for name, answer in zip(twists, answers):
            expect(answer[1:3] == ("temporary", "4.4.3"), "%s: %r" % (name, answer))
        expect(time.monotonic() - start < 10, "that took long")
        liar.twist = None
        for name in ("round.example", "c0.example"):
            expect_end(r.ask("mx " + name)[0], "temporary", "4.4.3")
        expect_hops(r.hops("mx ok.example"), [("127.0.9.9", "ok.example", "0")])


@case("a large answer comes over TCP; records with data of the wrong length are passed over")
def odd_records():
    liar.records[("large.example", "MX")] = ["%d m%03d.%s.example" % (i, i, LONG)
                                             for i in range(1, 60)]
    for i in range(1, 17):
        liar.records[("m%03d.%s.example" % (i, LONG), "A")] = ["127.0.9.3"]
    liar.records[("strange.example", "MX")] = ["10 mx.strange.example"]
    liar.records[("mx.strange.example", "A")] = ["127.0.9.4"]
    liar.records[("_mta-sts.strange.example", "TXT")] = ["v=STSv1", b"\xff" * 600, ""]
    with sts_route() as r:
        expect(len(r.hops("mx large.example")) == 16, "over TCP")
        expect_hops(r.hops("mx strange.example"), [("127.0.9.4", "mx.strange.example", "10")])


# -- the process -------------------------------------------------------------------------------


def children_of(parent_log):
    """Processes whose fd 2 is this file, by name."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink("/proc/%s/fd/2" % pid) == parent_log:
                with open("/proc/%s/comm" % pid, encoding="ascii") as f:
                    found.setdefault(f.read().strip(), []).append(int(pid))
    return found


def status(pid, key):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return next(line for line in f if line.startswith(key + ":")).split()[1:]


@case("the router has no file, no right, no privilege; it ends with who asked", root=True)
def confinement():
    with Route() as r:
        r.hops("mx sec")
        path = r.log_file.name
        pid = children_of(path)["router"][0]
        expect(status(pid, "Uid")[:1] == [str(ROUTER_UID)], status(pid, "Uid"))
        expect(status(pid, "Seccomp") == ["2"] and status(pid, "NoNewPrivs") == ["1"], "seccomp")
        expect(status(pid, "CapEff") == ["0000000000000000"], "capabilities")
        for fd in os.listdir("/proc/%d/fd" % pid):
            with contextlib.suppress(FileNotFoundError):
                target = os.readlink("/proc/%d/fd/%s" % (pid, fd))
                expect(target.startswith(("socket:", "anon_inode:", "pipe:")) or int(fd) < 3,
                       "fd %s is %s" % (fd, target))
        waiting = children_of(path)["sts-starter"][0]
        expect(status(waiting, "Uid")[:1] == [str(ROUTER_UID)], status(waiting, "Uid"))
    for p in (pid, waiting):
        wait_for(lambda p=p: not os.path.exists("/proc/%d" % p), "%d lives on" % p)


@case("sts: confined, ends with the router; a killed one costs a policy, no mail", root=True)
def sts_process():
    policy("slow.example", body=b"")
    policies["mta-sts.slow.example"] = (200, "text/plain", None)
    policy("late.example", mx="mx.late.example")
    with sts_route() as r:
        asked = threading.Thread(target=lambda: r.ask("mx slow.example"), daemon=True)
        asked.start()
        path = r.log_file.name
        wait_for(lambda: "sts-fetch" in children_of(path), "nobody fetches")
        pid = children_of(path)["sts-fetch"][0]
        wait_for(lambda: status(pid, "Seccomp") == ["2"], "no seccomp")
        expect(status(pid, "Uid")[:1] == [str(ROUTER_UID)], status(pid, "Uid"))
        parent = children_of(path)["sts"][0]
        os.kill(pid, signal.SIGKILL)
        asked.join(10)
        expect(not asked.is_alive(), "the answer waits for a dead fetcher")
        expect(policy_of(r, "late.example") == ["sts-enforce"], "the next fetch")
    wait_for(lambda: not os.path.exists("/proc/%d" % parent), "sts lives on")


try:
    start_web()
    run_cases()
finally:
    files.remove()
    dnssec.close()
