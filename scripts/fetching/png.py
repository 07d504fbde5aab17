"""Reads PNGs of one kind: 8 bits for each of red, green and blue, not interlaced. Source: the PNG specification.

Rows of such a picture are stored as differences, by a filter that each row chooses. Where that is the pixel on the left, as
nearly everywhere in the pictures that this is for, all rows are summed up at once, a column at a time, as bytes of one long
number: a second where a loop over the bytes takes a minute.
"""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BYTES = 3
LEFT = 1


def decode(data, width, height):
    """The bytes of a picture of this size, row by row, red, green and blue of each pixel.

    Raises ValueError, with what is wrong, where the data is another picture or none."""
    packed = []
    for kind, content in chunks(data):
        if kind == b"IHDR":
            need_header(content, width, height)
        elif kind == b"IDAT":
            packed.append(content)
    try:
        filtered = zlib.decompress(b"".join(packed))
    except zlib.error as error:
        raise ValueError(f"cannot be unpacked: {error}") from None
    if len(filtered) != height * (1 + BYTES * width):
        raise ValueError(f"has {len(filtered)} bytes where {height * (1 + BYTES * width)} are expected")
    return unfiltered(filtered, BYTES * width, height)


def chunks(data):
    """The kinds and contents of a PNG's chunks."""
    if not data.startswith(SIGNATURE):
        raise ValueError("is no PNG")
    at = len(SIGNATURE)
    while at < len(data):
        content = data[at + 8:at + 8 + int.from_bytes(data[at:at + 4], "big")]
        kind, checksum = data[at + 4:at + 8], data[at + 8 + len(content):at + 12 + len(content)]
        if zlib.crc32(kind + content) != int.from_bytes(checksum, "big") or len(checksum) != 4:
            raise ValueError(f"is damaged at byte {at}")
        yield kind, content
        at += 12 + len(content)


def need_header(content, width, height):
    found = struct.unpack(">2I5B", content)
    if found != (width, height, 8, 2, 0, 0, 0):
        raise ValueError(f"has {found[0]} x {found[1]} pixels of {found[2]} bits, colour type {found[3]} and interlace "
                         f"{found[6]}, where {width} x {height}, 8, 2 and 0 are expected")


def unfiltered(filtered, length, height):
    """The rows that were stored, each a byte for the filter and `length` bytes of differences."""
    rows = bytearray(length * height)
    add = adder(height)
    left = [0] * BYTES
    for column in range(length):
        differences = int.from_bytes(filtered[1 + column::1 + length], "little")
        colour = column % BYTES
        left[colour] = add(left[colour], differences)
        rows[column::length] = left[colour].to_bytes(height, "little")
    filters = filtered[::1 + length]
    # Rows of other filters have come out wrong, and may need the row above.
    for row in range(height):
        if filters[row] != LEFT:
            above = rows[(row - 1) * length:row * length] if row else bytes(length)
            differences = filtered[row * (1 + length) + 1:(row + 1) * (1 + length)]
            rows[row * length:(row + 1) * length] = unfiltered_row(filters[row], differences, above)
    return bytes(rows)


def adder(count):
    """A function that adds two numbers of `count` bytes byte by byte, each sum modulo 256."""
    low = int.from_bytes(b"\x7f" * count, "little")
    high = int.from_bytes(b"\x80" * count, "little")
    return lambda a, b: ((a & low) + (b & low)) ^ ((a ^ b) & high)


def unfiltered_row(kind, differences, above):
    """A row out of its differences and the row above, by the filter of that number."""
    if kind not in PREDICTIONS:
        raise ValueError(f"has a row with the filter {kind}, where 0 to 4 are known")
    predict = PREDICTIONS[kind]
    row = bytearray(len(differences))
    for at, difference in enumerate(differences):
        left, corner = (row[at - BYTES], above[at - BYTES]) if at >= BYTES else (0, 0)
        row[at] = (difference + predict(left, above[at], corner)) % 256
    return row


def paeth(left, above, corner):
    """The nearest of the three to left + above - corner; the first of those that are equally near."""
    return min((left, above, corner), key=lambda value: abs(left + above - corner - value))


PREDICTIONS = {
    0: lambda left, above, corner: 0,
    1: lambda left, above, corner: left,
    2: lambda left, above, corner: above,
    3: lambda left, above, corner: (left + above) // 2,
    4: paeth,
}
