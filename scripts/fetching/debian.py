"""Fashion-MNIST, out of a package of Debian and Ubuntu: `apt-get download` and `dpkg-deb -x` need no root.

The package's own checksum differs between distributions, and apt-get compares it with the distribution's signed list. What is
pinned here is the content.
"""

import gzip
import os
import shutil
import subprocess
import sys
import zlib

from . import progress
from .common import SetupError, disk_is_full, need_checksum, need_space, replacing, say

PACKAGE = "dataset-fashion-mnist"
# Of Debian's package; that of another distribution is about as large.
PACKAGE_SIZE = 30_900_652
# Its IDX files, unpacked.
FASHION_MNIST = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
BY_HAND = ("put its four files into a folder, plain or gzipped, and name that in an experiment: data.set idx, data.folder the "
           "folder")


def install_fashion_mnist(target):
    need_space(target.parent, 200, "fashion-mnist")
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise SetupError(f"fashion-mnist comes out of a package of Debian and Ubuntu, and this system has no {program}: "
                             f"{BY_HAND}")
    with replacing(target) as (partial, new):
        command = ["apt-get", "-q", "download", PACKAGE]
        check(command, *progress.run(command, partial, PACKAGE, PACKAGE_SIZE, partial, {}))
        packages = list(partial.glob("*.deb"))
        if len(packages) != 1:
            raise SetupError(f"apt-get has brought {len(packages)} files where one package is expected: {BY_HAND}")
        say(f"unpacking {packages[0].name}")
        unpack(packages[0], partial)
        unpacked = partial / "unpacked" / "usr" / "share" / "datasets" / "fashion-mnist"
        for name, expected in FASHION_MNIST.items():
            write_unpacked(unpacked, name, new)
            need_checksum(new / name, expected, f"of {packages[0].name}")
    say(f"fashion-mnist, 60000 images and 10000 for testing, is in {target}")


def write_unpacked(folder, name, target):
    """Writes the IDX file `name`, which lies in `folder` plain or gzipped, into `target` without packing."""
    packed, plain = folder / f"{name}.gz", folder / name
    try:
        with (gzip.open(packed) if packed.is_file() else open(plain, "rb")) as source, open(target / name, "wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
    except FileNotFoundError:
        raise SetupError(f"{PACKAGE} has no {name}: the package is not the expected one; {BY_HAND}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SetupError(f"{packed.name} cannot be unpacked: {error}; nothing was installed") from None


def unpack(package, folder):
    command = ["dpkg-deb", "-x", str(package), "unpacked"]
    run = subprocess.run(command, cwd=folder, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, errors="replace",
                         env=dict(os.environ, LC_ALL="C.UTF-8"))
    check(command, run.returncode, run.stderr)


def check(command, status, complaints):
    """Tells in one sentence why a program of Debian's failed."""
    if status == 0:
        return
    if "Unable to locate package" in complaints or "No packages found" in complaints:
        raise SetupError(f"apt-get does not know {PACKAGE}: run `apt-get update` as root and try again, or {BY_HAND}")
    if "No space left on device" in complaints:
        raise disk_is_full("fashion-mnist")
    lines = [line for line in complaints.splitlines() if line.strip()] or ["it gave no reason"]
    reason = next((line for line in lines if line.startswith(("E:", "dpkg-deb: error"))), lines[-1])
    raise SetupError(f"{command[0]} could not bring {PACKAGE}: {reason.strip()}; try again, or {BY_HAND}")
