#!/usr/bin/env python3
"""Runs a command beside a Slurm of its own: one node, this machine, in a temporary folder that goes with it.

    scripts/slurm.py [--cpus N] [--install] COMMAND...

As root, for which Debian's packages `slurm-wlm` and `munge` suffice; nothing of the system's configuration is read or changed.
Jobs in the partition `urgent` take the place of those in `main`, the default. The command finds SLURM_CONF in its environment, and in SLURM_FOLDER what starts and stops the node's daemon again:
`scripts/slurm.py --node start` and `--node kill`. The exit code is the command's, or 77 where there is no Slurm to be had.
"""

import argparse
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PACKAGES = ["slurm-wlm", "munge"]
DAEMONS = ["munged", "slurmctld", "slurmd"]
SKIPPED = 77


def find(program):
    """The path of a daemon, which an ordinary PATH may leave out."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def why_not(install):
    """Why Slurm cannot be started here, or nothing."""
    if os.geteuid() != 0:
        return "only root can start it"
    if install and not all(map(find, DAEMONS)) and shutil.which("apt-get"):
        quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        command = ["apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES]
        try:
            if subprocess.run(command, env=environment, timeout=300, **quiet).returncode != 0:
                subprocess.run(["apt-get", "update"], env=environment, timeout=300, **quiet)
                subprocess.run(command, env=environment, timeout=300, **quiet)
        except subprocess.TimeoutExpired:
            pass
    missing = [program for program in DAEMONS if not find(program)]
    return f"there is no {' and no '.join(missing)} (Debian: apt-get install {' '.join(PACKAGES)})" if missing else ""


def free_ports(count):
    """Ports that nobody listens to."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def configuration(folder, cpus):
    """What slurm.conf says."""
    host = socket.gethostname()
    controller, node = free_ports(2)
    return f"""ClusterName=temporary
SlurmctldHost={host}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={controller}
SlurmdPort={node}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=1
SlurmctldTimeout=30
SlurmdTimeout=10
ReturnToService=2
KillWait=10
MinJobAge=600
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} CPUs={cpus} RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
"""


def wait_for(what, done, folder, seconds=30):
    """Waits until something is so, or ends with what the logs say."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            for log in sorted(pathlib.Path(folder).glob("*.log")):
                print(f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:]), file=sys.stderr)
            raise SystemExit(f"Slurm's {what} did not come up within {seconds} seconds")
        time.sleep(0.1)


def answers(*command):
    """Whether a command succeeds, and what it says."""
    result = subprocess.run(command, capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else ""


def start_node(folder):
    """Starts the daemon of the node, and waits until the node takes jobs."""
    subprocess.run([find("slurmd")], check=True)
    wait_for("node", lambda: answers("sinfo", "-h", "-o", "%T").strip() in ("idle", "mixed", "allocated"), folder)


def kill(folder, name):
    """Kills a daemon, if it runs."""
    try:
        os.kill(int((pathlib.Path(folder) / f"{name}.pid").read_text()), signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        pass


def start(folder, cpus):
    """Starts everything."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    (folder / "slurm.conf").write_text(configuration(folder, cpus))
    os.environ.update(SLURM_CONF=str(folder / "slurm.conf"), SLURM_FOLDER=str(folder))
    files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munged.pid", "log-file": "munged.log",
             "seed-file": "munge.seed"}
    options = [f"--{option}={folder / name}" for option, name in files.items()]
    subprocess.run([find("munged"), "--force", *options], check=True, stderr=subprocess.DEVNULL)
    subprocess.run([find("slurmctld")], check=True)
    wait_for("controller", lambda: "UP" in answers("scontrol", "ping"), folder)
    start_node(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpus", type=int, default=4, help="cores that the node says it has")
    parser.add_argument("--install", action="store_true", help="install Debian's packages first, where they are missing")
    parser.add_argument("--node", choices=["start", "kill"], help="start or kill the daemon of the node that is there")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if arguments.node:
        folder = os.environ["SLURM_FOLDER"]
        return start_node(folder) if arguments.node == "start" else kill(folder, "slurmd")
    reason = why_not(arguments.install)
    if reason:
        print(f"skipped, for Slurm cannot be started here: {reason}", file=sys.stderr)
        return SKIPPED
    folder = pathlib.Path(tempfile.mkdtemp(prefix="slurm-"))
    # Told to end, it takes its daemons with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        start(folder, arguments.cpus)
        return subprocess.run(arguments.command).returncode
    finally:
        # Nobody else's jobs, whatever configuration the environment came with.
        if os.environ.get("SLURM_CONF") == str(folder / "slurm.conf"):
            answers("scancel", "--user=root", "--signal=KILL")
            time.sleep(0.5)
        for name in ("slurmd", "slurmctld", "munged"):
            kill(folder, name)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
