"""What a process takes to be installed."""

from pathlib import Path


def older_version(place: Path) -> Path:
    """Return a folder that names an older version of the package to whoever looks there first."""
    folder = place / "older"
    about = folder / "scriptforge_lm-0.0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: scriptforge-lm\nVersion: 0.0.1\n")
    return folder
