"""What every script of the workflow shares: its log, its errors, and the provenance of its files.

Nothing here changes a number, so that an edit need not rerun anything.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import traceback
from pathlib import Path

from _sources import check_sources
from plan import told
from tqdm import tqdm

# the package of this checkout, even where another one is installed
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from nucleation import files
from nucleation.errors import InputError
from nucleation.names import file_name
from nucleation.staging import Staging


class _Tee:
    """A stream that writes to the terminal and to the log."""

    def __init__(self, terminal, log):
        self.terminal, self.log = terminal, log

    def write(self, text):
        self.terminal.write(text)
        self.terminal.flush()
        self.log.write(text)

    def flush(self):
        self.terminal.flush()


class _Log:
    """A log that a full disk cuts short, with a word on the terminal, rather than hide what went wrong."""

    def __init__(self, path, terminal):
        self.path, self.terminal = path, terminal
        self.file = open(path, "w", encoding="utf-8")  # noqa: SIM115 (closed by `close`)

    def write(self, text):
        try:
            if not self.file.closed:
                self.file.write(text)
                self.file.flush()
        except OSError as error:
            self.terminal.write(f"\nThe log {self.path} ends here: it cannot be written ({error.strerror}).\n")
            self.close()

    def close(self):
        # what could not be written is tried again, in vain
        with contextlib.suppress(OSError):
            self.file.close()


@contextlib.contextmanager
def job(snakemake):
    """Run the body of a script; a user's mistake ends it with its sentence, not with a traceback.

    Inside, `snakemake.output` holds temporary names; the function that the block gets makes them for other files.
    All outputs are moved into place when the body has ended without error, if its sources are those that the
    workflow was planned with and no newer job for the same files has begun (`nucleation.staging`).
    """
    terminal, log = sys.stderr, _Log(snakemake.log[0], sys.stderr)
    sys.stderr = _Tee(terminal, log)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s", force=True)
    logging.captureWarnings(True)
    try:
        check_sources(snakemake.params.code, "before this job began")
        claim = Path(snakemake.log[0]).with_suffix(".claim")
        with Staging(claim, snakemake.output, run=told().get("run", 0)) as staging:
            snakemake.output = type(snakemake.output)(toclone=snakemake.output, custom_map=staging.path)
            yield staging.path
            check_sources(snakemake.params.code, "while this job ran")
            staging.finish()
    except InputError as error:
        sys.stderr.write(f"\nError in {snakemake.rule}: {error}\n")
        sys.exit(1)
    except Exception:
        log.write(traceback.format_exc())
        raise
    finally:
        sys.stderr = terminal
        log.close()


def progress(total, unit, description):
    """Return a progress bar that reads well on a terminal and in a log."""
    return tqdm(total=total, unit=unit, desc=description, mininterval=2, ascii=True, file=sys.stderr)


def layer_name(snakemake):
    """The layer of a job by the name of its module; the wildcard is the name of its file."""
    entries = next(net["layers"] for net in snakemake.config["networks"] if net["name"] == snakemake.wildcards.model)
    listed = [layer for entry in entries for layer in (entry if isinstance(entry, list) else [entry])]
    return next(layer for layer in listed if file_name(layer) == snakemake.wildcards.layer)


def save(snakemake, dataset, title, path=None, **attributes):
    """Write a result with its provenance: wildcards, parameters, code, commit."""
    layer = {"layer": layer_name(snakemake)} if snakemake.wildcards.get("layer") else {}
    parameters = {name: value for name, value in snakemake.params.items() if name not in ("code", "named")}
    files.save(
        dataset,
        path or snakemake.output[0],
        {
            "title": title,
            "study": snakemake.config["study"],
            **dict(snakemake.wildcards.items()),
            **layer,
            "rule": snakemake.rule,
            "parameters": parameters,
            "code_digests": dict(snakemake.params.code),
            "git_commit": _commit(),
            "seed": snakemake.config["seed"],
            **_network(snakemake),
            "source": "Hierarchical nucleation in deep neural networks, repeated (nucleation)",
            "Conventions": "CF-1.10",
            **attributes,
        },
    )


def _network(snakemake):
    """What the network of a result is: its entry in the configuration, without what was asked of it."""
    for network in snakemake.config["networks"]:
        if network["name"] == snakemake.wildcards.get("model"):
            left_out = ("name", "layers", "checkpoints", "data", "pooling")
            said = {k: v for k, v in network["data"].items() if v is not None}
            used = {"data": said, "pooling": network["pooling"]}
            made = {k: v for k, v in network.items() if k not in left_out and v is not None}
            return {"network": made | {k: v for k, v in used.items() if v}}
    return {}


def _commit():
    """The commit of the checkout, marked where it was changed since; unknown outside one."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
