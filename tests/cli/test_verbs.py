"""The verbs as a user types them, against real servers and a real worker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from streams.compose.stores import make_store
from streams.settings import load
from tests.cli.pictures import enormous_png, photo, renamed_text, truncated_photo
from tests.support import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.worker import RunningWorker
    from tests.command import Darkroom

pytestmark = pytest.mark.usefixtures("worker")


def lines(text: str) -> list[dict[str, Any]]:
    """Return JSON lines as values."""
    return [json.loads(line) for line in text.splitlines()]


def test_three_bad_files_fail_with_their_reasons(place: Darkroom, tmp_path: Path) -> None:
    """A text file with a picture's name, a truncated JPEG and a bomb; a good neighbour is ready all the same."""
    renamed_text(tmp_path / "text.jpg")
    truncated_photo(tmp_path / "cut.jpg")
    enormous_png(tmp_path / "bomb.png")
    photo(tmp_path / "good.jpg")

    done = place.run("publish", str(tmp_path), "--tenant", "bad", "--wait", "--json")

    found = {line["image"]: line.get("reason", line["state"]) for line in lines(done.stdout)}
    assert done.returncode == 1
    assert found["bad/text.jpg"] in {"unsupported_format", "undecodable"}
    assert found["bad/cut.jpg"] == "truncated"
    assert found["bad/bomb.png"] == "too_large"
    assert found["bad/good.jpg"] == "ready"
    assert "bad/bomb.png: too_large" in done.stderr


def test_an_image_lives_and_dies(place: Darkroom, tmp_path: Path) -> None:
    """Publish, watch, get, delete: each verb sees what the one before did."""
    picture = photo(tmp_path / "summer.jpg", shade=7)
    with place.started("watch", "--json", "--tenant", "life", "-n", "2") as watching:
        assert watching.stderr is not None
        assert "watching" in watching.stderr.readline()

        published = place.run("publish", str(picture), "--tenant", "life", "--id", "summer-01", "--wait")
        found = place.run("get", "life/summer-01", "--json")
        deleted = place.run("delete", "life/summer-01", "--wait", "--json")
        gone = place.run("get", "life/summer-01")
        seen, _ = watching.communicate(timeout=30)

    assert (published.returncode, published.stdout, published.stderr) == (0, "", "")
    assert [each["width"] for each in json.loads(found.stdout)["variants"]] == [160, 320, 400, 400]
    assert json.loads(deleted.stdout)["removed_objects"] > 0
    assert gone.returncode == 1
    assert "was deleted" in gone.stderr
    assert [(line["event"], line["image_id"]) for line in lines(seen)] == [
        ("ready", "summer-01"),
        ("deleted", "summer-01"),
    ]


def test_a_pattern_names_tenant_and_id(place: Darkroom, tmp_path: Path) -> None:
    """Tenant and id stand in the path."""
    photo(tmp_path / "in" / "north" / "a.jpg", shade=11)
    photo(tmp_path / "in" / "south" / "b.jpg", shade=12)

    done = place.run("publish", str(tmp_path / "in"), "--pattern", "{tenant}/{id}.{ext}", "--json")

    assert sorted(line["image"] for line in lines(done.stdout)) == ["north/a", "south/b"]


def test_an_import_goes_on_where_it_was_interrupted(place: Darkroom, tmp_path: Path) -> None:
    """Objects of an allowed bucket go the bulk lane; the bookmark of an interrupted run is honoured, then removed."""
    settings = load(place.config).settings
    store = make_store(settings)
    bucket = settings.store.upload_bucket
    for number in range(3):
        data = photo(tmp_path / "x.jpg", shade=20 + number).read_bytes()
        store.put(bucket, f"imp/old/{number}.jpg", data, content_type="image/jpeg")
    prefix = ("publish", f"s3://{bucket}/imp/old/", "--pattern", "{tenant}/old/{id}.{ext}", "--json")

    first = place.run(*prefix, "--wait")
    assert sorted(line["image"] for line in lines(first.stdout)) == ["imp/0", "imp/1", "imp/2"], first.stderr
    assert list((place.folder / ".darkroom").glob("import-*")) == []

    interrupted = place.run(*prefix, "--recipe", "avatar", env={"DARKROOM_STORE__ENDPOINT": "127.0.0.1:9"})
    assert interrupted.returncode == 3
    _bookmark(place, after="imp/old/0.jpg", like=(bucket, "imp/old/"), pattern="{tenant}/old/{id}.{ext}")
    again = place.run(*prefix)
    assert sorted(line["image"] for line in lines(again.stdout)) == ["imp/1", "imp/2"]


