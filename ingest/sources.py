"""What there is to read: files, folders and globs become sources, each once, in a fixed order.

Nothing here opens a file that is not a regular one: a pipe or a device named by mistake must not hang.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.parsing.formats import SUPPORTED, extension_of
from rag.errors import SourceError, SourceTooLarge, SourceUnreadable, UnsupportedFormat

MEGABYTE = 1_000_000
_MAX_NAME_BYTES = 200
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "CVS", "__MACOSX", "lost+found"})
_GLOB = re.compile(r"[*?\[]")
# Control, direction and invisible characters: a name is shown to people, who must see what it is.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_LOOKS_ESCAPED = re.compile(r"\\(?=x[0-9A-F]{2})")


@dataclass(frozen=True)
class Source:
    """A file to ingest. `uri` is its identity and ends in the name a person knows it by."""

    path: Path
    uri: str
    size: int

    name: str
    """The file name by which the format is told: that of a link, not of what it leads to."""


@dataclass(frozen=True, slots=True)
class SourceFailure:
    """A path that was asked for and cannot be ingested; `code` is that of the error it stands for."""

    path: str
    reason: str
    code: str


@dataclass(frozen=True, slots=True)
class SkippedSource:
    """A file that lies in a folder and is of no supported format: nobody asked for it by name."""

    path: str
    reason: str


def discover(paths: Sequence[str], *, max_bytes: int) -> Iterator[Source | SourceFailure | SkippedSource]:
    """What the arguments name, each file once: files, folders (everything below), globs (`**` too).

    Hidden files and folders are passed over in silence, and so is everything a symbolic link leads to
    outside of the folder that was given. Never raises for what it finds on the disk.
    """
    seen: set[tuple[str, bool]] = set()
    for argument in paths:
        for found in _named_by(argument):
            if isinstance(found, SourceFailure):
                yield found
            else:
                path, explicit = found
                result = _examine(path, explicit=explicit, max_bytes=max_bytes)
                # A file passed over in its folder may still be asked for by name, and then fails.
                key = os.path.realpath(path), isinstance(result, SkippedSource)
                if key not in seen:
                    seen.add(key)
                    yield result


def hash_file(path: Path) -> str:
    """SHA-256 of the content in hexadecimal, in constant memory.

    Raises:
        SourceUnreadable: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceUnreadable(cannot_be_read(error)) from error


def source_from_upload(filename: str, data_path: Path, collection: str) -> Source:
    """An uploaded file, whose name is the word of a stranger and is reduced to a plain file name.

    Raises:
        SourceUnreadable: the stored data is gone.
    """
    try:
        size = data_path.stat().st_size
    except OSError as error:
        raise SourceUnreadable(cannot_be_read(error)) from error
    name = safe_name(filename)
    return Source(path=data_path, uri=f"upload://{collection}/{name}", size=size, name=name)


def source_of_record(uri: str, max_bytes: int) -> Source | None:
    """The file that a document came from, where it is still there under the same name and can be read.

    Not when a link has taken its place: it may lead to what was never meant to go in.

    Raises:
        SourceTooLarge: it has grown past `max_bytes`.
    """
    path = Path(uri.removeprefix("file://"))
    try:
        if not uri.startswith("file://") or uri_of(path) != uri or not path.is_file():
            return None
        size = path.stat().st_size
        if not os.access(path, os.R_OK):
            return None
    except (OSError, ValueError):
        return None
    _check_size(size, max_bytes)
    return Source(path, uri, size, path.name)


def safe_name(filename: str) -> str:
    """The base name without invisible characters, at most 200 bytes, its extension kept; never empty."""
    name = _UNSAFE.sub("", re.split(r"[/\\]", filename)[-1]).strip().rstrip(".")
    if not name.strip(". "):
        return "unnamed"
    encoded = name.encode()
    if len(encoded) > _MAX_NAME_BYTES:
        # What is cut off must still tell names apart, because the name is the document's identity.
        ending = "~" + hashlib.sha256(encoded).hexdigest()[:8]
        ending += extension_of(name).encode()[:20].decode(errors="ignore")
        name = encoded[: _MAX_NAME_BYTES - len(ending.encode())].decode(errors="ignore").rstrip() + ending
    return name


def uri_of(path: Path) -> str:
    """`file://` and the absolute path as it reads; only what cannot be shown is written as `\\x0A`.

    Symbolic links in the folders are resolved, so that one file has one identity.
    """
    real = os.path.realpath(path)
    # A backslash stays as it is, unless it would read as such an escape: two files, two identities.
    return "file://" + _UNSAFE.sub(_escaped, _LOOKS_ESCAPED.sub(r"\\x5C", real))


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape"))


