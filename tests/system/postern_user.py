#!/usr/bin/env python3
# suite: timeout=60
"""postern user passwd, disable, enable, certificate and the legacy verifiers: what they
change in the verifier file, what they refuse, and whose the files are."""
import base64
import hashlib
import json
import os
import shutil
import subprocess

from auth_talk import AUTH, PASSWORD, ROOT, TOP, Tree, case, expect, run_cases

NAME = "alice@here.test"
# Shortest thing that has the form of a certificate: a SEQUENCE of 256 octets.
DER = b"\x30\x82\x01\x00" + bytes(range(256))
PEM = "text before\n-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n" % \
    base64.encodebytes(DER).decode()
MARK = hashlib.sha256(DER).hexdigest()
tree = Tree(mechanisms="PLAIN CRAM-MD5")
postern = tree.postern


def lines(login="alice"):
    with open(tree.verifier(login)) as f:
        return f.read().splitlines()


def keys(login="alice"):
    return [line.split(" ")[0] for line in lines(login)]


def put(name, content):
    path = os.path.join(tree.dir, name)
    with open(path, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())
    return path


@case("user passwd is user password")
def _():
    expect("Changed" in postern("user", "passwd", NAME, "--password-stdin", stdin="a\n"), "said")
    expect(keys() == ["argon2id", "scram-sha-256", "changed"], keys())
    st = os.stat(tree.verifier())
    expect(st.st_mode & 0o7777 == 0o600 and st.st_uid == (AUTH if ROOT else os.getuid()), st)
    expect("the same" in postern("help"), "help")


@case("user disable and enable")
def _():
    before = lines()
    expect("no longer" in postern("user", "disable", NAME), "said")
    expect("disabled" in lines() and len(lines()) == len(before) + 1, lines())
    postern("user", "disable", "ALICE@here.test")
    expect("(disabled: only receives)" in postern("user", "list"), "listed")
    rows = json.loads(postern("user", "list", "--json"))
    expect(rows[0]["disabled"] is True and rows[0]["password"] is True, rows)
    tree.password(NAME, PASSWORD)
    expect("disabled" in lines(), "a new password changes nothing about it")
    postern("user", "enable", NAME)
    postern("user", "enable", NAME)
    expect("disabled" not in lines(), lines())
    expect("no mailbox" in postern("user", "disable", "nobody@here.test", code=1), "nobody")
    expect("an alias" in postern("user", "disable", "postmaster@here.test", code=1), "alias")
    postern("user", "add", "bob@here.test", "--no-password")
    expect("no password" in postern("user", "disable", "bob@here.test", code=1), "none")


@case("user certificate")
def _():
    def certificate(*words, code=0):
        return postern("user", "certificate", NAME, *words, code=code)
    expect(MARK in certificate(put("a.pem", PEM)), "PEM")
    expect("certificate " + MARK in lines(), lines())
    certificate(put("a.der", DER))
    certificate("--fingerprint", ":".join(MARK[i:i + 2].upper() for i in range(0, 64, 2)))
    expect(certificate().split() == [MARK], "it is there once")
    expect(json.loads(certificate("--json")) == [MARK], "JSON")
    for content in (b"", b"x" * 300, PEM[:-40], PEM.replace("AQ", "*"), DER[:-1], DER + b"x",
                    b"\x30\x82\x00\x00"):
        expect("no certificate" in certificate(put("bad", content), code=1), content)
    expect("No such file" in certificate("/nonexistent", code=1), "no file")
    certificate(put("big", b"x" * 200000), code=1)
    for mark in ("", MARK[:-1], MARK + "0", MARK[:-1] + "g", "../" + MARK[3:]):
        certificate("--fingerprint", mark, code=2)
    certificate("--fingerprint", MARK, os.path.join(tree.dir, "a.der"), code=2)
    certificate("--remove", code=2)
    for n in range(7):
        certificate("--fingerprint", "%064x" % n)
    expect("8 certificates" in certificate("--fingerprint", "f" * 64, code=1), "a ninth")
    tree.password(NAME, PASSWORD)
    expect(len(certificate().split()) == 8, "a new password leaves them")
    certificate("--fingerprint", "%064x" % 3, "--remove")
    expect("no such" in certificate("--fingerprint", "%064x" % 3, "--remove", code=1), "twice")
    certificate(os.path.join(tree.dir, "a.der"), "--remove")
    expect(sorted(certificate().split()) == ["%064x" % n for n in (0, 1, 2, 4, 5, 6)], "rest")
    # A login may have nothing but a certificate.
    postern("user", "certificate", "bob@here.test", "--fingerprint", MARK)
    expect(lines("bob") == ["certificate " + MARK], lines("bob"))


