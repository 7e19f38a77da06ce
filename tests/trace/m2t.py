# SPDX-License-Identifier: GPL-2.0-or-later
"""A decoder of native traces written from mmu2d-trace(5) alone, slow and plain, and a writer of
stored (uncompressed) chunks. Used to hold the program against its manual page."""
import struct
import zlib

FILE_MAGIC = b"\x89M2T\r\n\x1a\n"
CHUNK_MAGIC = b"\x89M2C\r\n\x1a\n"
END_MAGIC = b"\x89M2E\r\n\x1a\n"
M64 = (1 << 64) - 1


def check(ok, what):
    if not ok:
        raise ValueError(what)


class Stream:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        value = shift = 0
        while True:
            b = self.byte()
            value |= (b & 0x7F) << shift
            shift += 7
            if b < 0x80:
                return value

    def zigzag(self):
        v = self.varint()
        return (v >> 1) ^ (M64 if v & 1 else 0)

    def number(self, width):
        self.at += width
        return int.from_bytes(self.data[self.at - width : self.at], "little")


class Chunk:
    """The chunk at offset @at of @data."""

    def __init__(self, data, at):
        fixed = struct.unpack("<8sHHIIIQQIIIIQ3Q3II", data[at : at + 104])
        check(fixed[0] == CHUNK_MAGIC, "chunk magic")
        self.kind, n, size, self.sequence, self.kinds = fixed[1:6]
        self.first_ref, self.first_event = fixed[6:8]
        self.refs, self.events, self.segments, self.pages, body = fixed[8:13]
        self.sums, self.const, self.listed = fixed[13:16], fixed[16:19], fixed[19]
        check(size == 104 + 16 * n + 4, "header size")
        crc = struct.unpack("<I", data[at + size - 4 : at + size])[0]
        check(zlib.crc32(data[at : at + size - 4]) == crc, "header CRC")
        self.section = {}
        pos = at + size
        for i in range(n):
            kind, codec, zero, raw, stored, crc = struct.unpack(
                "<BBHIII", data[at + 104 + 16 * i : at + 120 + 16 * i])
            piece = data[pos : pos + stored]
            check(zlib.crc32(piece) == crc and zero == 0, "section CRC")
            if codec == 1:
                piece = zlib.decompress(piece, -15)
            check(len(piece) == raw, "section size")
            self.section[kind] = piece
            pos += stored
        check(pos == at + size + body, "body size")
        self.size = size + body

    def stream(self, kind):
        return Stream(self.section.get(kind, b""))


def decode_events(chunk, lengths):
    """Lists of events, one for each segment."""
    s = chunk.stream(6)
    last = {}
    out = []
    for n in lengths:
        segment = []
        for _ in range(n):
            kind = s.byte()
            length = s.varint()
            end = s.at + length
            if kind >= 128:
                s.at = end
                continue
            sub, mask = s.byte(), s.byte()
            f = dict(kind=kind, sub=sub, guest=mask & 1, n=0, a=0, b=0, c=0, d=0, e=0)
            if mask & 2:
                f["n"] = s.varint()
            for bit, name in ((4, "a"), (8, "b")):
                if mask & bit:
                    v = (last.get((kind, name), 0) + s.zigzag()) & M64
                    f[name] = last[kind, name] = v
            for bit, name in ((16, "c"), (32, "d"), (64, "e")):
                if mask & bit:
                    f[name] = s.varint()
            check(s.at <= end, "event length")
            s.at = end
            segment.append(f)
        out.append(segment)
    check(s.at == len(s.data), "events used up")
    return out


class RefDecoder:
    def __init__(self, chunk):
        table = chunk.section.get(1, b"")
        self.table = [struct.unpack("<BBBBB3xQ", table[i : i + 16])
                      for i in range(0, len(table), 16)]
        self.ops, self.deltas, self.extra = chunk.stream(2), chunk.stream(3), chunk.stream(4)
        self.counts = chunk.stream(7)
        self.chunk = chunk
        self.base = {}
        self.slot = {}
        self.last_page = self.last_frame = 0

    def next(self, vcpu, mode):
        key, size, base, width, flags, bias = self.table[self.ops.byte()]
        if flags & 2:
            v = self.extra.varint()
            key, size, base, frame = v & 0x7F, v >> 7 & 0xFF, v >> 15 & 15, v >> 19 & 1
            step = self.extra.zigzag()
        else:
            frame = flags & 1
            step = bias + self.deltas.number(width)
        where = (vcpu, mode, base)
        va = (self.base.get(where, 0) + step) & M64
        self.base[where] = (va + size) & M64
        page = va >> 12
        x = (page ^ (va >> 36)) & 0xFFFFFFFF
        slot = (((x + (2 * vcpu + mode) * 0x61C88647) * 0x9E3779B1) & 0xFFFFFFFF) >> 21
        if frame:
            number = (self.last_frame + page - self.last_page + self.extra.zigzag()) % (1 << 40)
            self.last_page, self.last_frame = page, number
            self.slot[slot] = number
        pa = self.slot.get(slot, 0) << 12 | (va & 0xFFF) if key & 16 else None
        kind = key & 3
        n = self.counts.varint() if self.chunk.listed >> kind & 1 else self.chunk.const[kind]
        return dict(kind=kind, user=key >> 2 & 1, io=key >> 5 & 1, direct=key >> 6 & 1, va=va,
                    size=size, pa=pa, n=n, vcpu=vcpu, mode=mode)

    def finish(self):
        for s in (self.ops, self.deltas, self.extra, self.counts):
            check(s.at == len(s.data), "streams used up")


