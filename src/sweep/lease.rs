//! Who is at work in a sweep's folder.
//!
//! Each process at work keeps a file `at-work/K-of-N.GENERATION.json` of its own, which it alone writes: anew every few
//! seconds, as a sign of life. A share whose process is dead is claimed by whoever makes the file of the next generation,
//! which the file system lets only one do. So nothing rests on locks, on the clocks of several hosts, or on a process
//! that tidies up. A process is dead if it ran on this machine and runs no more; one elsewhere, if its file does not
//! change while it is watched for some time.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use trainability_record::atomic;

use super::shard::Shard;

const FOLDER: &str = "at-work";

/// How often there is a sign of life, and how long there may be none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    beat: Duration,
    silence: Duration,
}

/// Network file systems show a change to others within some seconds, and a machine may be busy.
pub(super) const PACE: Pace = Pace { beat: Duration::from_secs(10), silence: Duration::from_secs(60) };

/// A process at work on a share of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Worker {
    /// Its share.
    pub(crate) shard: Shard,
    /// A digest of the runs that are shared out: shares of other runs may overlap with these.
    pub(super) of: String,
    /// The machine's name.
    pub(crate) host: String,
    /// What tells this start of this machine, or of a container on it, from all others.
    machine: String,
    /// The process's number there.
    pub(crate) process: u32,
    /// When the process began, in seconds since 1970, since numbers are given again.
    process_start: u64,
    /// Runs at the same time.
    pub(crate) jobs: usize,
    /// The runs that it trains at this moment.
    pub(crate) runs: BTreeSet<String>,
    /// How many of the runs that it was asked for are not over; unknown before it has looked, and of earlier versions.
    #[serde(default)]
    pub(crate) left: Option<usize>,
}

impl Worker {
    /// This process.
    pub(super) fn this(shard: Shard, of: String, jobs: usize) -> Worker {
        let process = std::process::id();
        Worker {
            shard,
            of,
            host: System::host_name().unwrap_or_else(|| "an unknown host".to_owned()),
            machine: machine(),
            process,
            process_start: start_of(process).unwrap_or_default(),
            jobs,
            runs: BTreeSet::new(),
            left: None,
        }
    }

    /// Whether it is the same process.
    fn is(&self, other: &Worker) -> bool {
        (&self.machine, self.process, self.process_start) == (&other.machine, other.process, other.process_start)
    }

    /// Whether the process runs; unknown of one that is elsewhere.
    fn runs_still(&self) -> Option<bool> {
        // The system counts a process's start from its own, which is known to a second or so.
        let is_it = |start: u64| start.abs_diff(self.process_start) <= 2;
        (self.machine == machine()).then(|| start_of(self.process).is_some_and(is_it))
    }

    /// Like `process 4711 on HOST`.
    pub(crate) fn told(&self) -> String {
        let share = if self.shard.is_whole() { String::new() } else { format!("shard {}, ", self.shard) };
        format!("{share}process {} on {}", self.process, self.host)
    }
}

/// What is the same for all processes that know each other by their numbers, and for no others.
fn machine() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let boot = boot.map_or_else(|_| System::boot_time().to_string(), |boot| boot.trim().to_owned());
    let numbers = fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default();
    format!("{boot} {numbers}")
}

/// When a process of this machine began, if it runs.
fn start_of(process: u32) -> Option<u64> {
    let (mut system, process) = (System::new(), Pid::from_u32(process));
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[process]), true, ProcessRefreshKind::nothing());
    let is_over = |status| matches!(status, sysinfo::ProcessStatus::Zombie | sysinfo::ProcessStatus::Dead);
    system.process(process).filter(|process| !is_over(process.status())).map(sysinfo::Process::start_time)
}

/// Why a share cannot be claimed.
#[derive(Debug)]
pub(super) enum Unleased {
    /// By whom it, or a share that may overlap with it, is held.
    Held(String),
    /// The file of the claim cannot be written.
    Unwritable(io::Error),
}

impl From<io::Error> for Unleased {
    fn from(error: io::Error) -> Unleased {
        Unleased::Unwritable(error)
    }
}

