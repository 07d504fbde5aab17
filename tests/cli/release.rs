//! What a release is asked for: its version, completions for shells, pages of the manual.

use super::workdir::Workdir;

#[test]
fn the_version_tells_what_it_was_built_of() {
    let said = Workdir::new().run(&["--version"]).succeeded().stdout;
    let version = concat!("trainability ", env!("CARGO_PKG_VERSION"));
    assert!(said.starts_with(version) && said.lines().count() == 1, "{said}");
    assert!(said.contains("libtorch 2.13.0"), "{said}");
    // Without git, as in a package, there is no commit.
    if let Some((_, rest)) = said.split_once("commit ") {
        let commit = rest.split([',', ' ', ')']).next().unwrap();
        assert!(commit.len() >= 12 && commit.chars().all(|digit| digit.is_ascii_hexdigit()), "{said}");
    }
}

#[test]
fn shells_complete_every_subcommand_and_option() {
    let work = Workdir::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = work.run(&["completions", shell]).succeeded().stdout;
        for word in ["sweep", "report", "dry-run", "retry-failed", "group-by", "lockstep", "completions"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn the_manual_has_a_page_for_the_program_and_one_for_each_subcommand() {
    let work = Workdir::new();
    let page = |arguments: &[&str]| work.run(&[&["man"], arguments].concat()).succeeded().stdout.replace("\\-", "-");
    let whole = page(&[]);
    let names = ["sweep", "report", "export", "status", "probe", "replay", "data", "completions", "man"];
    for name in names {
        assert!(whole.contains(name), "{name}");
        let own = page(&[name]);
        assert!(own.contains(&format!(".TH trainability-{name} 1")), "{name}: {own}");
    }
    assert!(page(&["sweep"]).contains("--dry-run"));
}