@case("verifiers of legacy mechanisms: asked for twice, then renewed")
def _():
    expect("does not name DIGEST-MD5" in
           postern("user", "password", NAME, "--digest-md5", "--password-stdin", stdin="x\n",
                   code=1), "not named")
    expect("cram-md5" not in keys(), keys())
    postern("user", "add", "carl@here.test", "--cram-md5", "--password-stdin", stdin="x\n")
    expect(keys("carl") == ["argon2id", "scram-sha-256", "cram-md5", "changed"], keys("carl"))
    first = lines("carl")[2]
    tree.password("carl@here.test", "y")
    expect(lines("carl")[2] != first and keys("carl")[2] == "cram-md5", "renewed")
    with open(tree.conf) as f:
        text = f.read()
    with open(tree.conf, "w") as f:
        f.write(text.replace("mechanisms = PLAIN CRAM-MD5", "mechanisms = PLAIN"))
    tree.password("carl@here.test", "z")
    expect("cram-md5" not in keys("carl"), "gone with the mechanism's name")
    st = os.stat(os.path.join(tree.verifiers, ".key"))
    expect(st.st_mode & 0o7777 == 0o600 and st.st_uid == (AUTH if ROOT else os.getuid()), st)


@case("a damaged verifier: only a new password mends it")
def _():
    with open(tree.verifier("carl"), "w") as f:
        f.write("nonsense\n")
    for words in (("disable", "carl@here.test"),
                  ("certificate", "carl@here.test", "--fingerprint", MARK)):
        expect("user password" in postern("user", *words, code=1), words)
    expect("unknown line" in postern("check", code=1), "check")
    tree.password("carl@here.test", PASSWORD)
    expect(keys("carl") == ["argon2id", "scram-sha-256", "changed"], keys("carl"))
    expect("No findings" in postern("check"), "check")


@case("check looks at the key and the table of failures")
def _():
    key = os.path.join(tree.verifiers, ".key")
    os.chmod(key, 0o644)
    expect(".key" in postern("check", code=1), "mode")
    os.chmod(key, 0o600)
    with open(key) as f:
        text = f.read()
    with open(key, "w") as f:
        f.write("short\n")
    expect(".key: it is damaged" in postern("check", code=1), "damaged")
    with open(key, "w") as f:
        f.write(text)
    bad = os.path.join(tree.verifiers, ".throttle.bad")
    shutil.copy(key, bad)
    expect("set aside" in postern("check", code=1), "set aside")
    os.unlink(bad)
    os.mkdir(os.path.join(tree.verifiers, ".other"))
    expect(".other: it is no domain's directory" in postern("check", code=1), "foreign")
    os.rmdir(os.path.join(tree.verifiers, ".other"))
    expect("No findings" in postern("check"), "check")


@case("completion")
def _():
    if not os.path.exists("/usr/share/bash-completion/bash_completion"):
        return "bash-completion is not installed"

    def complete(line):
        script = '. "$0"; COMP_LINE=$1; COMP_POINT=${#1}; read -ra COMP_WORDS <<<"$1"; ' \
                 '[[ $1 == *" " ]] && COMP_WORDS+=(""); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); ' \
                 '_postern; printf "%s\\n" "${COMPREPLY[@]}"'
        return subprocess.run(["bash", "-c", script,
                               os.path.join(TOP, "units/postern.bash-completion"), line],
                              stdout=subprocess.PIPE, text=True).stdout.split()
    expect({"disable", "enable", "certificate", "passwd"} <= set(complete("postern user ")),
           complete("postern user "))
    expect("--fingerprint" in complete("postern user certificate a@b --f"), "options")
    expect(complete("postern user password a@b --cr") == ["--cram-md5"], "legacy")


if __name__ == "__main__":
    run_cases()
