from __future__ import annotations

import hashlib
import os
import random
import socket
from pathlib import Path

import pytest

from ingest.sources import (
    SkippedSource,
    Source,
    SourceFailure,
    discover,
    hash_file,
    safe_name,
    source_from_upload,
    source_of_record,
    uri_of,
)
from rag.errors import SourceTooLarge, SourceUnreadable

LIMIT = 1_000_000


def found(*paths: object, limit: int = LIMIT) -> list[Source | SourceFailure | SkippedSource]:
    return list(discover([str(path) for path in paths], max_bytes=limit))


def names(*paths: object) -> list[str]:
    return [item.path.name for item in found(*paths) if isinstance(item, Source)]


def write(path: Path, content: str = "words") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def only_failure(*paths: object, limit: int = LIMIT) -> SourceFailure:
    [item] = found(*paths, limit=limit)
    assert isinstance(item, SourceFailure)
    return item


def test_a_folder_gives_its_files_sorted_and_passes_over_what_is_hidden(tmp_path: Path) -> None:
    for name in (
        "b.txt",
        "a.md",
        "sub/c.html",
        ".hidden.txt",
        ".git/x.txt",
        "node_modules/x.txt",
        "__pycache__/x.txt",
    ):
        write(tmp_path / name)
    assert names(tmp_path) == ["a.md", "b.txt", "c.html"]
    assert found(tmp_path) == found(tmp_path)


def test_an_unsupported_file_is_skipped_in_a_folder_and_fails_by_name(tmp_path: Path) -> None:
    image = write(tmp_path / "x.png")
    assert found(tmp_path) == [SkippedSource(str(image), ".png is not supported")]
    assert only_failure(image).code == "unsupported_format"
    skipped, failed = found(tmp_path, image)
    assert isinstance(skipped, SkippedSource)
    assert isinstance(failed, SourceFailure)


def test_globs_are_expanded_here_when_the_shell_did_not(tmp_path: Path) -> None:
    for name in ("a.md", "b.txt", "sub/deep/c.md", "sub/.secret/d.md"):
        write(tmp_path / name)
    assert names(tmp_path / "*.md") == ["a.md"]
    assert names(tmp_path / "**/*.md") == ["a.md", "c.md"]
    assert names(tmp_path / "s*") == ["c.md"]
    assert only_failure(tmp_path / "*.pdf").reason == "matches no file"


def test_a_name_with_brackets_is_a_name_when_such_a_file_exists(tmp_path: Path) -> None:
    assert names(write(tmp_path / "report[1].txt")) == ["report[1].txt"]


@pytest.mark.parametrize("argument", ["missing.txt", "missing/folder", "", "a\0b.txt"])
def test_a_path_that_names_nothing_is_a_failure(argument: str) -> None:
    assert only_failure(argument).code == "source_unreadable"


def test_the_same_file_by_two_arguments_comes_once(tmp_path: Path) -> None:
    file = write(tmp_path / "a.txt")
    (tmp_path / "link.txt").symlink_to(file)
    assert len(found(file, tmp_path, f"{tmp_path}/*.txt", f"{tmp_path}/./a.txt")) == 1


def test_links_do_not_lead_out_of_the_folder_nor_around_in_it(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside/secret.txt")
    write(tmp_path / "docs/a.txt")
    (tmp_path / "docs/loop").symlink_to(tmp_path / "docs")
    (tmp_path / "docs/out").symlink_to(tmp_path / "outside")
    (tmp_path / "docs/out.txt").symlink_to(outside)
    (tmp_path / "docs/broken.txt").symlink_to(tmp_path / "nowhere.txt")
    assert names(tmp_path / "docs") == ["a.txt"]
    assert len(found(tmp_path / "docs")) == 1


def test_a_pattern_does_not_lead_out_of_its_folder_nor_around_in_it(tmp_path: Path) -> None:
    write(tmp_path / "out" / "secret.md")
    write(tmp_path / "in" / "deep" / "kept.md")
    (tmp_path / "in" / "away").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "base").symlink_to(tmp_path / "in")
    assert names(str(tmp_path / "in" / "**" / "*.md")) == ["kept.md"]
    assert names(str(tmp_path / "base" / "**" / "*.md")) == ["kept.md"]


