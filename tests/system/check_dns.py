#!/usr/bin/env python3
# suite: timeout=120
"""postern check --dns against zones of our own: nothing to say of what is right, and for
each mistake what is wrong and what to publish."""
import json
import os
import shutil
import subprocess
import sys

import dnszones

NAME = "postern check --dns"
missing = dnszones.missing()
if missing:
    print("skip %s: no %s" % (NAME, missing))
    sys.exit(0)
if os.geteuid() != 0 or not dnszones.enter():
    print("skip %s: no network namespace of one's own" % NAME)
    sys.exit(0)

from spool_talk import Place, case, expect, run_cases, trees  # noqa: E402

place = Place()
for program in ("dns", "tls"):
    shutil.copy(os.path.join(os.path.dirname(trees.default_smtpd()), program), place.bin)
os.chmod(place.dir, 0o755)
place.tree.add_certificate()
out = subprocess.run([place.program("postern"), "-c", place.conf, "tls", "show"],
                     capture_output=True, check=True).stdout.decode()
TLSA = [line.split(None, 1)[1] for line in out.splitlines() if line.startswith("TLSA")][0]

good = ["mx IN A 9.9.8.7", "mx IN AAAA 2620:fe::7", "_25._tcp.mx IN TLSA " + TLSA,
        "one IN MX 10 mx.good.", 'one IN TXT "v=spf1 mx -all"', 'one IN TXT "other"',
        '_dmarc.one IN TXT "v=DMARC1; p=none"',
        '_mta-sts.one IN TXT "v=STSv1; id=1;"', "mta-sts.one IN A 9.9.8.8"]
arpa = ["7.8.9.9.in-addr IN PTR mx.good.",
        "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.e.f.0.0.0.2.6.2.ip6 IN PTR mx.good.",
        "9.8.9.9.in-addr IN PTR other.good."]
poor = ["mx IN A 9.9.8.9", "_25._tcp.mx IN TLSA 3 1 1 " + "ab" * 32,
        "none IN A 9.9.8.1",
        "null IN MX 0 .", 'null IN TXT "v=spf1 +all"', '_mta-sts.null IN TXT "v=STSv1; rubbish"',
        "two IN MX 10 gone.poor.", "two IN MX 20 alias.poor.", "alias IN CNAME mx.poor.",
        'two IN TXT "v=spf1 -all"', 'two IN TXT "v=spf1 mx -all"',
        '_dmarc.two IN TXT "v=DMARC1; p=none"', '_dmarc.two IN TXT "v=DMARC1; p=reject"',
        '_mta-sts.two IN TXT "v=STSv1; id=2;"']
zones = dnszones.Zones({"": [], "good": good, "arpa": arpa, "poor": poor, "forged": good},
                       {"good", "forged"}, {"forged"})


def check(host, *domains):
    """{where: [problem + what to do]} of what is found about DNS."""
    for name, value in (("hostname", host), ("dns", dnszones.RESOLVER),
                        ("dns-anchor", zones["anchor.key"])):
        place.tree.set_conf("", name, value)
    shutil.rmtree(os.path.join(place.dir, "domains"))
    os.mkdir(os.path.join(place.dir, "domains"))
    place.tree.domains.clear()
    for domain in domains:
        place.tree.set_domain(domain)
    code, text, err = place.postern("check", "--dns", "--json")
    expect(code in (0, 1), err)
    found = {}
    for f in json.loads(text)["findings"]:
        if "/" not in f["where"] or ".arpa" in f["where"]:
            found.setdefault(f["where"], []).append(f["problem"] + " DO " + f["do"])
    return found


def wants(found, where, *words):
    lines = [x for x in found.get(where, []) if all(w in x for w in words)]
    expect(lines, where, words, found)


@case("check --dns: what is right has no finding")
def _():
    found = check("mx.good", "one.good")
    expect(found == {}, found)


@case("check --dns: no MX, no SPF, no DMARC, nothing against listeners")
def _():
    found = check("mx.good", "none.poor")
    wants(found, "none.poor", "no MX record", "publish: none.poor. MX 10 mx.good.")
    wants(found, "none.poor", "no SPF record", 'TXT "v=spf1 mx a:mx.good -all"')
    wants(found, "none.poor", "no DMARC record", "publish: _dmarc.none.poor. TXT")
    # mx.good has DANE, so nobody listens.
    expect(len(found["none.poor"]) == 3, found)


@case("check --dns: a null MX, SPF for everybody, a broken MTA-STS record")
def _():
    found = check("mx.good", "null.poor")
    wants(found, "null.poor", "takes no mail")
    wants(found, "null.poor", "allows everybody")
    wants(found, "null.poor", "MTA-STS record is broken")


@case("check --dns: MX that is gone, an alias, another host's; two SPF and DMARC records")
def _():
    found = check("mx.good", "two.poor")
    wants(found, "two.poor", "none of its MX records leads to mx.good")
    wants(found, "two.poor", "gone.poor has no address")
    wants(found, "two.poor", "alias.poor is an alias of mx.poor")
    wants(found, "two.poor", "2 SPF records")
    wants(found, "two.poor", "several DMARC records")
    wants(found, "two.poor", "mta-sts.two.poor", "no address")


@case("check --dns: the host: PTR to another name, TLSA of an unsigned zone, no address")
def _():
    found = check("mx.poor", "one.good")
    wants(found, "9.8.9.9.in-addr.arpa", "points to other.good", "PTR mx.poor.")
    wants(found, "_25._tcp.mx.poor", "not signed")
    found = check("nobody.good", "one.good")
    wants(found, "nobody.good", "no address")


@case("check --dns: a TLSA record of another key; one without a certificate")
def _():
    other = [x.replace(TLSA, "3 1 1 " + "cd" * 32) for x in good]
    saved = dict(place.tree.conf)
    global zones
    zones.close()
    zones = dnszones.Zones({"": [], "good": other, "arpa": arpa}, {"good"})
    found = check("mx.good", "one.good")
    wants(found, "_25._tcp.mx.good", "no record is of the certificate", "TLSA " + TLSA)
    for key in ("tls-cert", "tls-key"):
        del place.tree.conf["", key]
    found = check("mx.good", "one.good")
    wants(found, "_25._tcp.mx.good", "no tls-cert")
    place.tree.conf = saved


@case("check --dns: forged answers, and none at all")
def _():
    global zones
    zones.close()
    zones = dnszones.Zones({"": [], "good": good, "arpa": arpa, "forged": good},
                           {"good", "forged"}, {"forged"})
    found = check("mx.good", "one.forged")
    wants(found, "one.forged", "forged")
    zones.processes[0].kill()
    zones.processes[1].kill()
    place.tree.set_conf("timeouts", "dns", "1s")
    found = check("mx.good", "one.good")
    wants(found, "one.good", "no answer")
    expect(not any("no MX" in x for x in found["one.good"]), found)


@case("check without --dns asks nothing")
def _():
    code, text, err = place.postern("check", "--json")
    expect("DNS" not in text and "MX" not in text, text, err)


try:
    run_cases()
finally:
    zones.close()
    place.remove()
