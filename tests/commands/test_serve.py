"""What `neurona serve` makes of its settings before it serves."""

import argparse
import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from app import bootstrap
from app.commands import serve, trainer
from app.commands.serve import with_room
from app.repository.repository import Repository
from app.settings import Settings


@pytest.fixture
def files(monkeypatch):
    """Lets a process have so many files open, and more up to the hard limit; what was set."""

    def allow(soft, hard):
        said = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _, limits: said.append(limits))
        return said

    return allow


def test_files_may_be_as_many_as_connections_and_some_more(files):
    settings = Settings(max_connections=4096)
    for soft, hard, said in (
        (1024, 1_000_000, [(4864, 1_000_000)]),
        (1024, resource.RLIM_INFINITY, [(4864, resource.RLIM_INFINITY)]),
        (10_000, 20_000, []),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, []),
    ):
        given = files(soft, hard)
        assert with_room(settings) is settings
        assert given == said


def test_where_the_system_allows_fewer_connections_are_fewer(files, caplog):
    given = files(256, 1024)
    assert with_room(Settings(max_connections=4096)).max_connections == 682
    assert given == [(1024, 1024)]
    assert "max_connections is 682" in caplog.text


@pytest.mark.parametrize(
    ("command", "name", "value", "said"),
    [
        (serve, "PORT", "many", "NEURONA_PORT: Input should be a valid integer"),
        (trainer, "PORT", "many", "NEURONA_PORT: Input should be a valid integer"),
        (serve, "WORKERS", "0", "NEURONA_WORKERS: Input should be greater than or equal to 1"),
        (serve, "API_KEYS", "admin:short", "NEURONA_API_KEYS: a key is written role:key"),
        (serve, "MODELS", __file__, f"NEURONA_MODELS: {__file__} is a file; name a folder"),
        (trainer, "DATA", __file__, f"NEURONA_DATA: {__file__} is a file; name a folder"),
        (serve, "API_KEYS_FILE", "/nowhere/keys", "NEURONA_API_KEYS: "),
        (serve, "DATABASE_URL", "records", "NEURONA_DATABASE_URL: write sqlite:///FILE or postgresql://"),
        (trainer, "DATABASE_URL", "postgres://a@b/c", "NEURONA_DATABASE_URL: write sqlite:///FILE"),
        (trainer, "DATABASE_URL", "postgresql://a:b/c", "NEURONA_DATABASE_URL: write sqlite:///FILE"),
        (serve, "DATABASE_URL", "mysql://a@b/c", "NEURONA_DATABASE_URL: write sqlite:///FILE"),
        (serve, "SSL_KEYFILE", __file__, "NEURONA_SSL_KEYFILE: needs NEURONA_SSL_CERTFILE"),
        (serve, "SSL_CA_CERTS", __file__, "NEURONA_SSL_CA_CERTS: needs NEURONA_SSL_CERTFILE"),
        (serve, "SSL_CERTFILE", "/nowhere/cert.pem", "NEURONA_SSL_CERTFILE: no certificate"),
        (serve, "SSL_CERTFILE", __file__, "NEURONA_SSL_CERTFILE: no certificate"),
    ],
)
def test_a_wrong_setting_ends_the_command_with_a_sentence(monkeypatch, capsys, command, name, value, said):
    monkeypatch.setenv(f"NEURONA_{name}", value)
    with pytest.raises(SystemExit) as ended:
        command.run(argparse.Namespace(with_parent=False))
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(said)
    assert "Traceback" not in told


@pytest.mark.parametrize("name", ["DATA", "MODELS"])
def test_a_folder_in_which_the_system_allows_nothing_ends_the_command_with_a_sentence(name):
    """As a volume of another user. In /proc nobody may make a folder, not even root."""
    said = {"HOST": "0.0.0.0", "PORT": "0", "MODELS_SEED": "models", name: "/proc/volume"}
    environment = os.environ | {f"NEURONA_{each}": value for each, value in said.items()}
    command = [sys.executable, "-m", "app", "serve"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2, ended.stderr
    assert f"NEURONA_{name}: /proc/volume: No such file or directory; let user " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_folder_that_may_not_be_looked_at_does_so_too(monkeypatch, capsys):
    def denied(_: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", "/volume/models")

    monkeypatch.setattr(Path, "exists", denied)
    with pytest.raises(SystemExit):
        trainer.run(argparse.Namespace(with_parent=False))
    assert capsys.readouterr().err.startswith("NEURONA_DATA: /volume/models: Permission denied; let user ")


def test_models_that_ship_are_copied_whole_and_never_over_others(tmp_path):
    seed, models = tmp_path / "seed", tmp_path / "data" / "models"
    (seed / "iris" / "1").mkdir(parents=True)
    (seed / "iris" / "1" / "model.json").write_text("{}")
    bootstrap.seed(seed, models)
    assert (models / "iris" / "1" / "model.json").read_text() == "{}"
    assert [path.name for path in models.parent.iterdir()] == ["models"]
    (models / "iris" / "1" / "model.json").write_text("mine")
    bootstrap.seed(seed, models)
    assert (models / "iris" / "1" / "model.json").read_text() == "mine"


def test_a_crash_while_they_are_copied_leaves_an_empty_repository(tmp_path, monkeypatch):
    seed, models = tmp_path / "seed", tmp_path / "models"
    for name in ("a", "b"):
        (seed / name).mkdir(parents=True)

    def killed(source, target, **_):
        Path(target, "a").mkdir(parents=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("app.bootstrap.shutil.copytree", killed)
        with pytest.raises(KeyboardInterrupt):
            bootstrap.seed(seed, models)
    assert Repository(models).names() == []
    assert not [path for path in models.iterdir() if not path.name.startswith(".")]
    bootstrap.seed(seed, models)
    assert sorted(path.name for path in models.iterdir()) == [".lock", "a", "b"]
