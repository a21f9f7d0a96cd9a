"""A shared folder onto the Hugging Face hub, with the user's own token and only when asked."""

from __future__ import annotations

from pathlib import Path

from studio.errors import UserError


def push(folder: Path, repository: str, *, private: bool = True) -> str:
    """Make the repository if there is none, and upload the folder's files in one commit.

    Args:
        repository: ``owner/name``.

    Returns:
        The commit's address.

    Raises:
        UserError: the name is none, nobody is logged in, or the hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, LocalTokenNotFoundError

    api = HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository, folder_path=folder, commit_message=f"Add {folder.name}"
        )
    except HFValidationError as error:
        raise UserError(f"{repository!r} is no repository; write owner/name") from error
    except LocalTokenNotFoundError as error:
        raise UserError("nobody is logged in to the hub; run `hf auth login` first") from error
    # Whatever the client's own library for the network raises: it has changed from version to version.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"{folder} was not pushed to {repository}: {reason}; the folder is complete, push it "
            "again when that is mended"
        ) from error
    return str(commit.commit_url)
