"""A message of 25 MB for a server without CHECKPOINT, over a line that breaks; not a suite
itself.

line_peer.py NAME PORT RECIPIENT NEW    a server that listens, and where its mail appears
line_peer.py opensmtpd                  the one that tests/bench/peers has installed

First over a line that does not break, by which it arrives; then ATTEMPTS connections over
one that does.
"""
import os
import shutil
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "bench")]
import flush_talk  # noqa: E402
from checkpoint import large  # noqa: E402
from flush_talk import expect  # noqa: E402
from line import Line  # noqa: E402

SIZE, CUT = 25 << 20, 2 << 20
ATTEMPTS = 50        # Postern needs 14 and 23
DOMAIN = "far.test"
MODES = (("after 2 MiB", CUT), ("anywhere from 256 KiB to 2 MiB", (CUT // 8, CUT)))


def body_of(data):
    return data.replace(b"\r\n", b"\n").partition(b"\n\n")[2]


def files(new):
    return [os.path.join(new, n) for n in os.listdir(new)] if os.path.isdir(new) else []


class Source(flush_talk.Tree):
    def __init__(self, port):
        super().__init__()
        self.domain(DOMAIN, "deliver = smtp:[127.0.0.1]:%d" % port, "tls = never")


def arrives(name, port, to, new, body):
    line = Line(("127.0.0.1", port))
    source = Source(line.port)
    try:
        source.put(DOMAIN, to, body=body)
        log = source.flush("--now", DOMAIN, timeout=120)
        expect(source.gone(DOMAIN), log[-300:])
        flush_talk.wait_for(lambda: files(new), 60)
        path, = files(new)
        with open(path, "rb") as f:
            expect(body_of(f.read()) == body_of(body), "it is not what was sent")
        os.remove(path)
        return "%d octets, %d connections" % (line.sent, line.connections)
    finally:
        line.close()
        source.remove()


def never_arrives(name, port, to, new, body, cut):
    line = Line(("127.0.0.1", port), cut)
    source = Source(line.port)
    start = time.monotonic()
    try:
        mid = source.put(DOMAIN, to, body=body)
        while line.cuts < ATTEMPTS:
            before = line.cuts
            log = source.flush("--now", DOMAIN, timeout=60)
            expect(not source.gone(DOMAIN), "it arrived: " + log[-300:])
            expect(line.cuts > before, "no attempt: " + log[-300:])
            expect(time.monotonic() < start + 240, "%d cuts in 240 s" % line.cuts)
        expect(list(source.queued(DOMAIN)) == [mid], "another queue")
        time.sleep(2)        # as long as it takes to arrive by the other line, and more
        expect(files(new) == [], "%d files" % len(files(new)))
        return "%d connections, all cut, %d octets, nothing arrived" % (
            line.connections, line.sent)
    finally:
        line.close()
        source.remove()


def prove(name, port, to, new):
    body = large(SIZE)
    cases = [("arrives over a whole line", arrives, ())]
    cases += [("never arrives where the line breaks " + words, never_arrives, (cut,))
              for words, cut in MODES]
    for words, run, more in cases:
        try:
            print("# " + run(name, port, to, new, body, *more))
            print("ok line_peers: %s: %s" % (name, words), flush=True)
        except Exception as e:  # noqa: BLE001, the others run all the same
            print("not ok line_peers: %s: %s: %s" % (
                name, words, str(e).replace("\n", " ")[:600] or repr(e)), flush=True)


def opensmtpd():
    import servers
    work = tempfile.mkdtemp(prefix="postern-line.")
    try:
        server = servers.OpenSMTPD(work)
    except servers.Missing as e:
        print("skip line_peers: opensmtpd: %s" % e)
        return
    try:
        prove("opensmtpd", int(server.port), server.address, server.new)
    finally:
        server.stop()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1] == "opensmtpd":
        opensmtpd()
    else:
        prove(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