def decode(data):
    """Yield ("page", pa, bytes or None), ("event", ordinal, vcpu, fields) and ("ref", ordinal,
    fields) of a whole trace, checking everything that the manual page promises."""
    magic, major, minor, size, flags, vcpus = struct.unpack("<8sHHIII", data[:24])
    check(magic == FILE_MAGIC and (major, minor, size) == (1, 0, 64), "file header")
    check(data[24:60] == bytes(36), "zero in the file header")
    check(struct.unpack("<I", data[60:64])[0] == zlib.crc32(data[:60]), "file header CRC")
    at, refs, events, pages, index = 64, 0, 0, 0, b""
    sequence = 0
    while True:
        c = Chunk(data, at)
        check((c.sequence, c.first_ref, c.first_event) == (sequence, refs, events), "order")
        if c.kind == 4:
            break
        index += struct.pack("<QQIIII", at, refs, c.refs, c.events, c.kind, c.size)
        if c.kind == 2:
            data_at = 0
            for i in range(c.pages):
                pa = struct.unpack("<Q", c.section[8][8 * i : 8 * i + 8])[0]
                page = None
                if not pa & 1:
                    page = c.section[9][data_at : data_at + 4096]
                    data_at += 4096
                yield "page", pa & ~1, page
        elif c.kind == 1:
            yield from decode_records(c, refs)
        at += c.size
        refs += c.refs
        events += c.events
        pages += c.pages
        sequence += 1
    check(c.section.get(11, b"") == index, "index")
    end = data[at + c.size :]
    check(len(end) == 64 and end[:8] == END_MAGIC, "trailer")
    check(struct.unpack("<QQQQIIQI", end[8:60]) ==
          (at, refs, events, pages, sequence, vcpus, len(data), flags), "trailer fields")
    check(struct.unpack("<I", end[60:])[0] == zlib.crc32(end[:60]), "trailer CRC")


def decode_records(c, ordinal):
    s = c.stream(5)
    segments = [(s.varint(), s.varint(), s.byte(), s.byte()) for _ in range(c.segments)]
    check(s.at == len(s.data), "segments used up")
    events = decode_events(c, [segment[0] for segment in segments])
    decoder = RefDecoder(c)
    sums = [0, 0, 0]
    for (_, n_refs, vcpu, mode), happened in zip(segments, events):
        for fields in happened:
            yield "event", ordinal, vcpu, fields
        for _ in range(n_refs):
            r = decoder.next(vcpu, mode)
            sums[r["kind"]] += r["n"]
            yield "ref", ordinal, r
            ordinal += 1
    decoder.finish()
    check(tuple(sums) == c.sums, "sums of n")


# --- writing, with stored sections only ---------------------------------------------------------


def varint(v):
    out = b""
    while v >= 0x80:
        out += bytes([v & 0x7F | 0x80])
        v >>= 7
    return out + bytes([v])


def zigzag(v):
    """Of a signed number."""
    return varint(((v << 1) ^ (v >> 63)) & M64)


def file_header(flags, vcpus):
    head = struct.pack("<8sHHIII36x", FILE_MAGIC, 1, 0, 64, flags, vcpus)
    return head + struct.pack("<I", zlib.crc32(head))


def chunk(kind, sequence, sections, first_ref=0, refs=0, events=0, segments=0, pages=0,
          sums=(0, 0, 0), const=(0, 0, 0), listed=0):
    body = b"".join(sections.values())
    head = struct.pack("<8sHHIIIQQIIIIQ3Q3II", CHUNK_MAGIC, kind, len(sections),
                       104 + 16 * len(sections) + 4, sequence, 0, first_ref, 0, refs, events,
                       segments, pages, len(body), *sums, *const, listed)
    for number, data in sections.items():
        head += struct.pack("<BBHIII", number, 0, 0, len(data), len(data), zlib.crc32(data))
    return head + struct.pack("<I", zlib.crc32(head)) + body


def finish(data, flags, vcpus, index, refs, events, pages):
    """Append the index @index (list of tuples) and the trailer."""
    at = len(data)
    table = b"".join(struct.pack("<QQIIII", *entry) for entry in index)
    data += chunk(4, len(index), {11: table}, first_ref=refs)
    # The index counts the events before it, too.
    end = struct.pack("<8sQQQQIIQI", END_MAGIC, at, refs, events, pages, len(index), vcpus,
                      len(data) + 64, flags)
    return data + end + struct.pack("<I", zlib.crc32(end))
