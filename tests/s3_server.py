"""An S3 server on this machine, by moto, whose address the environment tells to whatever asks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def bucket() -> Iterator[str]:
    """The address of an empty bucket. Processes that start within this context find the server too."""
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with mock.patch.dict(os.environ, VARIABLES | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}):
        boto3.client("s3").create_bucket(Bucket="pictures")
        try:
            yield "s3://pictures"
        finally:
            s3fs.S3FileSystem.clear_instance_cache()  # they know this server's address
            server.stop()
