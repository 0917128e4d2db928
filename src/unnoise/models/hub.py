"""Sharing models on the Hugging Face Hub: `hf://owner/name` names one, as a file name would."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any, Protocol

from unnoise.errors import UnnoiseError, UsageError
from unnoise.models.card import Card
from unnoise.registry import require

SCHEME = "hf://"
FILE = "model.safetensors"
"""The file of a repository, where the address names none."""
_ADDRESS = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?P<file>(?:/[\w.-]+)+)?(?:@(?P<revision>[\w./-]+))?")
_PURPOSE = "hf://"


class Shareable(Protocol):
    """What can be uploaded: a `Model`."""

    card: Card

    def save(self, path: str | Path) -> None: ...


def is_address(name: object) -> bool:
    """Whether a model's name is an address of the Hub.

    >>> is_address("hf://someone/denoiser"), is_address("default")
    (True, False)
    """
    return str(name).startswith(SCHEME)


def split_address(address: str) -> tuple[str, str, str | None]:
    """The repository, the file in it, and the revision, if one is named.

    Raises:
        UsageError: the address has another form.

    >>> split_address("hf://someone/denoiser@v2")
    ('someone/denoiser', 'model.safetensors', 'v2')
    >>> split_address("hf://someone/denoiser/small/model.safetensors")[1]
    'small/model.safetensors'
    """
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise UsageError(
            f"'{address}' is no address of a model; write hf://OWNER/NAME, and @REVISION if you want a certain one."
        )
    return found["repo"], (found["file"] or f"/{FILE}")[1:], found["revision"]


def fetch(address: str, *, endpoint: str | None = None, token: str | None = None) -> Path:
    """Download the file of an address into the Hub's own cache. What is there already is not downloaded again.

    Args:
        address: as `split_address` takes it.
        endpoint: the server; None: as `HF_ENDPOINT` says, or the Hub.
        token: for private repositories; None: that of `hf auth login`, if any.

    Raises:
        UsageError: the address has another form.
        UnnoiseError: the extra `hub` is not installed; there is no such repository or file; or the Hub cannot be reached.

    >>> fetch("hf://denoiser")
    Traceback (most recent call last):
    unnoise.errors.UsageError: 'hf://denoiser' is no address of a model; ...
    """
    repo, file, revision = split_address(address)
    hub = require("huggingface_hub", _PURPOSE)
    try:
        return Path(hub.hf_hub_download(repo, file, revision=revision, endpoint=endpoint, token=token))
    except Exception as error:  # of its HTTP library, of the disk, and its own
        raise _as_sentence(error, f"{address} could not be fetched") from error


def push(model: Shareable, repo: str, *, private: bool = False, endpoint: str | None = None, token: str | None = None) -> str:
    """Upload a model and a page about it. `Model.push_to_hub` calls it.

    Args:
        model: with its card.
        repo: `OWNER/NAME`. It is made if it is not there.
        private: whether a new repository is private.
        endpoint: the server; None: as `HF_ENDPOINT` says, or the Hub.
        token: with the right to write; None: that of `hf auth login`.

    Raises:
        UsageError: the name of the repository has another form.
        UnnoiseError: the extra `hub` is not installed; the Hub refuses, or cannot be reached.

    >>> from unnoise.models.shipped import load
    >>> push(load("fast"), "denoiser")
    Traceback (most recent call last):
    unnoise.errors.UsageError: 'hf://denoiser' is no address of a model; ...
    """
    address = f"{SCHEME}{repo.removeprefix(SCHEME)}"
    name, file, _ = split_address(address)
    hub = require("huggingface_hub", _PURPOSE)
    api = hub.HfApi(endpoint=endpoint, token=token)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / file)
        (Path(folder) / "README.md").write_text(readme(model, address), encoding="utf-8")
        try:
            api.create_repo(name, private=private, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=folder, commit_message="A model of unnoise")
        except Exception as error:  # of its HTTP library, and its own
            raise _as_sentence(error, f"The model could not be uploaded to {name}") from error
    return address


def readme(model: Shareable, address: str) -> str:
    """The page of a model on the Hub, in Markdown, from its card.

    >>> from unnoise.models.shipped import load
    >>> print(readme(load("fast"), "hf://someone/denoiser").splitlines()[1])
    library_name: unnoise
    """
    card = model.card
    lists = (
        ("Trained on", card.data),
        ("Scores", [f"{k}: {v}" for k, v in card.scores.items()]),
        ("Fails on", card.known_failures),
    )
    parts = [
        "---\nlibrary_name: unnoise\ntags: [denoising, image-restoration]\n---",
        f"# {address.rpartition('/')[2]}",
        card.description or f"A denoiser for pictures: {model}.",
        f"**Warning.** {card.warning}" if card.warning else "",
        f'```python\nimport unnoise\n\nclean = unnoise.load("{address}").denoise(noisy)\n```',
        *(f"## {heading}\n\n" + "\n".join(f"- {line}" for line in lines) for heading, lines in lists if lines),
        f"## Trained by\n\n    {card.command}" if card.command else "",
        f"## Licence\n\n{card.licence}" if card.licence else "",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _as_sentence(error: Exception, start: str) -> UnnoiseError:
    """What the Hub's library says, in one sentence."""
    said: Any = " ".join(str(error).split())
    kind = type(error).__name__
    if kind in ("RepositoryNotFoundError", "GatedRepoError"):
        return UnnoiseError(f"{start}: there is no such repository, or it is private; check the name, and run: hf auth login.")
    if kind in ("EntryNotFoundError", "RemoteEntryNotFoundError", "RevisionNotFoundError"):
        return UnnoiseError(f"{start}: the repository has no such file or revision; check its page.")
    if kind in ("ConnectError", "ConnectTimeout", "LocalEntryNotFoundError", "OfflineModeIsEnabled"):
        return UnnoiseError(f"{start}: the Hub cannot be reached; check the network, or give a file.")
    return UnnoiseError(f"{start} ({kind}: {said[:200].rstrip('.')}); check the name, the network and your rights.")
