"""Which base model a name stands for: known before any weight is loaded, and without torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from studio.bases.base_model import Family
from studio.bases.diffusers_folder import DiffusersFolder, read_diffusers_folder
from studio.bases.digests import file_digest, weights_digest
from studio.bases.single_file import SingleFile, read_single_file
from studio.bases.source import Form, locate


@dataclass(frozen=True)
class BaseIdentity:
    """A base model that is on this machine and looks whole.

    Attributes:
        name: as it was given.
        form: ``pocket``, ``folder``, ``file`` or ``hub``.
        content: the checked folder or file.
    """

    name: str
    form: Form
    content: DiffusersFolder | SingleFile

    @property
    def family(self) -> Family:
        return self.content.configuration.family

    @property
    def path(self) -> Path:
        return self.content.path

    @property
    def resolution_px(self) -> int:
        """Side of the square pictures that it was trained on."""
        return self.content.configuration.resolution_px

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all weights, hexadecimal; hashed when first asked for, then remembered."""
        if isinstance(self.content, DiffusersFolder):
            return weights_digest(self.content.path, self.content.weight_files)
        return file_digest(self.content.path)


def identify_base(name: str, *, allow_download: bool = False) -> BaseIdentity:
    """Find a base model and check its files' headers.

    Args:
        name: ``pocket``, a hub id, a diffusers folder or a ``.safetensors`` file.
        allow_download: fetch a hub id that is not in the local cache; otherwise stay offline.

    Raises:
        BaseModelError: it is not here, not whole, of an unknown family or not supported.
    """
    source = locate(name, allow_download=allow_download)
    content: DiffusersFolder | SingleFile
    if source.form == "file":
        content = read_single_file(source.path, name)
    else:
        content = read_diffusers_folder(source.path, name)
    return BaseIdentity(name, source.form, content)
