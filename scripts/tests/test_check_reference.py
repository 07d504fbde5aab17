"""Tests of scripts/check_reference.py, on small repositories of their own.

    python3 -m unittest discover --start-directory scripts/tests
"""

import contextlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import check_reference
from check_reference import CannotCheck, Failure, changed_paths, compared, config_changed, note, pins

STEP = """//! A step.
use std::fmt; // for others

/// Takes one.
fn step(x: f64) -> f64 {
    let name = "a // b, no comment";
    x * 0.5 /* half */
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_halves() {
        assert_eq!(super::step(1.0), 0.5);
    }
}
"""
LOCK = '[[package]]\nname = "tch"\nversion = "0.26.0"\n\n[[package]]\nname = "clap"\nversion = "4.0.0"\n'
SETUP = 'TORCH_VERSION = "2.13.0"\nFASHION = "one"\n'


class Rules(unittest.TestCase):
    """What of a file can change a number."""

    def changed(self, after, before=STEP):
        return changed_paths({"src/step.rs": before}, {"src/step.rs": after})

    def test_comments_and_layout_cannot(self):
        self.assertEqual(self.changed(STEP.replace("Takes one", "Takes a step").replace("/* half */", "")), [])
        self.assertEqual(self.changed(STEP.replace("(x: f64)", "(\n    x: f64\n)")), [])

    def test_code_and_texts_can(self):
        self.assertEqual(self.changed(STEP.replace("0.5 /*", "0.25 /*")), ["src/step.rs"])
        self.assertEqual(self.changed(STEP.replace("a // b", "a // c")), ["src/step.rs"])

    def test_the_test_module_cannot_and_what_follows_it_can(self):
        self.assertEqual(self.changed(STEP.replace("assert_eq!(super::step(1.0), 0.5);", "")), [])
        self.assertEqual(self.changed(STEP + "fn more() {}\n", STEP + "fn less() {}\n"), ["src/step.rs"])

    def test_files_of_test_modules_cannot(self):
        before = {
            "src/lib.rs": "#[cfg(test)]\nmod oracles;\npub mod step;\n",
            "src/oracles.rs": "fn slow() {}",
            "src/step.rs": "#[cfg(test)]\npub(crate) mod tests;\nfn step() {}",
            "src/step/tests/golden.csv": "1",
            "src/tests.rs": "fn kept() {}",
        }
        after = before | {"src/oracles.rs": "fn slower() {}", "src/step/tests/golden.csv": "2"}
        self.assertEqual(changed_paths(before, after), [])
        self.assertEqual(changed_paths(before, after | {"src/tests.rs": "fn other() {}"}), ["src/tests.rs"])

    def test_items_and_elements_for_tests_alone_cannot(self):
        function = "fn f<'a>(c: &'a str) -> char { '\"' }"
        text = f"#[cfg(test)]\nuse a::{{b, c}};\nconst X: [u8; 2] = [1,\n#[cfg(test)]\n&d::E,\n2];\n{function}"
        without = f"const X: [u8; 2] = [1, 2]; {function}"
        self.assertEqual(compared({"a.rs": text}), compared({"a.rs": without}))

    def test_pins_are_those_of_what_is_fetched_for_the_processor(self):
        self.assertEqual(pins(SETUP), pins("# torch\n" + SETUP.replace("one", "two")))
        self.assertNotEqual(pins(SETUP), pins(SETUP.replace("2.13.0", "2.14.0")))

    def test_further_arms_change_no_run_of_an_only(self):
        before = '{"about": "x", "seeds": 3, "methods": ["relu"], "training": {"batch_size": 64}}'
        after = '{"about": "y", "seeds": 40, "methods": ["relu", "crelu"], "training": {"batch_size": 64}}'
        self.assertFalse(config_changed(before, after, "sweep configs/small.json --only 'relu/*/*' --seeds 0..3"))
        self.assertTrue(config_changed(before, after, "sweep configs/small.json --seeds 0..3"))
        self.assertTrue(config_changed(before, after.replace("64", "32"), "sweep configs/small.json --only '*' --seeds 0..3"))


