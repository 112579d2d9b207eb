"""Storage of studies in an SQLite file or on a PostgreSQL server, with error messages for both.

A process that works on a trial writes a heartbeat every few seconds. If the heartbeats stop, the trial counts
as dead, which the next process to start a trial notices: by the time of the last heartbeat or, since clocks
may be set back, because the heartbeat has not changed for too long. Work that only one process may do at a
time, on any machine, is done in a turn. A machine that goes away keeps nothing locked, and a server that goes
away is not waited for: both sides notice within a minute or two. No message contains a password.

Optuna and SQLAlchemy come with the extra `tune`, so they are imported where they are used.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from scriptforge.errors import ScriptforgeError, StudyError, UsageError, is_damaged_database
from scriptforge.workspace import StudyFolder

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial
    from sqlalchemy import URL, Engine


INSTALL = "Install what it needs: pip install 'scriptforge-lm[tune]'"

_TURN = "turn"
_SECONDS_BETWEEN_ATTEMPTS = 0.05
_SECONDS_BETWEEN_HEARTBEATS = 2
_SECONDS_UNTIL_DEAD = 15
_SECONDS_FOR_A_LOCK = 60
_SECONDS_TO_CONNECT = 10
_SECONDS_OF_SILENCE = 30
"""Seconds after which a silent connection to a server counts as lost."""
_SECONDS_OF_A_TRANSACTION = 120
"""Seconds that a transaction may be idle before the server ends it and releases its locks."""
_OPTUNA_ERRORS = (AssertionError, UnboundLocalError)
"""Errors of Optuna's own code if the database cannot be reached when a trial ends."""
_FORMS = "Give --storage sqlite:///FILE or --storage postgresql://USER@HOST/DATABASE"
_REMEDIES = {
    "sqlite": "Name a file, in a folder that exists, that you may write to: --storage sqlite:///FILE",
    "postgresql": "Check that the server runs, and that host, database, user and password are right.",
}
_CONNECTIONS: dict[str, dict[str, Any]] = {
    "sqlite": {"timeout": _SECONDS_FOR_A_LOCK},
    "postgresql": {
        "connect_timeout": _SECONDS_TO_CONNECT,
        "tcp_user_timeout": _SECONDS_OF_SILENCE * 1000,
        "keepalives_idle": _SECONDS_OF_SILENCE // 3,
        "keepalives_interval": _SECONDS_OF_SILENCE // 6,
        "keepalives_count": 4,
    },
}


