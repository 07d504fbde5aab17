#!/usr/bin/env python3
"""Builds the program for a machine that has a GPU, PyTorch 2.11 (CUDA 13) and nothing else, and packs what it needs there.

    python3 scripts/gpu_program.py [--out FOLDER]

Such a machine has the libraries of PyTorch's wheel, against which the program is built here, with the version of `tch` that belongs to
them: the same sources otherwise. The folder (default: gpu) then holds the program, MNIST's images, and results of this machine's
processor for `scripts/on_gpu.py` to compare with: some 30 MB in all. Linux on x86_64; two gigabytes of disk for the cache.
"""

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import setup
from setup import SetupError

ROOT = Path(__file__).resolve().parent.parent
# The wheel of the PyTorch that is there, and the `tch` that wraps it.
WHEEL = ("torch", "2.11.0", {"linux-x86_64": "0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756"})
TCH = "0.24"
LIBRARIES = re.compile(r"lib(torch|torch_cpu|torch_cuda|c10|c10_cuda)\.so|libgomp.*")
AGREEMENT = {"agreement": ["configs/gpu-agreement.json"],
             **{f"replicate-{number}": ["configs/gpu-curves.json", "--set", f"training.replicate={number}"] for number in range(4)}}


def bring_libtorch(cache):
    """What the linker needs of the wheel: headers, and libraries that themselves need what is on the other machine alone."""
    target = cache / f"libtorch-{WHEEL[1]}-to-link"
    if setup.libtorch_intact(target):
        return target / "torch"
    setup.need_space(cache, 2600, f"libtorch {WHEEL[1]}")
    setup.need_pip()
    with setup.replacing(target) as (partial, new):
        def target_of(name):
            folder, _, file = name.rpartition("/")
            wanted = name.startswith("torch/include/") or folder == "torch/lib" and LIBRARIES.fullmatch(file)
            return new / name if wanted else None

        path = setup.download(WHEEL, "linux-x86_64", partial)
        setup.extract(path, target_of)
        path.unlink()
        (new / "torch" / "build-version").write_text(WHEEL[1] + "\n")
        files = (new / "torch" / "lib").iterdir()
        (new / setup.MANIFEST).write_text(json.dumps({str(file.relative_to(new)): file.stat().st_size for file in files}))
    return target / "torch"


def sources(target):
    """A copy of the checkout that asks for the other version of `tch`."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    names = [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    for name in set(names) - {"Cargo.toml", "Cargo.lock"}:
        there = target / name
        # Only what has changed is newer, and compiled again.
        if not there.exists() or there.read_bytes() != (ROOT / name).read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, there)
    manifest, changed = re.subn(r'(?m)^((?:tch|torch-sys) = )"[\d.]+"$', rf'\1"{TCH}"', (ROOT / "Cargo.toml").read_text())
    if changed != 2:
        raise SetupError(f"Cargo.toml asks for tch and torch-sys in {changed} lines of the form `tch = \"0.26\"`; expected 2")
    (target / "Cargo.toml").write_text(manifest)
    shutil.copyfile(ROOT / "Cargo.lock", target / "Cargo.lock")
    for gone in {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()} - set(names):
        (target / gone).unlink()


def build(libtorch):
    """The program, from a copy of the checkout."""
    folder = ROOT / "target" / "gpu"
    sources(folder / "source")
    environment = dict(os.environ, LIBTORCH=str(libtorch), CARGO_TARGET_DIR=str(folder / "build"))
    environment.pop("LIBTORCH_USE_PYTORCH", None)
    command = ["cargo", "build", "--release", "--bin", "trainability"]
    if subprocess.run(command, cwd=folder / "source", env=environment).returncode != 0:
        raise SetupError("the program does not build against the other libtorch: cargo's reasons are above")
    return folder / "build" / "release" / "trainability"


def on_the_processor(program, out):
    """What this machine's processor makes of the runs that the other machine is asked for."""
    # Those of an older program would be taken for finished.
    shutil.rmtree(out / "cpu", ignore_errors=True)
    for name, arguments in AGREEMENT.items():
        results = out / "cpu" / name
        command = [str(program), "sweep", *arguments, "--out", str(results)]
        if subprocess.run(command, cwd=ROOT).returncode != 0:
            raise SetupError(f"{' '.join(arguments)} was not trained to the end: its reasons are above")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "gpu", help="the folder that is filled (default: gpu)")
    out = parser.parse_args().out
    if setup.this_platform() != "linux-x86_64":
        raise SetupError("the program for a GPU is built on Linux on x86_64 alone")
    cache = setup.cache_folder()
    images, program = cache / "data" / "mnist", ROOT / "target" / "release" / "trainability"
    for needed in (images, program):
        if not needed.exists():
            raise SetupError(f"{needed} is missing: `make gpu` brings the images and builds the program first")
    with setup.locked(cache):
        libtorch = bring_libtorch(cache)
    built = build(libtorch)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy2(built, out / "trainability")
    (out / "mnist").mkdir(exist_ok=True)
    for path in images.iterdir():
        (out / "mnist" / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    on_the_processor(program, out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    setup.say(f"{out} holds the program, images and results: {size / 1e6:.0f} MB. There: python3 scripts/on_gpu.py {out.name} RESULTS")


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(f"gpu_program: {error}")