/// Another process took up this one's share while this one gave no sign of life.
#[derive(Debug, thiserror::Error)]
#[error("another process has taken this one's place")]
pub(super) struct TakenOver;

/// A claim of this or another process, as its file shows it.
#[derive(Clone, Debug)]
struct Sighting {
    path: PathBuf,
    shard: Shard,
    generation: u64,
    changed: SystemTime,
    /// None while the file is being made, or if it is not what a process writes.
    worker: Option<Worker>,
}

impl Sighting {
    /// All in a sweep's folder.
    fn all(folder: &Path) -> Vec<Sighting> {
        let entries = fs::read_dir(folder.join(FOLDER)).into_iter().flatten().flatten();
        entries.filter_map(|entry| Sighting::of(entry.path())).collect()
    }

    fn of(path: PathBuf) -> Option<Sighting> {
        let name = path.file_name()?.to_str()?;
        let (shard, generation) = name.strip_suffix(".json")?.split_once('.')?;
        let (shard, generation) = (shard.replacen("-of-", "/", 1).parse().ok()?, generation.parse().ok()?);
        let changed = path.metadata().ok()?.modified().ok()?;
        let worker = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Some(Sighting { path, shard, generation, changed, worker })
    }

    fn told(&self) -> String {
        self.worker.as_ref().map_or_else(|| format!("shard {}", self.shard), Worker::told)
    }

    /// Whether it keeps a process from working on a share of these runs.
    fn is_in_the_way_of(&self, shard: Shard, of: &str) -> bool {
        let same_runs = self.worker.as_ref().is_none_or(|worker| worker.of == of);
        !same_runs || self.shard.count() != shard.count() || self.shard == shard
    }
}

/// A share that this process works on, until this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    held: Arc<LeaseFile>,
    beating: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct LeaseFile {
    folder: PathBuf,
    path: PathBuf,
    generation: u64,
    pace: Pace,
    pulse: Mutex<Pulse>,
    change: Condvar,
}

#[derive(Debug)]
struct Pulse {
    worker: Worker,
    /// When the file was last seen to be this process's own. Of the system's clock, which goes on while the machine sleeps.
    seen: SystemTime,
    is_lost: bool,
    is_over: bool,
}

impl Pulse {
    /// Whether the file was seen to be this process's own not long ago: then nobody has taken its place since.
    fn was_seen_within(&self, time: Duration) -> bool {
        self.seen.elapsed().is_ok_and(|passed| passed < time)
    }
}

