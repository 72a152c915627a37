"""What is published, and under which tenant and id: from paths, patterns and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.ids import source_key
from streams.cli.failures import CommandError
from streams.cli.publish_find import Bucket, Naming, expand, files
from streams.client.uploads import Upload

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = Upload(b"", "", "")
SHA = "ab" * 32


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder with a few files."""
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.jpg", "in/sub/b.PNG", "in/notes.txt", "in/.hidden/c.jpg", "d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("naming", "path", "image"),
    [
        (Naming(None), "a/b.jpg", ("default", "a/b.jpg")),
        (Naming("acme"), "a/b.jpg", ("acme", "a/b.jpg")),
        (Naming(None, "{tenant}/{id}.{ext}"), "in/acme/b.jpg", ("acme", "b")),
        (Naming(None, "{tenant}/{*}/{id}.{ext}"), "acme/2026/b.jpg", ("acme", "b")),
        (Naming("given", "{tenant}/{id}.{ext}"), "acme/b.jpg", ("acme", "b")),
        (Naming("given", "{id}.{ext}"), "x/b.c.jpg", ("given", "b.c")),
        (Naming(None, None, "named"), "b.jpg", ("default", "named")),
    ],
)
def test_a_path_names_an_image(naming: Naming, path: str, image: tuple[str, str]) -> None:
    """A pattern's parts win over what is given for all; without a pattern the path is the id."""
    assert naming.of(path) == image


def test_what_a_publisher_uploaded_is_recognised() -> None:
    """Ids come back as they were, whatever had to be encoded: publishing again must not make another image of it."""
    key = source_key("acme/europe", "sub folder/ü.jpg", SHA, "jpg")

    assert Naming(None).of_key(key) == ("acme/europe", "sub folder/ü.jpg")
    assert Naming("acme").of_key("photos/a.jpg") == ("acme", "photos/a.jpg")


def test_folders_give_pictures_and_named_files_whatever_they_are(folder: Path) -> None:
    """Hidden files and what does not look like a picture are left, unless named."""
    found, skipped = expand(["in", "d.jpg", "in/notes.txt"])

    assert sorted(name for _, name in found) == ["a.jpg", "d.jpg", "in/notes.txt", "sub/b.PNG"]
    assert skipped == 1
    assert all(path.is_file() for path, _ in found), folder


@pytest.mark.usefixtures("folder")
def test_globs_reach_into_folders() -> None:
    """A quoted pattern works like the shell's."""
    found, _ = expand(["in/**/*.jpg"])

    assert [name for _, name in found] == ["in/a.jpg"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("paths", "naming", "said"),
    [
        (["in/a.jpg", "in/../in/a.jpg"], Naming(None, "{id}.{ext}"), "would both be image default/a"),
        (["in"], Naming(None, "{tenant}/{id}.{ext}"), "does not fit --pattern"),
        (["in"], Naming(None, None, "one"), "--id names one image"),
        (["nowhere/*.jpg"], Naming(None), "no such file or folder"),
    ],
)
def test_what_cannot_be_meant_is_refused(paths: list[str], naming: Naming, said: str) -> None:
    """Before anything is published."""
    with pytest.raises(CommandError, match=said):
        files(paths, naming, TEMPLATE)


def test_a_bucket_is_read_from_its_address() -> None:
    """``s3://bucket/prefix``; a bucket is needed, a prefix is not."""
    assert Bucket.read("s3://uploads/acme/x") == Bucket("uploads", "acme/x")
    assert Bucket.read("s3://uploads") == Bucket("uploads", "")
    with pytest.raises(CommandError, match="names no bucket"):
        Bucket.read("s3://")
