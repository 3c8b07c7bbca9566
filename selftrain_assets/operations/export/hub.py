"""Push an export to the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from selftrain_assets.domain.errors import InfraError, UserError
from selftrain_assets.operations.export.capsule import CAPSULE

RepoType = Literal["model", "dataset"]
REFUSED = (401, 403)
MADE_BY_THE_HUB = ".gitattributes"


def dataset_name(model: str) -> str:
    """Return the hub name of the dataset that belongs to a model."""
    return f"{model}-data"


def check_access(model: str) -> None:
    """Raise UserError if the hub would refuse the name or if nobody is logged in.

    Called before any work begins.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        for name in (model, dataset_name(model)):
            validate_repo_id(name)
    except HFValidationError as error:
        raise UserError(
            f'--push: "{model}" is not a valid name on the hub ({str(error).splitlines()[0]});'
            " give OWNER/NAME"
        ) from error
    if model.count("/") != 1:
        raise UserError(f'--push: "{model}" is not a valid name on the hub; give OWNER/NAME')
    with _hub_errors(model):
        HfApi().whoami()


def push(folders: Mapping[RepoType, Path], model: str, private: bool) -> dict[str, str]:
    """Upload each folder as a repository, which is created if it does not exist.

    Returns:
        The address of each repository.

    Raises:
        UserError: Before anything is uploaded, if a repository is more public than asked for or
            holds something else.
    """
    from huggingface_hub import HfApi

    api, urls = HfApi(), dict[str, str]()
    names = {kind: model if kind == "model" else dataset_name(model) for kind in folders}
    for kind, name in names.items():
        with _hub_errors(name):
            urls[kind] = str(api.create_repo(name, repo_type=kind, private=private, exist_ok=True))
            repository = api.model_info(name) if kind == "model" else api.dataset_info(name)
        if private and not repository.private:
            raise UserError(
                f"--push: {name} is on the hub already, and public; give --public, or make it"
                " private there"
            )
        files = {file.rfilename for file in repository.siblings or ()} - {MADE_BY_THE_HUB}
        if files and CAPSULE not in files:
            raise UserError(
                f"--push: {name} is on the hub already and holds something else, such as"
                f" {min(files)}; give another name"
            )
    for kind, name in names.items():
        with _hub_errors(name):
            # what an earlier export left would be loaded together with this one, as an adapter
            # beside merged weights
            api.upload_folder(
                repo_id=name,
                folder_path=folders[kind],
                repo_type=kind,
                commit_message="selftrain export",
                delete_patterns="*",
            )
    return urls


@contextmanager
def _hub_errors(name: str) -> Iterator[None]:
    """Turn the errors of the hub's client, whose types have little in common, into one sentence."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    try:
        yield
    except LocalTokenNotFoundError as error:
        raise UserError(
            "--push: nobody is logged in to the hub; set HF_TOKEN, or run: hf auth login"
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in REFUSED:
            raise UserError(
                f"--push: the hub refuses {name} ({status}); set HF_TOKEN to a token that may write"
                " there"
            ) from error
        raise InfraError(
            f"--push: the hub failed at {name} ({_first_line(error)}); run the same command again"
        ) from error
    except Exception as error:
        raise InfraError(
            f"--push: {name} was not pushed ({type(error).__name__}: {_first_line(error)}); run the"
            " same command again"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0].rstrip(".")