impl Lease {
    /// Claims a share; `waiting` is told why it takes a while.
    ///
    /// # Errors
    /// Another process works on it or on runs that are of it, or the file system refuses.
    pub(super) fn take(folder: &Path, worker: Worker, pace: Pace, waiting: &dyn Fn(&str)) -> Result<Lease, Unleased> {
        let (shard, of) = (worker.shard, worker.of.clone());
        let others = |own: Option<&Path>| {
            let others = Sighting::all(folder).into_iter().filter(|claim| Some(claim.path.as_path()) != own);
            others.filter(|claim| claim.is_in_the_way_of(shard, &of)).collect::<Vec<_>>()
        };
        let dead = all_dead(&others(None), pace, waiting)?;
        let last = dead.iter().filter(|claim| claim.shard == shard).map(|claim| claim.generation).max();
        let generation = last.unwrap_or(0).checked_add(1).ok_or_else(|| Unleased::Held(dead[0].told()))?;
        let path = folder.join(FOLDER).join(format!("{}.{generation}.json", shard.file_stem()));
        let content = serde_json::to_vec_pretty(&worker).map_err(io::Error::from)?;
        make(&path, &content).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Unleased::Held("which has just begun".to_owned()),
            _ => Unleased::Unwritable(error),
        })?;
        // One that began at the same moment sees this claim, or is seen here.
        let is_new = |claim: &Sighting| dead.iter().all(|dead| dead.path != claim.path);
        if let Some(other) = others(Some(&path)).iter().find(|claim| is_new(claim)) {
            remove(folder, &path);
            return Err(Unleased::Held(other.told()));
        }
        dead.iter().for_each(|claim| drop(fs::remove_file(&claim.path)));
        let pulse = Pulse { worker, seen: SystemTime::now(), is_lost: false, is_over: false };
        let folder = folder.to_owned();
        let held = LeaseFile { folder, path, generation, pace, pulse: Mutex::new(pulse), change: Condvar::new() };
        let held = Arc::new(held);
        let beating = Arc::clone(&held);
        let beating = std::thread::Builder::new().name("signs of life".to_owned()).spawn(move || beating.beat())?;
        Ok(Lease { held, beating: Some(beating) })
    }

    /// Says that a run is being trained.
    pub(super) fn begin(&self, run: String) {
        self.held.pulse().worker.runs.insert(run);
        self.held.change.notify_all();
    }

    /// Says that it no longer is.
    pub(super) fn end(&self, run: &str) {
        let worker = &mut self.held.pulse().worker;
        if worker.runs.remove(run) {
            worker.left = worker.left.map(|left| left.saturating_sub(1));
        }
    }

    /// Says how many runs this process will train.
    pub(super) fn set_left(&self, left: usize) {
        self.held.pulse().worker.left = Some(left);
        self.held.change.notify_all();
    }

    /// What is asked before each writing: whether the share is still this process's.
    ///
    /// # Errors
    /// This process slept, the machine with it perhaps, and another has taken its place.
    pub(super) fn check(&self) -> Result<(), TakenOver> {
        let mut pulse = self.held.pulse();
        if !pulse.was_seen_within(self.held.pace.silence / 2) {
            self.held.look(&mut pulse);
        }
        if pulse.is_lost { Err(TakenOver) } else { Ok(()) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.held.pulse().is_over = true;
        self.held.change.notify_all();
        let _ = self.beating.take().map(JoinHandle::join);
        let mut pulse = self.held.pulse();
        self.held.look(&mut pulse);
        if !pulse.is_lost {
            remove(&self.held.folder, &self.held.path);
        }
    }
}