class Repository(unittest.TestCase):
    """The whole check, in a repository with one published folder."""

    def setUp(self):
        self.root = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        self.git("init", "--quiet")
        for path, text in {
            "src/step.rs": STEP, "crates/stats/src/mean.rs": "fn mean() {}", "Cargo.lock": LOCK, "scripts/setup.py": SETUP,
            "configs/small.json": '{"seeds": 3}', "docs/findings.md": "# Findings\n", "docs/reference/small/summary.csv": "a\n",
            ".gitignore": "results\n",
        }.items():
            self.write(path, text)
        self.made = self.commit()
        self.entry = {
            "commit": self.made, "report_commit": self.made, "command": "trainability sweep configs/small.json",
            "same_numbers": [],
        }

    def git(self, *arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", self.root, *identity, *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "a step", "--allow-empty")
        return self.git("rev-parse", "HEAD").strip()

    def check(self):
        """Whether the check passes at a new commit, and what it prints."""
        self.write("docs/reference/made-by.json", json.dumps({"small": self.entry}))
        self.commit()
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            passes = check_reference.check(self.root)
        return passes, printed.getvalue()

    def test_an_unchanged_tree_passes(self):
        self.assertEqual(self.check(), (True, "check_reference: docs/reference/small is of the code beside it\n"))

    def test_comments_tests_and_other_crates_pass(self):
        self.write("src/step.rs", STEP.replace("A step", "One step").replace("it_halves", "half"))
        self.write("src/cli/mod.rs", "fn main() {}")
        self.write("Cargo.lock", LOCK.replace("4.0.0", "4.1.0"))
        self.assertTrue(self.check()[0])

    def test_each_change_of_code_fails_in_one_sentence_that_names_the_file(self):
        for path, text, word in [
            ("src/step.rs", STEP.replace("0.5 /*", "0.25 /*"), "trains"),
            ("Cargo.lock", LOCK.replace("0.26.0", "0.27.0"), "trains"),
            ("scripts/setup.py", SETUP.replace("2.13.0", "2.14.0"), "trains"),
            ("configs/small.json", '{"seeds": 4}', "trains"),
            ("crates/stats/src/mean.rs", "fn median() {}", "computes the tables"),
        ]:
            with self.subTest(path):
                before = (self.root / path).read_text()
                self.write(path, text)
                passes, printed = self.check()
                self.assertFalse(passes)
                self.assertIn(f"what {word}", printed)
                self.assertIn(f"({path})", printed)
                self.assertEqual(printed.count("\n"), 1)
                self.write(path, before)

    def test_a_later_commit_with_the_same_numbers_mends_it(self):
        self.write("src/step.rs", STEP.replace("0.5 /*", "0.50 /*"))
        self.entry["same_numbers"] = [{"commit": self.commit(), "shown_by": "a comparison"}]
        self.assertTrue(self.check()[0])
        del self.entry["same_numbers"][0]["shown_by"]
        with self.assertRaisesRegex(Failure, "does not say by what"):
            self.check()

    def test_a_later_commit_with_the_same_tables_mends_what_computes_them_and_nothing_else(self):
        self.write("crates/stats/src/mean.rs", "fn median() {}")
        self.entry["same_tables"] = [{"commit": self.commit(), "shown_by": "a comparison"}]
        self.assertTrue(self.check()[0])
        del self.entry["same_tables"][0]["shown_by"]
        with self.assertRaisesRegex(Failure, "does not say by what"):
            self.check()
        self.entry["same_tables"][0]["shown_by"] = "a comparison"
        self.write("src/step.rs", STEP.replace("0.5 /*", "0.25 /*"))
        self.assertFalse(self.check()[0])

    def test_out_of_date_needs_the_note_and_warns(self):
        self.write("src/step.rs", STEP.replace("0.5 /*", "0.25 /*"))
        self.entry["out_of_date"] = "it takes a day"
        passes, printed = self.check()
        self.assertFalse(passes)
        self.assertIn(note("small"), printed)
        self.write("docs/findings.md", "> **" + note("small").replace(" an older", " an\n> older") + "**.\n")
        passes, printed = self.check()
        self.assertTrue(passes)
        self.assertIn("warning: docs/reference/small is out of date: it takes a day", printed)

    def test_the_note_goes_when_the_folder_is_made_again(self):
        self.write("docs/findings.md", note("small"))
        passes, printed = self.check()
        self.assertFalse(passes)
        self.assertIn("still says", printed)

    def test_folders_and_entries_agree(self):
        self.write("docs/reference/quick/summary.csv", "a\n")
        with self.assertRaisesRegex(Failure, "made-by.json is about small and docs/reference has quick, small"):
            self.check()

    def test_an_unknown_commit_is_an_error(self):
        self.entry["commit"] = "0123456"
        with self.assertRaisesRegex(Failure, "names the commit 0123456, which this clone does not have"):
            self.check()

    def test_without_history_nothing_is_said(self):
        self.check()
        self.commit()
        shallow = self.root / "results" / "shallow"
        self.git("clone", "--quiet", "--depth", "1", f"file://{self.root}", str(shallow))
        with self.assertRaisesRegex(CannotCheck, "shallow"):
            check_reference.check(shallow)
        # As from a tarball, though inside of another repository.
        shutil.rmtree(shallow / ".git")
        with self.assertRaisesRegex(CannotCheck, "no clone"):
            check_reference.check(shallow)

    def test_made_names_the_present_commit_and_only_that(self):
        self.entry["out_of_date"] = "it takes a day"
        self.write("docs/findings.md", note("small"))
        self.check()
        head = self.git("rev-parse", "--short=7", "HEAD").strip()
        with self.assertRaisesRegex(Failure, "was not made here"):
            check_reference.made(self.root, ["small"])
        self.write("results/small/sweep.json", json.dumps({"git_commit": self.made}))
        with self.assertRaisesRegex(Failure, "was trained by"):
            check_reference.can_make(self.root, ["small"])
        self.write("results/small/sweep.json", json.dumps({"git_commit": self.git("rev-parse", "HEAD").strip()}))
        self.write("src/step.rs", "")
        with self.assertRaisesRegex(Failure, "differs from its commit .*src/step.rs"):
            check_reference.made(self.root, ["small"])
        self.git("checkout", "--quiet", "src/step.rs")
        self.write("docs/reference/small/summary.csv", "new\n")
        check_reference.made(self.root, ["small"])
        entry = json.loads((self.root / "docs/reference/made-by.json").read_text())["small"]
        expected = self.entry | {"commit": head, "report_commit": head}
        del expected["out_of_date"]
        self.assertEqual(entry, expected)


if __name__ == "__main__":
    unittest.main()
