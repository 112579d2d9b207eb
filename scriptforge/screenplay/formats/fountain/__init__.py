r"""Fountain, the plain-text markup of screenplays, read and written.

    Title: Tea for Two

    INT. KITCHEN - DAY #1A#         a heading; what stands between number signs is the scene's number
    .THE KETTLE                     a heading, whatever it looks like
    Steam *rises*.                  action; emphasis is `*italic*` `**bold**` `***both***` `_underlined_`
    !INT. is short for it.          action, whatever it looks like
    > THE END <                     action in the middle of the line
    ~ La, la.                       what is sung, and the same in dialogue
    ANNA (O.S.)                     a cue, if there is a line below it; `ANNA ^` speaks at the same time
    @McCLANE                        a cue, whatever it looks like
    (softly)                        in dialogue a parenthetical, joined by spaces to what stands around it
    CUT TO:                         a transition
    > Later                         a transition, whatever it looks like
    \*  \_  \[  \~  \^  \<          the sign itself, where it would be a mark

Blank lines part elements. Lines of one kind without a blank line between them are one element of several
lines; a line of two spaces is a blank one that does not end a speech. Read and dropped are boneyards `/* */`,
notes `[[ ]]`, sections `#`, synopses `=`, page breaks `===`, the numbers of scenes, what else the title page
says, and all marks.

The readers that are to be had are not right on this, and two of the three hold the whole script in memory:
screenplain takes a first line with a colon for a title page, puts headings in capitals, and knows neither
songs nor `\_`; screenplay-tools leaves emphasis and escapes in the text, takes `ÉLODIE` for action and `.38`
in dialogue for a heading, and loses all that follows an open boneyard; jouvence takes `R2D2` for action and
does not come back from an open boneyard.

Source: https://fountain.io/syntax
"""

from scriptforge.screenplay.formats.fountain.reading import FORMAT
from scriptforge.screenplay.formats.fountain.writing import write

__all__ = ["FORMAT", "write"]