impl LeaseFile {
    fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives signs of life until the claim is over or lost.
    fn beat(&self) {
        let mut pulse = self.pulse();
        while !pulse.is_over && !pulse.is_lost {
            self.look(&mut pulse);
            if !pulse.is_lost
                && let Ok(content) = serde_json::to_vec_pretty(&pulse.worker)
            {
                // A disk that is full for a while says nothing of who is at work.
                let _ = atomic::write(&self.path, &content);
                // Asleep between the look and the writing, it may have written over another's.
                pulse.is_lost |= !pulse.was_seen_within(self.pace.silence * 5 / 6);
            }
            let before = pulse.worker.runs.clone();
            let waits = |pulse: &mut Pulse| !pulse.is_over && pulse.worker.runs == before;
            let waited = self.change.wait_timeout_while(pulse, self.pace.beat, waits);
            pulse = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Looks whether the file is still there and this process's, and no later generation. After one that ended politely, its
    /// successor begins with the first generation again, under the name that this one's file may have had.
    fn look(&self, pulse: &mut Pulse) {
        // A file system that does not answer says nothing, nor does a file that somebody wrote rubbish into.
        let is_gone = self.path.try_exists().is_ok_and(|there| !there);
        let claims = Sighting::all(&self.folder);
        let is_anothers = |claim: &Sighting| claim.worker.as_ref().is_some_and(|worker| !worker.is(&pulse.worker));
        let replaces = |claim: &Sighting| match claim.generation.cmp(&self.generation) {
            Ordering::Less => false,
            Ordering::Equal => is_anothers(claim),
            Ordering::Greater => true,
        };
        if is_gone || claims.iter().any(|claim| claim.shard == pulse.worker.shard && replaces(claim)) {
            pulse.is_lost = true;
        } else if !pulse.is_lost {
            pulse.seen = SystemTime::now();
        }
    }
}

/// Watches claims until all are known to be of dead processes, and returns them.
fn all_dead(claims: &[Sighting], pace: Pace, waiting: &dyn Fn(&str)) -> Result<Vec<Sighting>, Unleased> {
    let runs_still = |claim: &Sighting| claim.worker.as_ref().and_then(Worker::runs_still);
    if let Some(at_work) = claims.iter().find(|claim| runs_still(claim) == Some(true)) {
        return Err(Unleased::Held(at_work.told()));
    }
    let mut unknown: Vec<&Sighting> = claims.iter().filter(|claim| runs_still(claim).is_none()).collect();
    if let Some(first) = unknown.first() {
        let (seconds, told) = (pace.silence.as_secs(), first.told());
        waiting(&format!("waiting for a sign of life of {told}, for {seconds} seconds at most"));
    }
    // Not the system's clock, which may be set while others are watched.
    let begin = Instant::now();
    while !unknown.is_empty() && begin.elapsed() < pace.silence {
        std::thread::sleep(pace.beat / 10);
        for claim in &unknown {
            match Sighting::of(claim.path.clone()) {
                Some(now) if now.changed != claim.changed || now.worker != claim.worker => {
                    return Err(Unleased::Held(now.told()));
                }
                _ => {}
            }
        }
        // One that ends politely takes its claim away.
        unknown.retain(|claim| claim.path.exists());
    }
    Ok(claims.to_vec())
}

/// Makes a file with this content, in a folder that others may be taking away.
fn make(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    let mut tries = 0;
    let mut file = loop {
        tries += 1;
        // It may go while it is being made, which is said as if it were there and no folder.
        match fs::create_dir_all(folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && tries < 20 => continue,
            Err(error) => return Err(io::Error::other(format!("{}: {error}", folder.display()))),
            Ok(()) => {}
        }
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && tries < 20 => {}
            opened => break opened?,
        }
    };
    file.write_all(content).and_then(|()| file.sync_all()).inspect_err(|_| drop(fs::remove_file(path)))
}

/// Removes a claim, and the folder with the last of them.
fn remove(folder: &Path, path: &Path) {
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir(folder.join(FOLDER));
}

/// A process whose claim is in a sweep's folder.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SeenWorker {
    /// Who it is.
    #[serde(flatten)]
    pub(crate) worker: Worker,
    /// Whether it is at work, as far as can be told without watching it.
    pub(crate) is_alive: bool,
    /// Seconds since its last sign of life, by this machine's clock.
    pub(crate) seconds_silent: u64,
}

