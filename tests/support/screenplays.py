"""A folder of screenplays, of any size."""

from pathlib import Path

_SCENE = "INT. PIER {} - DAY\n\nRain on {}.\n\nPILOT\nYou again, number {}.\n\nGULL\n(softly)\nMe again.\n\n"


def folder_of(place: Path, files: int, scenes: int) -> Path:
    """A folder of screenplays, and beside them one that breaks off and a text with no script in it."""
    folder = place / "pier"
    folder.mkdir()
    for number in range(files):
        text = "".join(_SCENE.format(scene, scene * number, number) for scene in range(scenes))
        (folder / f"{number:03}.fountain").write_text(text)
    (folder / "broken.fdx").write_text("<FinalDraft><Content><Paragraph><Text>You ag")
    (folder / "novel.txt").write_text("It rained, and the gull had a plan.\n\n" * 20)
    return folder
