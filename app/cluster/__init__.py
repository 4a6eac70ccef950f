"""Captions and the service on a cluster of Ray's; nothing else of the service imports ray."""

import os
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # what is captioned is nobody's business


class ClusterError(Exception):
    """A cluster that can't be used; the message says why and what to do."""


def connect(address: str) -> Any:
    """Connects to a cluster, and returns the module `ray`.

    Args:
        address: `local` starts one on this machine, for the time of this process; `auto` is the one that runs here;
            else the cluster's address.

    Raises:
        ClusterError: Ray is not installed, or there is no such cluster.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise ClusterError("Ray is not installed: pip install 'recap-captioner[ray]'") from None
    if ray.is_initialized():
        return ray
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "warning"}
    try:
        if address == "local":
            ray.init(address="local", include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise ClusterError(f"--ray {address}: {first}; start one with `ray start --head`, or use local") from error
    return ray
