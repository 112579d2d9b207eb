"""A PostgreSQL server of one's own, where PostgreSQL is installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_USUAL_PLACES = "/usr/lib/postgresql/*/bin"
_AS_NOBODY = ("setpriv", "--reuid=nobody", "--clear-groups")
"""Who runs it if we are root, whom it refuses."""

USER, PASSWORD, DATABASE = "ann", "open-sesame", "plays"


def program(name: str) -> str | None:
    """One of PostgreSQL's programs, if it is there."""
    places = [os.environ.get("PATH", ""), *map(str, Path("/").glob(_USUAL_PLACES.lstrip("/")))]
    return shutil.which(name, path=os.pathsep.join(places))


@dataclass(frozen=True)
class Server:
    """A server with a database.

    Attributes:
        home: its folder.
        host: the address at which it listens.
        port: beside it.
        prefix: the words that run a command on its host.
    """

    home: Path
    host: str
    port: int
    prefix: tuple[str, ...]

    @property
    def address(self) -> str:
        """Return the database's, with user and password."""
        return f"postgresql://{USER}:{PASSWORD}@{self.host}:{self.port}/{DATABASE}"

    def create(self) -> None:
        """Lay out its files."""
        secret = self.home / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(self.home, "nobody")
            shutil.chown(secret, "nobody")
        data = self.home / "data"
        authentication = (f"--username={USER}", f"--pwfile={secret}", "--auth=scram-sha-256")
        self._run("initdb", "--pgdata", data, *authentication, "--no-sync")
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet scram-sha-256\n")

    def add_database(self) -> None:
        """Create the database, which is empty."""
        self._run("createdb", f"--host={self.host}", f"--port={self.port}", f"--username={USER}", DATABASE)

    def start(self) -> None:
        """Begin, and wait until it listens."""
        options = f"-p {self.port} -c listen_addresses={self.host} -c unix_socket_directories= -c fsync=off"
        self._control("--log", self.home / "log", "--options", options, "start")

    def stop(self) -> None:
        """End as if the power had failed."""
        self._control("--mode=immediate", "stop")

    def _control(self, *words: str | Path) -> None:
        self._run("pg_ctl", "--pgdata", self.home / "data", "--wait", *words)

    def _run(self, name: str, *arguments: str | Path) -> None:
        command = [*self.prefix, *(_AS_NOBODY if os.geteuid() == 0 else ()), str(program(name))]
        subprocess.run(
            [*command, *map(str, arguments)],
            cwd="/",
            env={**os.environ, "PGPASSWORD": PASSWORD},
            check=True,
            stdout=subprocess.DEVNULL,
        )


@contextmanager
def server(host: str = "127.0.0.1", prefix: tuple[str, ...] = ()) -> Iterator[Server]:
    """Run a server while the block lasts.

    Args:
        host: the address at which it listens.
        prefix: the words that run a command on its host.
    """
    home = Path(tempfile.mkdtemp(prefix="postgresql-"))
    running = Server(home, host, _free_port(), prefix)
    try:
        running.create()
        running.start()
        try:
            running.add_database()
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(home)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
