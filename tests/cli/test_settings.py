"""Settings: what wins over what, and that everything wrong is said at once, with a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.adapters import kafka_settings
from streams.settings import SettingsError, load
from streams.settings.document import document
from streams.settings.owned import refused
from streams.settings.table import rows

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder without settings in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DARKROOM_CONFIG", raising=False)
    return tmp_path


def write(path: Path, text: str) -> Path:
    """Write a configuration file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def problems(config: Path | None = None) -> dict[str, str]:
    """Return what is wrong, by field."""
    with pytest.raises(SettingsError) as caught:
        load(config)
    return {problem.field: str(problem) for problem in caught.value.problems}


def test_defaults_need_no_file() -> None:
    """With neither file nor variables there is a complete configuration."""
    loaded = load()

    assert loaded.file is None
    assert loaded.settings.kafka.bootstrap_servers == "127.0.0.1:9092"
    assert loaded.settings.source_rules()[0].bucket == "uploads"


def test_environment_wins_over_file_and_file_over_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each layer replaces only what it names."""
    file = write(tmp_path / "a.toml", '[kafka]\ngroup = "file"\ntopic_prefix = "p."\n')
    monkeypatch.setenv("DARKROOM_KAFKA__GROUP", "variable")

    kafka = load(file).settings.kafka

    assert (kafka.group, kafka.topic_prefix, kafka.transaction_timeout_s) == ("variable", "p.", 10.0)


def test_a_password_from_the_environment_joins_the_files_client_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pass-through table is merged key by key, so that secrets can stay out of files."""
    file = write(tmp_path / "a.toml", '[kafka.client]\n"sasl.username" = "me"\n')
    monkeypatch.setenv("DARKROOM_KAFKA__CLIENT", '{"sasl.password": "hush-hush"}')

    assert load(file).settings.kafka.client == {"sasl.username": "me", "sasl.password": "hush-hush"}


def test_the_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config, then $DARKROOM_CONFIG, then .darkroom/local.toml in a folder above, then ./darkroom.toml."""
    here = tmp_path / "a" / "b"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    last = write(here / "darkroom.toml", "")
    assert load().file == last
    third = write(tmp_path / ".darkroom" / "local.toml", "")
    assert load().file == third
    second = write(tmp_path / "second.toml", "")
    monkeypatch.setenv("DARKROOM_CONFIG", str(second))
    assert load().file == second
    first = write(tmp_path / "first.toml", "")
    assert load(first).file == first


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """A file can be read from any folder."""
    file = write(tmp_path / "etc" / "a.toml", '[recipes]\nfolder = "mine"\n')

    assert load(file).settings.recipes.folder == tmp_path / "etc" / "mine"


def test_everything_wrong_is_listed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File and environment, types, bounds, unknown names and contradictions: one list, each with its remedy."""
    file = write(
        tmp_path / "a.toml",
        '[kafka]\ngropu = "x"\nsession_timeout_s = "ten"\nbootstrap_servers = "nowhere"\n'
        '[kafka.client]\n"acks" = "1"\n[store]\nkind = "directory"\n[worker.lanes]\nbulk = 0\n[lgo]\nlevel = "info"\n',
    )
    monkeypatch.setenv("DARKROOM_WORKER__DRAIN", "3")
    monkeypatch.setenv("DARKROOM_KAFAK__GROUP", "x")

    found = problems(file)

    assert "Did you mean kafka.group?" in found["kafka.gropu"]
    assert "'ten'" in found["kafka.session_timeout_s"]
    assert str(file) in found["kafka.session_timeout_s"]
    assert "seconds" in found["kafka.session_timeout_s"]
    assert "not host:port" in found["kafka.bootstrap_servers"]
    assert "acks" in found["kafka.client"]
    assert "Set store.directory" in found["store.directory"]
    assert "greater than or equal to 1" in found["worker.lanes.bulk"]
    assert "Did you mean worker.drain_s?" in found["worker.drain"]
    assert "DARKROOM_WORKER__DRAIN" in found["worker.drain"]
    assert "DARKROOM_KAFKA__GROUP" in found["DARKROOM_KAFAK__GROUP"]
    assert "Did you mean log?" in found["lgo"]


@pytest.mark.parametrize(
    ("variable", "value", "field"),
    [
        ("DARKROOM_STORE__SECRET_KEY", "hush-hush-hush", "store.secret_key"),
        ("DARKROOM_REGISTRY__PASSWORD", "hush-hush-hush", "registry.password"),
        ("DARKROOM_KAFKA__CLIENT", '{"sasl.password": ["hush-hush-hush"]}', "kafka.client"),
    ],
)
def test_a_problem_never_shows_a_secret(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, field: str) -> None:
    """A key or password that is wrong is named by its setting only."""
    monkeypatch.setenv(variable, value)

    assert "hush" not in problems()[field]


def test_a_value_that_is_no_json_is_a_problem_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables in the environment are JSON; anything else is refused like any wrong value."""
    monkeypatch.setenv("DARKROOM_SOURCES", "uploads/")

    assert "JSON" in "".join(problems().values())


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """Falling back to another file than the one asked for would be a surprise."""
    assert "no such file" in problems(tmp_path / "none.toml")["--config"]


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    """Broken TOML is one problem, with the place."""
    file = write(tmp_path / "a.toml", "[kafka]\ngroup = \n")

    assert "line 2" in problems(file)[str(file)]


def test_what_the_kafka_adapter_owns_is_refused_with_a_reason() -> None:
    """The adapter would override these silently; a user is told by name instead."""
    assert kafka_settings.OWNED - refused(dict.fromkeys(kafka_settings.OWNED, "1")).keys() == frozenset()
    assert "default.topic.acks" in refused({"default.topic.acks": "1"})
    assert refused({"sasl.username": "me", "ssl.ca.location": "/ca.pem"}) == {}


def test_every_setting_says_what_it_is_and_why() -> None:
    """The table of settings has no empty place."""
    silent = [row.name for row in rows() if not row.what or not row.why]

    assert silent == []


def test_the_documentation_is_what_the_settings_say() -> None:
    """docs/configuration.md is generated; run `python -m streams.settings.document > docs/configuration.md`."""
    assert (ROOT / "docs" / "configuration.md").read_text() == document()