/// The processes whose claims are in a sweep's folder, by their shares.
pub(crate) fn workers(folder: &Path) -> Vec<SeenWorker> {
    let mut claims = Sighting::all(folder);
    claims.sort_by_key(|claim| (claim.shard.file_stem().len(), claim.shard.file_stem(), claim.generation));
    let seen = |claim: Sighting| {
        let worker = claim.worker?;
        let silent = claim.changed.elapsed().unwrap_or_default();
        let is_alive = worker.runs_still().unwrap_or(silent < PACE.silence);
        Some(SeenWorker { worker, is_alive, seconds_silent: silent.as_secs() })
    };
    claims.into_iter().filter_map(seen).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    const QUICK: Pace = Pace { beat: Duration::from_millis(20), silence: Duration::from_millis(400) };

    fn shard(text: &str) -> Shard {
        text.parse().unwrap()
    }

    fn this(text: &str) -> Worker {
        Worker::this(shard(text), "these runs".to_owned(), 1)
    }

    fn take(folder: &Path, worker: Worker) -> Result<Lease, String> {
        Lease::take(folder, worker, QUICK, &|_| {}).map_err(|refused| match refused {
            Unleased::Held(by) => by,
            Unleased::Unwritable(error) => panic!("{error}"),
        })
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder.join(FOLDER)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.retain(|name| name.ends_with(".json"));
        names.sort();
        names
    }

    /// Leaves the claim of a process on another machine that gives no sign of life.
    fn silent(folder: &Path, text: &str) -> PathBuf {
        let worker = Worker { machine: "another".to_owned(), host: "elsewhere".to_owned(), process: 7, ..this(text) };
        let path = folder.join(FOLDER).join(format!("{}.4.json", worker.shard.file_stem()));
        make(&path, &serde_json::to_vec(&worker).unwrap()).unwrap();
        path
    }

    #[test]
    fn a_share_is_one_process_s_and_other_shares_are_others() {
        let folder = tempfile::tempdir().unwrap();
        let first = take(folder.path(), this("1/2")).unwrap();
        let told = format!("shard 1/2, process {} on ", std::process::id());
        assert!(take(folder.path(), this("1/2")).unwrap_err().starts_with(&told));
        let second = take(folder.path(), this("2/2")).unwrap();
        for overlapping in ["1/1", "3/3"] {
            assert!(take(folder.path(), this(overlapping)).unwrap_err().contains("/2, process"), "{overlapping}");
        }
        let other_runs = Worker { of: "others".to_owned(), ..this("2/2") };
        assert!(take(folder.path(), other_runs).is_err());
        assert_eq!(files(folder.path()), ["1-of-2.1.json", "2-of-2.1.json"]);
        drop((first, second));
        assert!(!folder.path().join(FOLDER).exists(), "nothing is left");
        take(folder.path(), this("1/1")).unwrap();
    }

    #[test]
    fn what_is_left_of_what_was_asked_for_is_counted_once_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let lease = take(folder.path(), this("1/1")).unwrap();
        let left = || lease.held.pulse().worker.left;
        assert_eq!(left(), None);
        lease.set_left(2);
        lease.begin("a".to_owned());
        assert_eq!(left(), Some(2));
        lease.end("a");
        lease.end("a");
        lease.end("b");
        assert_eq!(left(), Some(1));
    }

    #[test]
    fn a_process_that_is_gone_is_succeeded_at_once_and_a_number_given_again_is_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let start = start_of(child.id()).unwrap();
        let worker = Worker { process: child.id(), process_start: start, ..this("1/1") };
        let path = folder.path().join(FOLDER).join("1-of-1.4.json");
        make(&path, &serde_json::to_vec(&worker).unwrap()).unwrap();
        assert!(take(folder.path(), this("1/1")).unwrap_err().contains(&format!("process {} on", child.id())));
        let earlier = Worker { process_start: start - 100, ..worker };
        fs::write(&path, serde_json::to_vec(&earlier).unwrap()).unwrap();
        drop(take(folder.path(), this("1/1")).unwrap());
        let child_again = Worker { process_start: start, ..earlier };
        make(&path, &serde_json::to_vec(&child_again).unwrap()).unwrap();
        child.kill().unwrap();
        // It is a zombie until its parent looks, and at work no more.
        std::thread::sleep(Duration::from_millis(50));
        let claim = take(folder.path(), this("1/1")).unwrap();
        assert_eq!(files(folder.path()), ["1-of-1.5.json"]);
        drop(claim);
        child.wait().unwrap();
    }

    #[test]
    fn a_process_elsewhere_is_dead_once_it_was_silent_while_watched() {
        let folder = tempfile::tempdir().unwrap();
        let path = silent(folder.path(), "1/1");
        let told = Mutex::new(Vec::new());
        let tell = |sentence: &str| told.lock().unwrap().push(sentence.to_owned());
        let begin = SystemTime::now();
        let claim = Lease::take(folder.path(), this("1/1"), QUICK, &tell).unwrap();
        assert!(begin.elapsed().unwrap() >= QUICK.silence);
        assert_eq!(files(folder.path()), ["1-of-1.5.json"]);
        let told = told.into_inner().unwrap();
        assert!(told.len() == 1 && told[0].contains("a sign of life of process 7 on elsewhere"), "{told:?}");
        drop(claim);

        silent(folder.path(), "1/1");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(QUICK.silence / 2);
                File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
            });
            assert!(take(folder.path(), this("1/1")).unwrap_err().contains("on elsewhere"), "a sign of life");
        });
        assert_eq!(files(folder.path()), ["1-of-1.4.json"]);
    }

    #[test]
    fn of_many_that_succeed_a_dead_one_at_once_at_most_one_works() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join(FOLDER)).unwrap();
            let dead = Worker { process_start: 1, ..this("1/1") };
            make(&folder.path().join(FOLDER).join("1-of-1.1.json"), &serde_json::to_vec(&dead).unwrap()).unwrap();
            let barrier = std::sync::Barrier::new(6);
            let claims: Vec<Option<Lease>> = std::thread::scope(|scope| {
                let start = || {
                    barrier.wait();
                    take(folder.path(), this("1/1")).ok()
                };
                let threads: Vec<_> = (0..6).map(|_| scope.spawn(start)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(claims.iter().flatten().count() <= 1);
        }
    }

    #[test]
    fn one_that_was_succeeded_while_it_slept_knows_before_it_writes() {
        let folder = tempfile::tempdir().unwrap();
        let slow = Pace { beat: Duration::from_secs(1000), ..QUICK };
        let claim = Lease::take(folder.path(), this("1/1"), slow, &|_| {}).unwrap();
        std::thread::sleep(QUICK.silence / 2);
        claim.check().unwrap();
        let later = folder.path().join(FOLDER).join("1-of-1.2.json");
        fs::write(&later, "").unwrap();
        std::thread::sleep(QUICK.silence / 2);
        claim.check().unwrap_err();
        drop(claim);
        assert!(later.exists(), "what is another's is left alone");
    }

    #[test]
    fn a_claim_of_the_same_name_is_not_taken_for_one_s_own() {
        let folder = tempfile::tempdir().unwrap();
        let pace = Pace { beat: Duration::from_secs(1000), ..QUICK };
        for again in ["while it sleeps", "while it works"] {
            let claim = Lease::take(folder.path(), this("1/1"), pace, &|_| {}).unwrap();
            std::thread::sleep(pace.silence / 2);
            claim.check().unwrap();
            // Succeeded by one that ended politely, and that by another.
            fs::remove_file(folder.path().join(FOLDER).join("1-of-1.1.json")).unwrap();
            let path = silent(folder.path(), "1/1");
            let first = path.with_file_name("1-of-1.1.json");
            fs::rename(path, &first).unwrap();
            let others = fs::read(&first).unwrap();
            if again == "while it sleeps" {
                std::thread::sleep(pace.silence / 2);
                claim.check().unwrap_err();
            }
            drop(claim);
            assert_eq!(fs::read(&first).unwrap(), others, "what is another's is left alone, {again}");
            fs::remove_file(first).unwrap();
        }
    }

    #[test]
    fn shares_come_and_go_while_others_take_the_folder_away() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for share in 1..=4 {
                let folder = folder.path();
                scope.spawn(move || (0..50).for_each(|_| drop(take(folder, this(&format!("{share}/4"))).unwrap())));
            }
        });
        assert!(!folder.path().join(FOLDER).exists());
    }

    #[test]
    fn what_cannot_be_counted_on_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let dead = serde_json::to_vec(&Worker { process_start: 1, ..this("1/1") }).unwrap();
        make(&folder.path().join(FOLDER).join(format!("1-of-1.{}.json", u64::MAX)), &dead).unwrap();
        assert!(take(folder.path(), this("1/1")).unwrap_err().contains("process"));
        fs::remove_dir_all(folder.path().join(FOLDER)).unwrap();
        fs::write(folder.path().join(FOLDER), "a file").unwrap();
        let error = Lease::take(folder.path(), this("1/1"), QUICK, &|_| {}).unwrap_err();
        assert!(matches!(&error, Unleased::Unwritable(error) if error.to_string().contains("at-work")), "{error:?}");
    }

    #[test]
    fn who_is_at_work_and_on_what_can_be_seen() {
        let folder = tempfile::tempdir().unwrap();
        let claim = take(folder.path(), this("2/3")).unwrap();
        claim.begin("relu/constant/seed-0".to_owned());
        silent(folder.path(), "1/3");
        std::thread::sleep(QUICK.beat * 5);
        let seen = workers(folder.path());
        assert_eq!(seen.len(), 2);
        let own = &seen[1];
        assert!(own.is_alive && own.worker.runs.contains("relu/constant/seed-0"), "{own:?}");
        assert!(seen[0].is_alive, "until it has been silent for a minute");
        claim.end("relu/constant/seed-0");
    }
}
