"""Pictures that take long to decode, and whether others are answered beside them."""
import zlib

import daemon

DECODED = 'whynot_stage_seconds_count{stage="decode"}'


def large(shade, side=4500):
    row = bytes((0,) + (shade, 120, 200) * side)
    packer = zlib.compressobj(1)
    return daemon.png_file(side, side, b"".join(packer.compress(row) for _ in range(side)) + packer.flush())


def decoding(d, send, n):
    """The connections that send(i) asked over, each a large picture, one after the other, so that they would keep either of two threads if they were decoded there."""
    sent = []
    for i in range(n):
        sent.append(send(i))
        daemon.wait_until(lambda: d.metric("whynot_requests_in_flight") > 1)
        d.get("/livez")
    return sent


def answers(sent):
    statuses = [c.getresponse().status for c in sent]
    for c in sent:
        c.close()
    return statuses


def another_is_answered_beside(d, send):
    """Is a small picture answered before the large ones that send(i) asks about are decoded?"""
    for _ in range(5):  # on a machine that is busy otherwise one try may miss the time
        before = d.metric(DECODED)
        sent = decoding(d, send, 3)
        for _ in range(6):  # over either thread
            assert d.get("/livez").status == 200
        a = d.explain(daemon.picture(1))
        assert a.status == 200, a.body
        decoded = d.metric(DECODED) - before  # the small one is among them
        assert answers(sent) == [200] * 3
        if decoded == 1:
            return True
    return False