def _bookmark(place: Darkroom, *, after: str, like: tuple[str, str], pattern: str) -> None:
    from streams.cli.publish_find import Bucket, Naming  # noqa: PLC0415 - only here
    from streams.cli.publish_progress import Bookmark  # noqa: PLC0415

    mark = Bookmark.of(Bucket(*like), Naming(None, pattern), None)
    mark.path = place.folder / mark.path
    mark.move(after, 1)


def test_status_and_offsets_name_the_member_and_every_partition(place: Darkroom) -> None:
    """One worker holds all 12 input partitions, each with a readable map."""
    status = json.loads(place.run("status", "--json").stdout)
    offsets = lines(place.run("offsets", "show", "--json").stdout)

    assert status["state"] == "stable"
    assert [len(member["partitions"]) for member in status["members"]] == [12]
    assert status["members"][0]["client"].startswith("darkroom-worker-")
    assert len(offsets) == 12
    assert all(not row["map"].startswith("unreadable") for row in offsets)


def test_positions_of_a_running_group_are_not_touched(place: Darkroom) -> None:
    """A running worker would commit over them; the members are named."""
    done = place.run("offsets", "init", "--to", "latest", "--force")

    assert done.returncode == 1
    assert "stop its workers first" in done.stderr


def test_topics_and_schemas_are_as_they_should_be(place: Darkroom) -> None:
    """The verbs that made them find no difference; what brokers themselves keep is not this test's."""
    topics = lines(place.run("topics", "check", "--json").stdout)
    schemas = place.run("schemas", "check", "--json")

    assert [row for row in topics if not row["where"].startswith("broker")] == []
    assert schemas.returncode == 0
    assert all(row["ok"] for row in lines(schemas.stdout))


def test_a_plan_is_explained(place: Darkroom, tmp_path: Path) -> None:
    """Decode, levels and outputs of a recipe for a file; nothing is rendered."""
    done = place.run("recipes", "explain", "web", str(photo(tmp_path / "p.jpg", 4000, 3000)))

    assert done.returncode == 0
    assert "decode   jpeg at 1/2" in done.stdout
    assert "w1280" in done.stdout


def test_a_recipe_is_previewed(place: Darkroom, tmp_path: Path) -> None:
    """Every variant is a file, and a page shows them; what is no image is refused with a worker's words."""
    folder = tmp_path / "seen"
    done = place.run(
        "recipes", "preview", "web", str(photo(tmp_path / "p.jpg", 1400, 900)), "--out", str(folder), "--json"
    )

    assert done.returncode == 0
    written = lines(done.stdout)
    assert [row["variant"] for row in written] == ["w160", "w320", "w640", "w1280"]
    assert all((folder / f"{row['variant']}.webp").stat().st_size == row["bytes"] for row in written)
    assert (folder / "sheet.html").read_text().count("<figure>") == 4
    (tmp_path / "p.txt").write_text("no picture")
    refused = place.run("recipes", "preview", "web", str(tmp_path / "p.txt"), "--out", str(folder))
    assert refused.returncode == 1
    assert "unsupported_format" in refused.stderr


def test_the_worker_says_one_line_an_image(place: Darkroom, worker: RunningWorker, tmp_path: Path) -> None:
    """Ids, cause and duration in each; JSON because it is piped."""
    photo(tmp_path / "logged.jpg", shade=40)

    place.run("publish", str(tmp_path / "logged.jpg"), "--tenant", "logs", "--wait")

    said = wait_until(lambda: [line for line in worker.events("image_ready") if line["tenant"] == "logs"], 5)
    assert len(said) == 1
    assert said[0]["image_id"] == "logged.jpg"
    assert said[0]["cause"].startswith(f"{load(place.config).settings.kafka.topic_prefix}images.uploaded[")
