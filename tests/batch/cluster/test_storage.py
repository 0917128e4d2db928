"""Folders on this machine, in memory and in S3 (moto's server): the same calls give the same."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3_server import bucket
from unnoise.batch.cluster.storage import Storage, address_of, checksum_of
from unnoise.errors import UnnoiseError, UsageError


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with bucket() as address:
        yield address


@pytest.fixture(params=["local", "memory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    places = {"local": str(tmp_path / "folder"), "memory": f"memory://{uuid.uuid4().hex}"}
    place = places.get(request.param) or f"{request.getfixturevalue('s3')}/{uuid.uuid4().hex}"
    return Storage(place)


def test_what_is_put_is_there_whole_and_listed(storage: Storage, tmp_path: Path) -> None:
    content = bytes(range(256)) * 8000
    (tmp_path / "file").write_bytes(content)
    storage.put(tmp_path / "file", "a/b.bin")
    storage.write("a/c/d.txt", b"d")
    storage.write("e.txt", b"")
    storage.write(".hidden/f.txt", b"f")
    assert storage.exists()
    assert list(storage.folders("", recursive=True)) == ["", "a", "a/c"]
    assert [(file.name, file.size) for file in storage.files("a")] == [("a/b.bin", len(content))]
    assert [file.name for file in storage.files("")] == ["e.txt"]
    assert storage.files("none") == []
    assert storage.checksum("a/b.bin") == checksum_of(tmp_path / "file")
    assert storage.checksum("a/none") is None
    (tmp_path / "fetched").mkdir()
    assert storage.fetch("a/b.bin", tmp_path / "fetched").read_bytes() == content
    storage.remove("a/b.bin")
    storage.remove("a/b.bin")
    assert storage.read("a/b.bin") is None
    assert storage.read("e.txt") == b""


def test_a_changed_file_has_another_stamp_also_in_another_process(storage: Storage) -> None:
    storage.write("a.txt", b"one")
    before = storage.files("")
    assert storage.files("") == before
    storage.write("a.txt", b"two")
    after = pickle.loads(pickle.dumps(storage)).files("")
    assert after[0].size == before[0].size
    assert after[0].stamp != before[0].stamp


def test_addresses_survive_what_pathlib_does_to_them() -> None:
    assert address_of(Path("s3://bucket/a//b")) == "s3://bucket/a/b"
    assert address_of(Path("memory:/a")) == "memory://a"
    for local in ("photos/a", "/photos", "C:\\photos", "c:/photos", "a:b"):
        assert address_of(local) is None


def test_errors_are_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"nothing://a/b cannot be reached .*Protocol not known.*; install"):
        Storage("nothing://a/b")
    storage = Storage("memory://gone")
    monkeypatch.setattr(type(storage.system), "ls", lambda *_, **__: 1 / 0)
    with pytest.raises(UnnoiseError, match=r"memory://gone/a cannot be used \(division by zero\); check its name, your rights"):
        storage.files("a")
