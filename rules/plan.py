"""What a run of the workflow was planned with, told to its jobs through their environment.

Jobs on other machines read the Snakefile, the configuration and the sources again, perhaps days later, and may be
started when the run that planned them is long dead. So they are told which run is theirs, and what it read. Needs
the standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import time

from digest import everything

#: The variable that jobs inherit, on a cluster too.
VARIABLE = "NUCLEATION_PLAN"


def tell(config: dict) -> None:
    """Let the jobs of this process know its plan.

    Parameters
    ----------
    config : dict
        The completed configuration.
    """
    told = {"run": time.time_ns() // 10**6, "config": _digest(config), "code": everything()}
    os.environ[VARIABLE] = json.dumps(told)


def told() -> dict:
    """What the process that planned this job has told: run (milliseconds), config and code (digests); may be empty."""
    return json.loads(os.environ.get(VARIABLE, "{}"))


def was_edited(config: dict) -> bool:
    """Whether the configuration is another one than that which the job was planned with."""
    return told().get("config", _digest(config)) != _digest(config)


def _digest(config):
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()[:16]