def test_a_link_that_is_named_keeps_its_own_name_for_the_format(tmp_path: Path) -> None:
    write(tmp_path / "blob")
    (tmp_path / "report.txt").symlink_to(tmp_path / "blob")
    [source] = found(tmp_path / "report.txt")
    assert isinstance(source, Source)
    assert source.name == "report.txt"


def test_a_file_over_the_limit_fails_with_both_sizes(tmp_path: Path) -> None:
    file = tmp_path / "big.txt"
    with file.open("wb") as out:
        out.truncate(300_000_000)
    failure = only_failure(file, limit=200_000_000)
    assert failure.code == "source_too_large"
    assert failure.reason == "is 300 MB; the limit is 200 MB (set RAG_MAX_FILE_MB)"


def test_pipes_and_sockets_in_a_folder_are_passed_over_and_one_that_is_named_fails(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket.txt"))
        reasons = [item.reason for item in found(tmp_path) if isinstance(item, SkippedSource)]
        assert only_failure(tmp_path / "pipe.txt").reason == "is a pipe, not a file"
    assert reasons == ["is a pipe, not a file", "is a socket, not a file"]
    (tmp_path / "null.txt").symlink_to("/dev/null")
    assert only_failure(tmp_path / "null.txt").reason == "is a device, not a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_fails(tmp_path: Path) -> None:
    file = write(tmp_path / "a.txt")
    file.chmod(0)
    assert "permission denied" in only_failure(file).reason
    with pytest.raises(SourceUnreadable, match="permission denied"):
        hash_file(file)


def test_the_uri_reads_as_the_path_and_escapes_only_what_cannot_be_shown(tmp_path: Path) -> None:
    assert uri_of(tmp_path / "50% Größe #1?.txt") == f"file://{tmp_path.resolve()}/50% Größe #1?.txt"
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\n\xff.txt"))
    assert uri_of(odd).endswith("/a\\x0A\\xFF.txt")
    assert uri_of(tmp_path / r"a\x0A.txt") != uri_of(tmp_path / "a\n.txt")
    assert uri_of(tmp_path / "My%20Report.txt").endswith("/My%20Report.txt")
    uri_of(odd).encode()


def test_a_name_of_any_bytes_is_found_and_can_be_printed(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b[31m.txt")).write_text("words")
    [source] = found(tmp_path)
    assert isinstance(source, Source)
    assert source.uri.isprintable()
    assert hash_file(source.path) == hashlib.sha256(b"words").hexdigest()


def test_hashing_a_vanished_file_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable):
        hash_file(tmp_path / "gone.txt")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("plan.pdf", "plan.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\plan.pdf", "plan.pdf"),
        ("a\x00b\n\u202egnp.exe\u202c.txt", "abgnp.exe.txt"),
        ("..", "unnamed"),
        (".", "unnamed"),
        ("", "unnamed"),
        ("folder/", "unnamed"),
        ("\ud800.txt", ".txt"),
        ("  Bericht über 2024.pdf ", "Bericht über 2024.pdf"),
    ],
)
def test_the_name_of_an_upload_is_reduced_to_a_plain_file_name(given: str, kept: str) -> None:
    assert safe_name(given) == kept


def test_a_safe_name_is_short_and_plain_whatever_is_sent() -> None:
    rng = random.Random(3)
    for _ in range(2000):
        name = safe_name("".join(chr(rng.randrange(0x3000)) for _ in range(rng.randrange(300))) + ".pdf")
        assert 0 < len(name.encode()) <= 200
        assert not {"/", "\\", "\n", "\x00"} & set(name)
        assert name not in (".", "..")
        assert name.endswith(".pdf")


def test_an_upload_is_a_source_under_its_collection(tmp_path: Path) -> None:
    data = write(tmp_path / "5f3a")
    source = source_from_upload("../plan.pdf", data, "hr")
    assert (source.uri, source.name, source.size, source.path) == (
        "upload://hr/plan.pdf",
        "plan.pdf",
        5,
        data,
    )


def test_a_file_that_has_grown_past_the_limit_is_not_read_again(tmp_path: Path) -> None:
    uri = uri_of(write(tmp_path / "log.txt", "x" * 100))
    found_again = source_of_record(uri, 100)
    assert found_again is not None
    assert found_again.size == 100
    with pytest.raises(SourceTooLarge, match="the limit is"):
        source_of_record(uri, 99)
