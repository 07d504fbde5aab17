//! The scripts that Slurm runs.

use std::path::{Path, PathBuf};

use super::size::Size;
use crate::experiment::SlurmOptions;

/// What the scripts have in common.
pub(super) struct Script<'a> {
    pub(super) name: &'a str,
    pub(super) program: PathBuf,
    pub(super) working: PathBuf,
    pub(super) out: PathBuf,
    pub(super) options: &'a SlurmOptions,
    pub(super) size: &'a Size,
}

impl Script<'_> {
    /// A shard: it writes checkpoints two minutes before its time is up, and goes back into the queue.
    pub(super) fn sweep(&self, array: &str, arguments: &[String], retry_failed: bool) -> String {
        let Size { shards, cpus, time, mem, .. } = self.size;
        let limit = self.options.array_limit.map_or_else(String::new, |limit| format!("%{limit}"));
        let mem = self.options.mem.clone().or_else(|| mem.map(|mem| format!("{mem}M")));
        let asked = [
            ("array", Some(format!("{array}{limit}"))),
            ("cpus-per-task", Some(cpus.to_string())),
            ("time", self.options.time.clone().or_else(|| time.map(hours))),
            ("mem", mem),
            ("signal", Some("B:USR1@120".to_owned())),
            ("open-mode", Some("append".to_owned())),
        ];
        let arguments: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
        let (program, out) = (quoted_path(&self.program), quoted_path(&self.out));
        // Once begun, what failed before is under way like anything else.
        let retry = match retry_failed {
            true => "retry=--retry-failed\n[ \"${SLURM_RESTART_COUNT:-0}\" -eq 0 ] || retry=\n",
            false => "retry=\n",
        };
        format!(
            "{}#SBATCH --requeue\n\n{}{retry}\
             # Slurm's notice that time is nearly up, and its request to make room: the sweep writes checkpoints and ends.\n\
             asked= sweep=\n\
             trap 'asked=USR1; kill -USR1 $sweep 2> /dev/null' USR1\n\
             trap 'asked=TERM; kill -TERM $sweep 2> /dev/null' TERM\n\
             {program} sweep {} --out {out} --jobs {cpus} --shard \"$SLURM_ARRAY_TASK_ID/{shards}\" $retry &\n\
             sweep=$!\n\
             # Before the sweep listens a request may be lost on it: it is made again.\n\
             sleep 1\n\
             [ -z \"$asked\" ] || kill -$asked $sweep 2> /dev/null\n\
             wait $sweep\n\
             code=$?\n\
             while kill -0 $sweep 2> /dev/null; do wait $sweep; code=$?; done\n\
             # Stopped by SIGUSR1: the rest is for another turn.\n\
             if [ $code -eq 138 ]; then scontrol requeue \"${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID\" && sleep 60; fi\n\
             exit $code\n",
            self.head("", &asked, "shard-%a.log"),
            self.change_folder(),
            arguments.join(" "),
        )
    }

    /// The report, once all shards are over.
    pub(super) fn report(&self) -> String {
        let asked = [("time", Some("01:00:00".to_owned())), ("mem", Some("4G".to_owned()))];
        let (program, out) = (quoted_path(&self.program), quoted_path(&self.out));
        format!("{}\n{}{program} report {out}\n", self.head("-report", &asked, "report.log"), self.change_folder())
    }

    fn head(&self, suffix: &str, asked: &[(&str, Option<String>)], log: &str) -> String {
        let log = self.out.join("slurm").join(log);
        let common = [
            ("job-name", Some(format!("{}{suffix}", self.name))),
            ("partition", self.options.partition.clone()),
            ("account", self.options.account.clone()),
            ("output", Some(quoted_path(&log))),
        ];
        let lines = common.iter().chain(asked);
        let line = |(key, value): &(&str, Option<String>)| Some(format!("#SBATCH --{key}={}\n", value.as_ref()?));
        format!("#!/bin/bash\n{}", lines.filter_map(line).collect::<String>())
    }

    fn change_folder(&self) -> String {
        format!("cd {} || exit 1\n", quoted_path(&self.working))
    }
}

/// Seconds as `HOURS:MINUTES:SECONDS`.
fn hours(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A text as one word of the shell.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn quoted_path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_the_shell_is_what_it_was() {
        for text in ["plain", "l2_adam/*/*", "it's", "", "a b", "$HOME `x` \"y\" \\"] {
            let output = std::process::Command::new("sh").arg("-c").arg(format!("printf %s {}", quoted(text))).output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), text);
        }
        assert_eq!(quoted("configs/quick.json"), "configs/quick.json");
    }

    /// The program hears nothing for its first half second, in which it is asked to stop.
    #[cfg(unix)]
    #[test]
    fn a_request_is_kept_until_the_sweep_listens() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let program = "trap '' USR1; sleep 0.5; trap 'exit 138' USR1; for i in $(seq 100); do sleep 0.05; done";
        let queue = format!("echo \"$@\" > {}; exit 1", quoted_path(&path("asked")));
        for (name, text) in [("program", program), ("scontrol", &queue)] {
            std::fs::write(path(name), format!("#!/bin/bash\n{text}\n")).unwrap();
            std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let script = Script {
            name: "field",
            program: path("program"),
            working: folder.path().to_owned(),
            out: path("out"),
            options: &SlurmOptions::default(),
            size: &Size { shards: 16, cpus: 2, time: None, mem: None, hours: None },
        };
        let search = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let mut shell = std::process::Command::new("bash");
        shell.arg("-c").arg(script.sweep("1-16", &[], false)).env("PATH", search);
        let mut child = shell.env("SLURM_ARRAY_JOB_ID", "7").env("SLURM_ARRAY_TASK_ID", "3").spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(200));
        std::process::Command::new("kill").args(["-USR1", &child.id().to_string()]).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(138));
        assert_eq!(std::fs::read_to_string(path("asked")).unwrap(), "requeue 7_3\n");
    }

    #[test]
    fn a_script_asks_for_what_was_wanted() {
        let options = SlurmOptions {
            partition: Some("long".to_owned()),
            array_limit: Some(4),
            mem: Some("3G".to_owned()),
            ..SlurmOptions::default()
        };
        let script = Script {
            name: "field",
            program: "/bin/trainability".into(),
            working: "/home/me/my work".into(),
            out: "/home/me/my work/results/field".into(),
            options: &options,
            size: &Size { shards: 16, cpus: 2, time: Some(5430), mem: Some(900), hours: None },
        };
        let arguments = ["configs/field.json", "--only", "relu/*/*"].map(str::to_owned);
        let text = script.sweep("1-3,7", &arguments, true);
        for line in [
            "#SBATCH --array=1-3,7%4",
            "#SBATCH --cpus-per-task=2",
            "#SBATCH --time=01:30:30",
            "#SBATCH --mem=3G",
            "#SBATCH --partition=long",
            "#SBATCH --output='/home/me/my work/results/field/slurm/shard-%a.log'",
            "cd '/home/me/my work' || exit 1",
            "retry=--retry-failed",
            "/bin/trainability sweep configs/field.json --only 'relu/*/*' --out '/home/me/my work/results/field' --jobs 2 \
             --shard \"$SLURM_ARRAY_TASK_ID/16\" $retry &",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
        }
        assert!(!text.contains("account"));
        let report = script.report();
        assert!(report.ends_with("\n/bin/trainability report '/home/me/my work/results/field'\n"), "{report}");
        for text in [text, report] {
            let mut shell = std::process::Command::new("bash");
            let checked = shell.args(["-n", "-c", &text]).output().unwrap();
            assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        }
    }
}
