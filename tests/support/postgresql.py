"""A PostgreSQL server of one's own on the loopback, where PostgreSQL is installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_USUAL_PLACES = "/usr/lib/postgresql/*/bin"
_NOBODY = "nobody"
"""Who runs it if we are root, whom it refuses."""

USER, PASSWORD, DATABASE = "ann", "open-sesame", "plays"


def program(name: str) -> str | None:
    """One of PostgreSQL's programs, if it is there."""
    places = [os.environ.get("PATH", ""), *map(str, Path("/").glob(_USUAL_PLACES.lstrip("/")))]
    return shutil.which(name, path=os.pathsep.join(places))


@contextmanager
def server() -> Iterator[str]:
    """Runs a server with an empty database; yields its address, with user and password."""
    user = _NOBODY if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        secret = home / "password"
        secret.write_text(PASSWORD)
        if user:
            shutil.chown(home, user)
            shutil.chown(secret, user)
        data, port = home / "data", _free_port()
        authentication = (f"--username={USER}", f"--pwfile={secret}", "--auth=scram-sha-256")
        _run("initdb", "--pgdata", data, *authentication, "--no-sync", user=user)
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        control = ("pg_ctl", "--pgdata", data, "--wait")
        _run(*control, "--log", home / "log", "--options", options, "start", user=user)
        try:
            address = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}"
            _create_database(address)
            yield f"{address}/{DATABASE}"
        finally:
            _run(*control, "--mode=immediate", "stop", user=user)
    finally:
        shutil.rmtree(home)


def _run(name: str, *arguments: str | Path, user: str | None) -> None:
    command = [str(program(name)), *map(str, arguments)]
    subprocess.run(command, user=user, cwd="/", check=True, stdout=subprocess.DEVNULL)


def _create_database(address: str) -> None:
    import psycopg

    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
