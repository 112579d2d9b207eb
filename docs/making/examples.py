"""Small texts in every format, and the cases for which fitted settings are shown."""

from scriptforge.training.machine import Machine

_LAPTOP, _GPU = Machine("cpu", "bf16", 2.4e11), Machine("cuda", "fp16", 2e13)
FITTING_CASES = {
    "little text": (50_000, 1000, _LAPTOP, 3.0),
    "little text, char": (50_000, 70, _LAPTOP, 3.0),
    "1 minute": (1_000_000, 2000, _LAPTOP, 1.0),
    "1 minute, char": (1_000_000, 70, _LAPTOP, 1.0),
    "5 minutes": (1_000_000, 2000, _LAPTOP, 5.0),
    "5 minutes, char": (1_000_000, 70, _LAPTOP, 5.0),
    "5 minutes, GPU": (1_000_000, 2000, _GPU, 5.0),
}
"""Training tokens, vocabulary size, machine and minutes, by heading in the table of fitted settings."""

EXAMPLES = {
    "subtitles": """\
        1
        00:00:01,000 --> 00:00:03,000
        <i>Walt: Any cars</i>

        2
        00:00:03,000 --> 00:00:04,500
        at all?

        3
        00:00:05,000 --> 00:00:06,000
        Dee: Not one.
        """,
    "chat": """\
        12/03/2021, 09:14 - Walt: Any cars?
        12/03/2021, 09:15 - Dee: Not one.
        Only a goose.
        12/03/2021, 09:16 - Walt changed the group's name
        """,
    "transcript": """\
        ---
        title: Exact Change
        ---
        **Walt** (00:01): Any cars?

        I thought I heard one.

        **Dee** (00:07): Not one.

        **Walt** (00:09): Oh.
        """,
    "name-line": """\
        INT. BOOTH ONE - MORNING
        walt: Any cars?
        dee (from the other booth): Not one.
        (Walt looks at the clock.)
        CUT TO:
        """,
    "shakespeare": """\
        SCENE I. A bridge.

        First Keeper:
        Who comes across the water at this hour,
        And has he forty cents?

        Enter a GOOSE

        First Keeper:
        It is a goose; it never pays.
        """,
    "indented": """\
        INT. BOOTH ONE - MORNING

        Walt sits at the window. There
        are no cars.

                            DEE
                      (leaning out)
                Any cars? I thought
                I heard one.

                            WALT
                That was me.
        """,
    "fountain": """\
        Title: Exact Change

        INT. BOOTH ONE - MORNING

        Walt sits at the window. [[How old is he?]]

        DEE (O.S.)
        (hopeful)
        Any cars?

        > CUT TO:
        """,
    "flush-left": """\
        INT. BOOTH ONE - MORNING
        Walt sits at the window.
        DEE
        Any cars?
        WALT
        Not one.
        DEE
        (hopeful)
        Now?
        WALT
        No.
        """,
    "fdx": """\
        <?xml version="1.0" encoding="UTF-8" standalone="no" ?>
        <FinalDraft DocumentType="Script" Template="No" Version="5">
        <Content>
        <Paragraph Type="Scene Heading"><Text>INT. BOOTH ONE - MORNING</Text></Paragraph>
        <Paragraph Type="Character"><Text>DEE (O.S.)</Text></Paragraph>
        <Paragraph Type="Dialogue"><Text>Any </Text><Text Style="Bold">cars?</Text></Paragraph>
        </Content>
        </FinalDraft>
        """,
    "ttml": """\
        <tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttm="http://www.w3.org/ns/ttml#metadata">
        <head><metadata><ttm:agent xml:id="dee"><ttm:name>Dee</ttm:name></ttm:agent></metadata></head>
        <body><div>
        <p begin="00:00:01.000" end="00:00:03.000">WALT: Any cars<br/>at all?</p>
        <p begin="00:00:05.000" end="00:00:06.000" ttm:agent="dee">Not one.</p>
        </div></body>
        </tt>
        """,
    "xml-play": """\
        <PLAY>
        <TITLE>The Bridge</TITLE>
        <ACT><TITLE>ACT I</TITLE>
        <SCENE><TITLE>SCENE I. A bridge.</TITLE>
        <STAGEDIR>Enter a GOOSE</STAGEDIR>
        <SPEECH><SPEAKER>First Keeper</SPEAKER>
        <LINE>Who comes across the water at this hour,</LINE>
        <LINE>And has he forty cents?</LINE></SPEECH>
        </SCENE></ACT>
        </PLAY>
        """,
    "prose": """\
        The bridge had been there
        longer than the river.

        Nobody had paid since Tuesday.
        """,
}
"""A text in each format."""

TABLE_EXAMPLE = (
    {"Season": "1", "Episode": "1", "Character": "Walt", "Line": "Any cars?"},
    {"Season": "1", "Episode": "1", "Character": "Dee", "Line": "Not one."},
    {"Season": "1", "Episode": "2", "Character": "Walt", "Line": "Forty cents."},
)

CURVES = {
    "seinfeld": [(5, 2.58), (10, 2.18), (20, 2.0), (30, 1.88), (40, 1.82), (50, 1.79)],
    "seinfeld-2": [(5, 2.42), (14, 2.21), (25, 2.06)],
}
"""Two runs as `scriptforge runs` charts them: training time in seconds, validation in bits per character."""
