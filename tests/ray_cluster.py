"""A Ray cluster of several nodes on this machine, each with processes of its own, which tests can kill."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

PATIENCE_SECONDS = 180
"""Ray gives a node 30 seconds to start, which is too little on a machine with much other work."""

PORTS = "metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port"
"""Of a node's helpers. A node ends unless these are written to files within 15 seconds, which helpers do not on a busy
machine. So the ports are chosen, and the files written, before the node starts."""


@contextmanager
def cluster(*cpus: int, **more: Any) -> Iterator[Any]:
    """Start a node for each number of processors. Yields `ray.cluster_utils.Cluster`, whose address is `.address`,
    with `.add(cpus)`, which starts one more node."""
    import ray
    from ray._private import services
    from ray._private.node import Node
    from ray.cluster_utils import Cluster

    waits = {
        "RAY_agent_register_timeout_ms": str(PATIENCE_SECONDS * 1000),
        "RAY_worker_register_timeout_seconds": str(PATIENCE_SECONDS),
        "RAY_worker_niceness": "0",  # workers have 15 else
    }
    with (
        mock.patch.dict(os.environ, waits),
        mock.patch.object(services, "get_node", _patient(services.get_node)),
        mock.patch.object(Node, "start_raylet", _with_ports(Node.start_raylet)),
    ):
        made = Cluster()

        def add(count: int) -> Any:
            ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
            return made.add_node(
                wait=False, num_cpus=count, include_dashboard=False, object_store_memory=2**27, **ports, **more
            )

        made.add = add
        try:
            for count in cpus:
                add(count)
            yield made
        finally:
            ray.shutdown()
            made.shutdown()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _with_ports(start: Callable[..., Any]) -> Callable[..., Any]:
    def started(node: Any, *arguments: Any, **more: Any) -> Any:
        for name in PORTS:
            file = Path(node.get_session_dir_path()) / f"{name}_{node._node_id}"
            file.write_text(str(getattr(node._ray_params, name)))
        return start(node, *arguments, **more)

    return started


def _patient(call: Callable[..., Any]) -> Callable[..., Any]:
    def called(*arguments: Any, **more: Any) -> Any:
        ends = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return call(*arguments, **more)
            except RuntimeError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.5)

    return called
