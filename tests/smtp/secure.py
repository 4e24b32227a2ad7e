"""The client's side of TLS and AUTH for run.py, no suite itself: certificates made once
a run, a TLS connection over octets that somebody else carries, and the SASL mechanisms
whose messages a transcript cannot hold since they are new each time.
"""
import atexit
import base64
import functools
import hashlib
import hmac
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import threading

_lock = threading.Lock()
_folder = []


def _openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _make(folder):
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
           "-days", "2"]
    _openssl(folder, *new, "-subj", "/CN=mx.test", "-addext", "subjectAltName=DNS:mx.test",
             "-keyout", "mx.key", "-out", "mx.pem")
    _openssl(folder, *new, "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem")
    # Clients' certificates: one of the authority with a name in it, one of nobody.
    _openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-subj", "/CN=Alice", "-addext", "subjectAltName=email:alice@here.test",
             "-keyout", "alice.key", "-out", "alice.csr")
    _openssl(folder, "x509", "-req", "-in", "alice.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
             "-CAcreateserial", "-days", "2", "-copy_extensions", "copy", "-out", "alice.pem")
    _openssl(folder, *new, "-subj", "/CN=Stranger",
             "-addext", "subjectAltName=email:alice@here.test",
             "-keyout", "stranger.key", "-out", "stranger.pem")


def certificates():
    """A folder with mx.pem, mx.key, ca.pem, {alice,stranger}.{pem,key}."""
    with _lock:
        if not _folder:
            folder = tempfile.mkdtemp(prefix="postern-smtp.")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            _make(folder)
            _folder.append(folder)
    return _folder[0]


class Tls:
    """RFC 8446's octets: what came in goes to feed(), what is to go out is in out()."""

    def __init__(self, version="", certificate=""):
        folder = certificates()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(os.path.join(folder, "mx.pem"))
        if version:
            wanted = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
            context.minimum_version = context.maximum_version = wanted
        if certificate:
            context.load_cert_chain(os.path.join(folder, certificate + ".pem"),
                                    os.path.join(folder, certificate + ".key"))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="mx.test")
        self.notified = False    # the peer has said that nothing follows
        self.broken = ""

    def out(self):
        return self.outgoing.read()

    def shake(self):
        """True when the handshake is done; else more input is needed."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def feed(self, data):
        """What the peer has said with these octets; none: the connection has ended."""
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()
        return data

    def read(self):
        said = b""
        while not self.notified:
            try:
                piece = self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                piece = b""
            except ssl.SSLError as e:
                self.broken = str(e)
                break
            if not piece:
                self.notified = True
            said += piece
        return said

    def write(self, data):
        self.tls.write(data)
        return self.out()

    def close_notify(self):
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass                 # it waits for the peer's, which comes when it comes
        return self.out()

    def end_point(self):
        """RFC 5929 4: the hash of the server's certificate."""
        return hashlib.sha256(self.tls.getpeercert(True)).digest()


@functools.lru_cache
def _salted(password, salt, count):
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, count)


def b64(data):
    return base64.b64encode(data).decode()


class Scram:
    """RFC 5802, 7677. binding: "", "y" (could, but was not offered), or its name."""

    def __init__(self, user, password, binding="", data=b"", authorize=""):
        self.password = password
        self.gs2 = {"": "n", "y": "y"}.get(binding, "p=" + binding).encode()
        self.gs2 += b"," + (b"a=" + authorize.encode() if authorize else b"") + b","
        self.data = data
        self.bare = b"n=" + user.encode() + b",r=" + base64.b64encode(os.urandom(18))

    def first(self):
        return b64(self.gs2 + self.bare)

    def final(self, challenge):
        server = base64.b64decode(challenge)
        nonce, salt, count = re.fullmatch(rb"r=([!-+\--~]+),s=([^,]+),i=(\d+)", server).groups()
        assert nonce.startswith(self.bare.split(b"r=")[1]), "the nonce is another one"
        salted = _salted(self.password, base64.b64decode(salt), int(count))
        key = hmac.digest(salted, b"Client Key", "sha256")
        last = b"c=" + base64.b64encode(self.gs2 + self.data) + b",r=" + nonce
        said = self.bare + b"," + server + b"," + last
        sign = hmac.digest(hashlib.sha256(key).digest(), said, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, sign))
        self.signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), said, "sha256")
        return b64(last + b",p=" + base64.b64encode(proof))

    def is_server(self, challenge):
        return base64.b64decode(challenge) == b"v=" + base64.b64encode(self.signature)


def cram_md5(user, password, challenge):
    """RFC 2195."""
    mac = hmac.new(password.encode(), base64.b64decode(challenge), "md5")
    return b64(user.encode() + b" " + mac.hexdigest().encode())


def digest_md5(user, password, challenge):
    """RFC 2831; returns the response, and what the server has to prove itself with."""
    said = dict(re.findall(r'([\w-]+)="?([^",]*)"?', base64.b64decode(challenge).decode()))
    cnonce = b64(os.urandom(12))
    uri = "smtp/mx.test"

    def md5(text):
        return hashlib.md5(text).hexdigest()

    secret = hashlib.md5(("%s:%s:%s" % (user, said["realm"], password)).encode()).digest()
    a1 = md5(secret + (":%s:%s" % (said["nonce"], cnonce)).encode())
    proof = [md5(("%s:%s:00000001:%s:auth:%s" % (a1, said["nonce"], cnonce, md5(
        (method + ":" + uri).encode()))).encode()) for method in ("AUTHENTICATE", "")]
    text = ('username="%s",realm="%s",nonce="%s",cnonce="%s",nc=00000001,qop=auth,'
            'digest-uri="%s",response=%s,charset=utf-8' %
            (user, said["realm"], said["nonce"], cnonce, uri, proof[0]))
    return b64(text.encode()), b64(("rspauth=" + proof[1]).encode())
