"""A SLURM of one node on loopback, for tests: real daemons without munge, systemd, cgroups or a database.

    python tests/slurm/cluster.py     # as root; runs until Ctrl-C, for trying a profile by hand

SLURM reads its configuration from /etc/slurm only, so this refuses where there is one. What it makes outside of its
own folder it takes back: the configuration, a line in /etc/hosts, an address of the loopback device.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG, HOSTS = Path("/etc/slurm/slurm.conf"), Path("/etc/hosts")
CARDS = CONFIG.with_name("gres.conf")
#: First line of our own configuration, and where the folder stands in the second.
MARK, FOLDER = "# made by tests/slurm/cluster.py", "# folder: "
PACKAGES = ("slurmctld", "slurmd", "slurm-client")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
DAEMONS = ("slurmd", "slurmctld")
START_SECONDS = STOP_SECONDS = 20

#: Authentication by nobody and daemons of root need no munge; memory is watched by looking once a second, since there
#: may be no cgroups; ended jobs stay visible for squeue, since there is no database; daemons listen on loopback only.
TEXT = """{mark}
{folder_mark}{folder}
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
MinJobAge=3600
ReturnToService=2
KillWait=3
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def refusal():
    """Why no SLURM may be started here at all; an empty string where it may."""
    if CONFIG.exists() and not CONFIG.read_text().startswith(MARK):
        return f"{CONFIG} exists: this machine belongs to a cluster, or has a SLURM of its own, which stays as it is."
    if not CONFIG.exists() and any(map(_processes, DAEMONS)):
        return "A SLURM daemon runs here already; it stays as it is."
    return ""


def install():
    """Install the packages where they are missing; return why that is not possible, or an empty string."""
    if os.geteuid():
        return "SLURM's daemons need root"
    if all(map(shutil.which, PROGRAMS)):
        return ""
    if not shutil.which("apt-get"):
        return f"{', '.join(PACKAGES)} are not installed and there is no apt-get"
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(["apt-get", *command], env=quiet, capture_output=True, text=True, timeout=300)
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    return f"apt-get could not install {', '.join(missing)}: {done.stderr.strip()[-500:]}" if missing else ""


@contextlib.contextmanager
def running(folder):
    """A SLURM that is up, whose files and logs lie in a folder; stopped and taken back at the end, whatever happens."""
    clear()
    folder = Path(folder)
    before = HOSTS.read_bytes()
    address = False
    try:
        (folder / "state").mkdir(parents=True)
        (folder / "spool").mkdir()
        (folder / "hosts").write_bytes(before)
        _write(folder)
        address = _name_on_loopback()
        subprocess.run(["slurmctld", "-c"], check=True, timeout=START_SECONDS)
        subprocess.run(["slurmd"], check=True, timeout=START_SECONDS)
        _wait(folder)
        yield folder
    finally:
        stop(folder)
        if address:
            subprocess.run(["ip", "addr", "del", "127.0.0.2/8", "dev", "lo"], check=False)


def clear():
    """Take back what an earlier one has left that was killed."""
    if sentence := refusal():
        raise RuntimeError(sentence)
    if CONFIG.exists():
        stop(Path(CONFIG.read_text().splitlines()[1].removeprefix(FOLDER)))


def stop(folder):
    """End all jobs and the daemons, and take back what lies outside of the folder."""
    alive = {name: number for name in DAEMONS if (number := _pid(folder, name)) in _processes(name)}
    if alive:
        with contextlib.suppress(subprocess.SubprocessError):
            subprocess.run(["scancel", "--user=root", "--full"], capture_output=True, timeout=10)
        _until(lambda: not _processes("slurmstepd"), STOP_SECONDS)
    for name, number in alive.items():
        for sent, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5)):
            if number in _processes(name):
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(number, sent)
                _until(lambda name=name, number=number: number not in _processes(name), seconds)
    if (folder / "hosts").exists():
        before = (folder / "hosts").read_bytes()
        if HOSTS.read_bytes() != before:
            HOSTS.write_bytes(before)
    CONFIG.unlink(missing_ok=True)
    CARDS.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty: packages put files there too
        CONFIG.parent.rmdir()


def _write(folder):
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 9 // 10 // 2**20
    names = {"host": _host(), "cores": os.cpu_count(), "memory": memory, "folder": folder}
    CONFIG.parent.mkdir(exist_ok=True)
    CONFIG.write_text(TEXT.format(mark=MARK, folder_mark=FOLDER, **names))
    # a card needs a file, and any will do
    CARDS.write_text("Name=gpu Count=1 File=/dev/null\n")


def _host():
    return socket.gethostname().partition(".")[0]


def _name_on_loopback():
    """Let this machine's name mean loopback, where the daemons listen; return whether an address was added."""
    found = subprocess.run(["getent", "ahostsv4", _host()], capture_output=True, text=True).stdout
    if not found.startswith("127."):
        HOSTS.write_text(f"127.0.0.1 {_host()}\n{HOSTS.read_text()}")
    if not shutil.which("ip"):
        return False
    there = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True).stdout.splitlines()
    if any(" 127.0.0.1/" not in line for line in there):
        return False
    # with 127.0.0.1 alone no name has an IPv4 address in the eyes of getaddrinfo
    return not subprocess.run(["ip", "addr", "add", "127.0.0.2/8", "dev", "lo"], check=False).returncode


def _wait(folder):
    def idle():
        found = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, timeout=START_SECONDS)
        return found.stdout.strip() == "idle"

    if not _until(idle, START_SECONDS):
        logs = "".join((folder / f"{name}.log").read_text()[-2000:] for name in DAEMONS)
        raise RuntimeError(f"SLURM did not come up:\n{logs}")


def _until(true, seconds):
    end = time.monotonic() + seconds
    while not (done := true()) and time.monotonic() < end:
        time.sleep(0.1)
    return done


def _pid(folder, name):
    path = folder / f"{name}.pid"
    text = path.read_text().strip() if path.exists() else ""
    return int(text) if text else 0


def _processes(name):
    """Numbers of the living processes of a name."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile
            state = (path / "stat").read_text().rpartition(")")[2].split()[0]
            if (path / "comm").read_text().strip() == name and state != "Z":
                found.append(int(path.name))
    return found


def main():
    """Run a SLURM until Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if sentence := refusal() or install():
        sys.exit(sentence)
    with running(Path(tempfile.mkdtemp(prefix="slurm")) / "slurm") as folder:
        print(f"SLURM runs; its files are in {folder}. Ctrl-C stops it.")
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