class Storage:
    """A connected database for studies.

    Args:
        address: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`; None for the study's own
            file.
        folder: the study's folder, with the lock for turns; PostgreSQL has a second lock, for all machines.
        on_dead: called with every trial whose heartbeats have stopped.

    Raises:
        UsageError: no study can be stored at the address.
        StudyError: the database cannot be reached or is damaged, or a driver is not installed.
    """

    def __init__(
        self, address: str | None, folder: StudyFolder, on_dead: "Callable[[Study, FrozenTrial], None]"
    ) -> None:
        self._url = _own_url(folder) if address is None else _parse(address)
        self._folder = folder
        with self.translate_errors():
            self._engine = self._connected()
            with self.turn(""), self.reading():
                self.check()
                self.backend = self._open(on_dead)

    @property
    def name(self) -> str:
        """Return the address for messages, without password and options."""
        plain = self._url.set(drivername=self._url.get_backend_name(), query={})
        return plain.render_as_string(hide_password=True)

    @contextmanager
    def turn(self, name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Wait until no other process has the turn, and hold it for the block, which should be short.

        Args:
            name: the study's name; empty for the whole database.
            on_wait: called again and again while another process has it; may raise to stop waiting.
        """
        from sqlalchemy import text

        with ExitStack() as held:
            held.enter_context(self._folder.turn(_TURN, on_wait))
            if self._url.get_backend_name() == "postgresql":
                connection = held.enter_context(self._engine.begin())
                key = {"key": f"scriptforge {name}"}
                take = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 0))")
                while not connection.execute(take, key).scalar_one():
                    on_wait()
                    time.sleep(_SECONDS_BETWEEN_ATTEMPTS)
            yield

    def close(self) -> None:
        """Close all connections."""
        self.backend.remove_session()
        self.backend.engine.dispose()
        self._engine.dispose()

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Turn database errors into a `StudyError`.

        Raises:
            StudyError: the storage failed.
        """
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (StorageInternalError, SQLAlchemyError, *_OPTUNA_ERRORS) as error:
            failure: BaseException | None = error
            while isinstance(failure, _OPTUNA_ERRORS):
                failure = failure.__context__
            if not isinstance(failure, StorageInternalError | SQLAlchemyError):
                raise
            if self._url.get_backend_name() == "sqlite" and is_damaged_database(_original(failure)):
                raise self._damaged(self._reason(failure)) from error
            raise StudyError(
                f"The study cannot be kept at {self.name}: {self._reason(failure)}.",
                _REMEDIES[self._url.get_backend_name()],
            ) from error

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn any error in the first reading of a study into one that says that it is damaged.

        Raises:
            StudyError: it is damaged.
        """
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (ScriptforgeError, StorageInternalError, SQLAlchemyError):
            raise
        except Exception as error:  # of any kind: Optuna does not validate its tables
            raise self._damaged(type(error).__name__) from error

    def check(self) -> None:
        """Check the integrity of an SQLite file.

        Raises:
            StudyError: it is damaged.
        """
        from sqlalchemy import text

        if self._url.get_backend_name() == "sqlite":
            with self._engine.connect() as connection:
                state = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
            if state != "ok":
                raise self._damaged(str(state).splitlines()[-1].rstrip("."))

    def _damaged(self, why: str) -> StudyError:
        return StudyError(
            f"The study at {self.name} is damaged: {why}.",
            "Restore it from a copy, or begin another one: --study NAME",
        )

    def _open(self, on_dead: "Callable[[Study, FrozenTrial], None]") -> "RDBStorage":
        try:
            backend = _retrying_storage()(
                self._url.render_as_string(hide_password=False),
                engine_kwargs=self._engine_options,
                heartbeat_interval=_SECONDS_BETWEEN_HEARTBEATS,
                grace_period=_SECONDS_UNTIL_DEAD,
                heartbeat_stale_trial_callback=on_dead,
            )
        except RuntimeError as error:
            raise StudyError(
                f"{self.name} was made by a version of Optuna that this one cannot read.",
                "Use the version of Optuna that made it, or another storage.",
            ) from error
        self._limit_transactions(backend.engine)
        return backend

    @property
    def _engine_options(self) -> dict[str, Any]:
        return {"connect_args": _CONNECTIONS[self._url.get_backend_name()], "pool_pre_ping": True}

    def _connected(self) -> "Engine":
        """Return an engine apart from Optuna's, for turns."""
        from sqlalchemy import create_engine

        try:
            engine = create_engine(self._url, **self._engine_options)
        except ImportError as error:
            raise StudyError(f"There is no driver here for {self.name}.", INSTALL) from error
        self._limit_transactions(engine)
        return engine

    def _limit_transactions(self, engine: "Engine") -> None:
        """Make the server end transactions left idle by a machine that went away."""
        from sqlalchemy import event

        def limit(connection: Any, _: object) -> None:
            connection.execute(f"SET idle_in_transaction_session_timeout = '{_SECONDS_OF_A_TRANSACTION}s'")
            connection.commit()

        if self._url.get_backend_name() == "postgresql":
            event.listen(engine, "connect", limit)
            engine.dispose()  # new connections have the limit

    def _reason(self, error: BaseException) -> str:
        """Return the database's own error message, in one line and without the password."""
        said = " ".join(str(_original(error)).split()).rstrip(".")
        password = self._url.password
        return said.replace(str(password), "***") if password else said


def _original(error: BaseException) -> BaseException:
    """Return the error that the database driver raised."""
    known = error.__cause__ if error.__cause__ is not None else error
    return getattr(known, "orig", None) or known


def require_optuna() -> None:
    """Check that studies can be stored.

    Raises:
        StudyError: Optuna or SQLAlchemy is not installed.
    """
    try:
        import optuna  # noqa: F401
        import sqlalchemy  # noqa: F401
    except ImportError as error:
        raise StudyError("Optuna is not installed here.", INSTALL) from error


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Within the block, make Optuna log only errors, and not warn that heartbeats are experimental."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _retrying_storage() -> "type[RDBStorage]":
    """Return a subclass of Optuna's database storage that tolerates a failed heartbeat.

    The next heartbeat may succeed; if the database is gone for good, the next write of the trial fails.
    Optuna compares a heartbeat with the current time, and so would wait for a day if the clock was set back
    by one: here a trial also counts as dead if its heartbeat does not change.
    """
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    class RetryingStorage(RDBStorage):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._seen: dict[int, tuple[str, float]] = {}

        def _get_stale_trial_ids(self, study_id: int) -> list[int]:
            running = (
                "SELECT trial_id, heartbeat FROM trial_heartbeats JOIN trials USING (trial_id)"
                " WHERE study_id = :study AND state = 'RUNNING'"
            )
            with self.engine.connect() as connection:
                rows = connection.execute(text(running), {"study": study_id})
                heartbeats = {trial: str(moment) for trial, moment in rows}
            now = time.monotonic()
            self._seen = {
                trial: self._seen[trial] if self._seen.get(trial, ("", 0))[0] == moment else (moment, now)
                for trial, moment in heartbeats.items()
            }
            silent = [trial for trial, (_, since) in self._seen.items() if now - since > _SECONDS_UNTIL_DEAD]
            return list({*super()._get_stale_trial_ids(study_id), *silent})

        def record_heartbeat(self, trial_id: int) -> None:
            with suppress(StorageInternalError, SQLAlchemyError):
                super().record_heartbeat(trial_id)

    return RetryingStorage


def _own_url(folder: StudyFolder) -> "URL":
    """Return the URL of a study's own file; parsed from text, a path would be cut at a `?`."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(folder.database.resolve()))


def _parse(address: str) -> "URL":
    """Return the URL of an address.

    Raises:
        UsageError: no study can be stored there.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise UsageError("--storage is not a database address.", _FORMS) from None
    if url.get_backend_name() not in _REMEDIES:
        raise UsageError(f"“{url.get_backend_name()}” cannot store a study.", _FORMS)
    if not url.database or url.database == ":memory:":
        raise UsageError("--storage names no database.", _FORMS)
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url
