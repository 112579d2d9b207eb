"""Optuna's storage in a database, with a trial that outlives a moment in which it cannot be reached.

Imports Optuna, which the rest of the package does not.
"""

from contextlib import suppress

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError


class PatientStorage(RDBStorage):
    """Lets a sign of life that could not be given pass: the next one may be.

    Whether the database is gone for good shows when the trial has something to write.
    """

    def record_heartbeat(self, trial_id: int) -> None:
        """Gives a sign of life, if that is possible."""
        with suppress(StorageInternalError, SQLAlchemyError):
            super().record_heartbeat(trial_id)
