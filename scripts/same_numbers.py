#!/usr/bin/env python3
"""Shows whether HEAD trains the same bytes as an older commit.

    python3 scripts/same_numbers.py COMMIT [--target-dir DIR]

Builds both commits in temporary worktrees of git, and runs with both programs the sweeps configs/smoke*.json that both have,
as they are at COMMIT. Then it compares every cell of tasks.csv and controls.csv in the columns that both have. If all are
the same, it prints the entry of `same_numbers` for docs/reference/made-by.json. What is in no commit plays no part.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("tasks.csv", "controls.csv")


class Failure(Exception):
    """One sentence for the user."""


def output(*command):
    """What a command of git's in the repository prints."""
    run = subprocess.run(["git", "-C", ROOT, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode != 0:
        raise Failure(f"git {' '.join(command)} failed: {run.stderr.strip().splitlines()[-1]}")
    return run.stdout.strip()


def build(commit, tree, program, target):
    """Builds a commit in the new worktree `tree`; its program becomes `program`."""
    print(f"building {commit}", file=sys.stderr, flush=True)
    output("worktree", "add", "--quiet", "--detach", str(tree), commit)
    # The library is the repository's own, so that nothing is fetched for the worktree.
    environment = dict(os.environ)
    environment.setdefault("LIBTORCH", str(ROOT / ".libtorch"))
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--bin", "trainability", "--target-dir", target]
    if subprocess.run(command, cwd=tree, env=environment).returncode != 0:
        raise Failure(f"{commit} does not build: see above")
    shutil.copy(Path(target) / "release" / "trainability", program)


def sweep(program, config, folder, results):
    """Runs an experiment of `folder` into `results`."""
    command = [program, "sweep", f"configs/{config}", "--out", results]
    run = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if run.returncode != 0:
        reason = (run.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise Failure(f"{Path(program).name} does not finish configs/{config} of the older commit: {reason}")


def differences(before, after):
    """In which of the columns that both tables have cells differ; or a number of rows."""
    tables = [list(csv.reader(open(path, newline=""))) for path in (before, after)]
    (old_header, *old), (new_header, *new) = tables
    if len(old) != len(new):
        return [f"{len(old)} rows became {len(new)}"]

    def column(header, rows, name):
        place = header.index(name)
        return [row[place] for row in rows]

    common = [name for name in old_header if name in new_header]
    return [name for name in common if column(old_header, old, name) != column(new_header, new, name)]


def compare(before, after):
    """The number of files that are the same in two results folders, and a line on each that is not."""
    same, different = 0, []
    for old in sorted(path for name in FILES for path in before.glob(f"runs/**/{name}")):
        name = old.relative_to(before / "runs")
        new = after / "runs" / name
        found = differences(old, new) if new.is_file() else ["the file is missing"]
        same += not found
        if found:
            different.append(f"{name}: {', '.join(found)}")
    return same, different


def main():
    parser = argparse.ArgumentParser(description="Shows whether HEAD trains the same bytes as COMMIT.")
    parser.add_argument("commit", metavar="COMMIT", help="the older commit")
    parser.add_argument("--target-dir", metavar="DIR", help="where cargo builds, such as a copy of target")
    arguments = parser.parse_args()
    try:
        old = output("rev-parse", "--short", f"{arguments.commit}^{{commit}}")
    except Failure:
        raise Failure(f"COMMIT is {arguments.commit!r}, expected a commit that this clone has") from None
    new = output("rev-parse", "--short", "HEAD")
    temporary = Path(tempfile.mkdtemp(prefix="same-numbers."))
    trees = {commit: temporary / commit for commit in (old, new)}
    if len(trees) == 1:
        raise Failure(f"{old} is HEAD, and there is nothing to compare")
    try:
        target = os.path.abspath(arguments.target_dir or temporary / "target")
        programs = {commit: temporary / f"trainability-{commit}" for commit in trees}
        for commit, tree in trees.items():
            build(commit, tree, programs[commit], target)
        configs = sorted(path.name for path in trees[old].glob("configs/smoke*.json")
                         if (trees[new] / "configs" / path.name).is_file())
        same, different = 0, []
        for config in configs:
            results = {commit: temporary / "results" / commit / Path(config).stem for commit in trees}
            for commit in trees:
                sweep(programs[commit], config, trees[old], results[commit])
            alike, unlike = compare(results[old], results[new])
            print(f"configs/{config}: {alike} files are the same, {len(unlike)} differ", flush=True)
            different += [f"  {Path(config).stem}/{line}" for line in unlike]
            same += alike
    finally:
        for tree in trees.values():
            if tree.exists():
                output("worktree", "remove", "--force", str(tree))
        shutil.rmtree(temporary, ignore_errors=True)
    if different:
        print("\n".join(different))
        raise Failure(f"{new} does not train the same bytes as {old}: {len(different)} files differ, {same} are the same")
    if not same:
        raise Failure(f"{old} and {new} have no smoke sweep in common, and nothing was shown")
    shown_by = (f"scripts/same_numbers.py {old}: all {same} files of {', '.join(Path(name).stem for name in configs)} have "
                "the same cells in every common column")
    print("add to `same_numbers` in docs/reference/made-by.json:")
    print(json.dumps({"commit": new, "shown_by": shown_by}))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"same_numbers: {failure}")
    except KeyboardInterrupt:
        sys.exit("same_numbers: interrupted")
