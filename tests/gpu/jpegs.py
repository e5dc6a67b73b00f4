"""Many different photographs of a few: requests about the same picture share a forward pass, and a load of few pictures would measure that."""


def variant(jpeg, n):
    """The photograph with one step of its first quantization table larger by one: as many bytes, as much work to decode, other pixels. n: 0 to 59. Raises
    ValueError for what is no JPEG or has no such table."""
    at = 2
    while jpeg[:2] == b"\xff\xd8" and at + 4 < len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] != 0xDA:
        size = int.from_bytes(jpeg[at + 2:at + 4], "big")
        if jpeg[at + 1] == 0xDB and jpeg[at + 4] >> 4 == 0:
            step = at + 5 + n  # zigzag: low frequencies first, which every photograph has
            if n < 60 and jpeg[step] < 255:
                return jpeg[:step] + bytes([jpeg[step] + 1]) + jpeg[step + 1:]
        at += 2 + size
    raise ValueError("no JPEG with a table of quantization steps")


def variants(files, folder, n):
    """Writes n different photographs of the files into the folder, each file's turn after the others'."""
    for i in range(n):
        with open(files[i % len(files)], "rb") as f:
            jpeg = variant(f.read(), i // len(files))
        with open("%s/%04d.jpg" % (folder, i), "wb") as f:
            f.write(jpeg)
