"""What `neurona serve` makes of its settings before it serves."""

import resource

import pytest

from app.commands.serve import with_room
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
