"""The folders of datasets and runs, the names of the files in them, and atomic writing.

No other package knows the names of these files, or writes into these folders other than with `atomic_write`,
`atomic_file` and `atomic_folder`. What a person names is written with `write_output`, `output_file` and
`output_folder`.
"""

from scriptforge.workspace.files import (
    atomic_file,
    atomic_folder,
    atomic_write,
    expand_home,
    names_a_file,
    parse_json,
    parse_toml,
    read_json,
    refuse_special_files,
)
from scriptforge.workspace.folders import SPLITS, DatasetFolder, RunFolder, StudyFolder
from scriptforge.workspace.outputs import (
    is_stream,
    output_file,
    output_folder,
    refuse_existing,
    turn_to_write,
    write_output,
)
from scriptforge.workspace.scratch import make_folder, remove_leftovers
from scriptforge.workspace.workspace import (
    WORKSPACE_VARIABLE,
    AnyFolder,
    Workspace,
    as_file_name,
    as_file_stem,
    creation_time,
    is_file_name,
    timestamp_after,
)

__all__ = [
    "SPLITS",
    "WORKSPACE_VARIABLE",
    "AnyFolder",
    "DatasetFolder",
    "RunFolder",
    "StudyFolder",
    "Workspace",
    "as_file_name",
    "as_file_stem",
    "atomic_file",
    "atomic_folder",
    "atomic_write",
    "creation_time",
    "expand_home",
    "is_file_name",
    "is_stream",
    "make_folder",
    "names_a_file",
    "output_file",
    "output_folder",
    "parse_json",
    "parse_toml",
    "read_json",
    "refuse_existing",
    "refuse_special_files",
    "remove_leftovers",
    "timestamp_after",
    "turn_to_write",
    "write_output",
]
