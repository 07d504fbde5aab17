"""What every part of the set-up shares: sentences for the user, the cache, checksums, and folders that are whole or absent."""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path


class SetupError(Exception):
    """One sentence for the user."""


def say(text):
    print(f"setup: {text}", file=sys.stderr, flush=True)


def cache_folder():
    # `src/data/registry.rs` follows the same rule.
    for variable, rest in (("TRAINABILITY_CACHE", ""), ("XDG_CACHE_HOME", "trainability")):
        if os.environ.get(variable):
            return Path(os.path.abspath(Path(os.environ[variable]) / rest))
    return Path.home() / ".cache" / "trainability"


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def need_checksum(path, expected, origin):
    """Refuses a file that is not the one that it should be; `origin` says where it comes from."""
    found = sha256(path)
    if found != expected:
        raise SetupError(f"{path.name} {origin} has the SHA-256 {found} where {expected} is expected: it is damaged or holds "
                         "something else; nothing was installed")


def need_space(folder, megabytes, what):
    free = shutil.disk_usage(folder).free // 10**6
    if free < megabytes:
        raise SetupError(f"{what} needs {megabytes} MB while it is unpacked, and {folder} has {free} MB free: make room, or set "
                         "TRAINABILITY_CACHE to a folder on another disk")


def disk_is_full(what):
    return SetupError(f"the disk is full while fetching {what}: make room, or set TRAINABILITY_CACHE to a folder on another disk")


@contextmanager
def replacing(target):
    """A temporary folder beside `target` whose `new` takes its place once the block has gone through."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{target.name}.", suffix=".partial", dir=target.parent))
    try:
        new = partial / "new"
        new.mkdir()
        yield partial, new
        os.sync()
        if target.exists():
            target.rename(partial / "old")
        new.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def locked(cache):
    with open(cache / "setup.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up to finish")
            fcntl.flock(file, fcntl.LOCK_EX)
        # What a killed set-up has left: nobody else can be at work here now.
        for partial in (*cache.glob("*.partial"), *cache.glob("data/*.partial")):
            shutil.rmtree(partial, ignore_errors=True)
        yield