def _named_by(argument: str) -> Iterator[tuple[Path, bool] | SourceFailure]:
    """The files an argument stands for, and whether each was named itself."""
    name = shown(argument)
    if "\x00" in argument or not argument.strip():
        yield SourceFailure(name, "is not a path", SourceUnreadable.code)
        return
    path = Path(os.path.expanduser(argument))
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        yield from _named_by_pattern(argument)
    except OSError as error:
        yield SourceFailure(name, cannot_be_read(error), SourceUnreadable.code)
    else:
        if stat.S_ISDIR(mode):
            yield from _below(path)
        else:
            yield path, True


def _named_by_pattern(argument: str) -> Iterator[tuple[Path, bool] | SourceFailure]:
    if not _GLOB.search(argument):
        yield SourceFailure(shown(argument), "does not exist", SourceUnreadable.code)
        return
    matches = sorted(glob.glob(os.path.expanduser(argument), recursive=True))
    files = [Path(match) for match in matches if not os.path.isdir(match)]
    folders = [Path(match) for match in matches if os.path.isdir(match)]
    if not matches:
        yield SourceFailure(shown(argument), "matches no file", SourceUnreadable.code)
    parts = Path(os.path.expanduser(argument)).parts
    fixed = next(index for index, part in enumerate(parts) if _GLOB.search(part))
    base = os.path.abspath(Path(*parts[:fixed]))
    for file in files:
        # `*.pdf` asks for these files, `*` for whatever there is.
        if not _in_skipped_folder(file, fixed) and _leads_within(file, base):
            yield file, bool(extension_of(argument)) and not _GLOB.search(extension_of(argument))
    if "**" not in argument:
        for folder in folders:
            yield from _below(folder)


def _below(folder: Path) -> Iterator[tuple[Path, bool] | SourceFailure]:
    """Every file below a folder, sorted; links are followed to files within the folder only."""
    root = os.path.realpath(folder)
    failures: list[SourceFailure] = []

    def note(error: OSError) -> None:
        failures.append(SourceFailure(shown(error.filename), cannot_be_read(error), SourceUnreadable.code))

    for current, folders, files in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if not _is_skipped(name))
        for name in sorted(files):
            path = Path(current, name)
            if not name.startswith(".") and _is_within(path, root):
                yield path, False
    yield from failures


def _is_within(path: Path, root: str) -> bool:
    if not path.is_symlink():
        return True
    real = os.path.realpath(path)
    return os.path.exists(real) and os.path.commonpath([real, root]) == root


def _leads_within(path: Path, base: str) -> bool:
    """Whether no link below `base`, of the file or of a folder above it, leads out of it or round in it."""
    root = os.path.realpath(base)
    written_out = os.path.normpath(os.path.join(root, os.path.relpath(os.path.abspath(path.parent), base)))
    return os.path.realpath(path.parent) == written_out and _is_within(path, root)


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name in _SKIPPED_FOLDERS


def _in_skipped_folder(path: Path, fixed: int) -> bool:
    """Whether the pattern led into a folder to skip; its first `fixed` parts were written out."""
    return any(_is_skipped(part) for part in path.parts[fixed:-1])


def _examine(path: Path, *, explicit: bool, max_bytes: int) -> Source | SourceFailure | SkippedSource:
    """Decide by the directory entry alone, before anything is read."""
    try:
        extension = extension_of(path.name)
        if extension not in SUPPORTED:
            if not explicit:
                reason = f"{extension} is not supported" if extension else "has no extension"
                return SkippedSource(shown(path), reason)
            raise UnsupportedFormat(
                f"{extension} files are not supported"
                if extension
                else "has no extension that tells its format",
                remedy=f"supported are {' '.join(sorted(SUPPORTED))}",
            )
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            if not explicit:
                return SkippedSource(shown(path), f"is {_kind(status.st_mode)}, not a file")
            raise SourceUnreadable(f"is {_kind(status.st_mode)}, not a file")
        _check_size(status.st_size, max_bytes)
        if not os.access(path, os.R_OK):
            raise SourceUnreadable("cannot be read: permission denied")
    except SourceError as error:
        return SourceFailure(shown(path), str(error), error.code)
    except OSError as error:
        return SourceFailure(shown(path), cannot_be_read(error), SourceUnreadable.code)
    return Source(path=path, uri=uri_of(path), size=status.st_size, name=path.name)


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise SourceTooLarge(
            f"is {_megabytes(size)} MB; the limit is {_megabytes(max_bytes)} MB",
            remedy="set RAG_MAX_FILE_MB",
        )


def _kind(mode: int) -> str:
    for test, name in (
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISDIR, "a folder"),
    ):
        if test(mode):
            return name
    return "a device"


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.0f}" if size >= 10 * MEGABYTE else f"{size / MEGABYTE:.1f}".removesuffix(".0")


def cannot_be_read(error: OSError) -> str:
    return f"cannot be read: {(error.strerror or 'unknown reason').lower()}"


def shown(path: str | os.PathLike[str]) -> str:
    """A path that can be printed on one line: names on a disk may hold any byte."""
    return _UNSAFE.sub(_escaped, os.fspath(path))
