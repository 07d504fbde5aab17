"""A download by another program, and how much of it has come: a bar on a terminal, else a line now and then."""

import os
import shutil
import subprocess
import sys
import tempfile
import time

from .common import say

# Seconds between lines where there is no terminal.
BETWEEN_LINES = 5


class Progress:
    """How much of a download has come, in bytes."""

    def __init__(self, what, total):
        self.what, self.total = what, total
        self.on_terminal = sys.stderr.isatty()
        self.last_line = time.monotonic()
        say(f"fetching {what}, {megabytes(total)} MB")

    def show(self, come):
        come = min(come, self.total)
        if self.on_terminal:
            self.draw(come)
        elif time.monotonic() - self.last_line >= BETWEEN_LINES:
            self.last_line = time.monotonic()
            say(f"{self.what}: {megabytes(come)} of {megabytes(self.total)} MB")

    def draw(self, come):
        after = f" {megabytes(come)} of {megabytes(self.total)} MB"
        width = max(10, min(50, shutil.get_terminal_size().columns - len(after) - len("setup: []") - 1))
        done = width * come // self.total
        # Back to the line's beginning, and away with what a longer line has left.
        sys.stderr.write(f"\rsetup: [{'#' * done}{'.' * (width - done)}]{after}\x1b[K")
        sys.stderr.flush()

    def end(self, complete):
        if self.on_terminal:
            if complete:
                self.draw(self.total)
            sys.stderr.write("\n")


def megabytes(size):
    return round(size / 10**6)


def folder_size(folder):
    """Bytes of all files in a folder, which others are writing to."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.stat(os.path.join(place, name)).st_size
            except OSError:
                pass
    return size


def run(command, folder, what, total, growing, environment):
    """Runs a command in `folder` that brings `total` bytes into `growing`, and returns its exit status and what it
    complained of. It does not outlive an interruption."""
    progress = Progress(what, total)
    with tempfile.TemporaryFile(dir=folder) as complaints:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaints,
                                   env=dict(os.environ, LC_ALL="C.UTF-8", **environment))
        try:
            while process.poll() is None:
                try:
                    process.wait(timeout=0.2)
                except subprocess.TimeoutExpired:
                    progress.show(folder_size(growing))
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
            progress.end(process.returncode == 0)
        complaints.seek(0)
        return process.returncode, complaints.read().decode(errors="replace")
