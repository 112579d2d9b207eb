"""What `generate` says and writes: seeds, primes, files, and saved states that go on."""

import json
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.command import COMMAND, SMALL, TrainedWorkspace, environment, scriptforge
from support.tiny import comedy

import scriptforge as library


def write(
    *words: str | Path, stage: TrainedWorkspace, code: int = 0, stdin: str | None = None
) -> tuple[str, str]:
    """Run `generate` on the run of the stage, and return what it prints and says."""
    done = scriptforge("generate", *words, workspace=stage.path, stdin=stdin)
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


def at_once(stage: TrainedWorkspace, *commands: Sequence[str]) -> list[tuple[int, str]]:
    """Run `generate` several times at once, and return each exit code and what was said."""
    processes = [
        subprocess.Popen(
            [*COMMAND, "generate", *words],
            cwd=stage.path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for words in commands
    ]
    said = [process.communicate()[1] for process in processes]
    return [(process.returncode, each) for process, each in zip(processes, said, strict=True)]


class TestSeeds:
    def test_another_page_each_time_which_can_be_had_again(self, stage: TrainedWorkspace) -> None:
        words = ("--prime", "bo: my aunt", "--lines", "4")
        page, said = write(*words, stage=stage)
        assert "Run play, the latest." in said
        (command,) = re.findall(r"^Seed \d+\. To write this again: .*scriptforge (.*)$", said, re.MULTILINE)
        assert command.startswith("generate play --prime 'bo: my aunt' --lines 4 --seed ")
        seed = command.split()[-1]
        again, said = write("play", *words, "--seed", seed, stage=stage)
        assert (again, said) == (page, "")
        other, _ = write(*words, stage=stage)
        assert other != page

    @pytest.mark.parametrize(
        "words", [("-o", "page.txt"), ("-n", "2", "-o", "pages"), ("-o", "x.fountain", "--force")]
    )
    def test_a_file_can_be_written_again(self, stage: TrainedWorkspace, words: tuple[str, ...]) -> None:
        before = set(stage.path.rglob("*"))
        _, said = write("--lines", "2", *words, stage=stage)
        pages = {
            file: file.read_bytes() for file in stage.path.rglob("*") if file not in before and file.is_file()
        }
        (command,) = re.findall(r"To write this again: .*scriptforge generate (.*)$", said, re.MULTILINE)
        assert command.count("--force") == 1
        write(*shlex.split(command), stage=stage)
        assert pages
        assert {file: file.read_bytes() for file in pages} == pages

    def test_json_has_the_seed_and_nothing_is_said(self, stage: TrainedWorkspace) -> None:
        first, said = write("--lines", "2", "-n", "2", "--json", stage=stage)
        assert said == ""
        seeds = [document["seed"] for document in json.loads(first)]
        assert seeds[1] == seeds[0] + 1
        again, _ = write("--lines", "2", "-n", "2", "--json", "--seed", str(seeds[0]), stage=stage)
        assert again == first

    def test_the_library_draws_anew_too(self, stage: TrainedWorkspace) -> None:
        first, second = (library.generate("play", lines=3, workspace=stage.path)[0] for _ in range(2))
        assert first.text != second.text
        (again,) = library.generate("play", lines=3, seed=first.seed, workspace=stage.path)
        assert again == first


class TestNames:
    @pytest.mark.parametrize(
        "words", [("--prime", "xelaine: hi"), ("--cast", "xelaine"), ("--next", "xelaine")]
    )
    def test_a_speaker_who_does_not_exist_is_an_error(
        self, stage: TrainedWorkspace, words: tuple[str, ...]
    ) -> None:
        _, said = write("play", *words, stage=stage, code=2)
        assert "There is no speaker named “xelaine”, and the model knows no such word" in said
        assert "ELAINE" in said


@pytest.fixture(scope="module")
def spelling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run that can spell any name."""
    path = tmp_path_factory.mktemp("spelling")
    (path / "harbour.txt").write_text(comedy(200), encoding="utf-8")
    training = ("--epochs", "0.5", "--name", "play", *SMALL, "--set=validations=1")
    for words in (("prepare", "harbour.txt", "--level", "char"), ("train", *training)):
        done = scriptforge(*words, "--json", workspace=path)
        assert done.returncode == 0, done.stderr
    return path


class TestPeopleOfOnesOwn:
    WORDS = ("generate", "play", "--seed", "1")
    STRANGE = "“{}” does not speak in the training text, so their lines sound like nobody in particular."

    def test_whoever_speaks_in_the_prime_may_be_named(self, spelling: Path) -> None:
        names = ("--prime", "MARA: a bell\nBoo: my hat", "--cast", "MARA,Boo,elaine", "--next", "mara")
        done = scriptforge(*self.WORDS, "--turns", "3", *names, workspace=spelling)
        assert done.returncode == 0, done.stderr
        assert [line.partition(":")[0].upper() for line in done.stdout.splitlines()] == [
            "MARA",
            "BOO",
            "MARA",
        ]
        said = done.stderr.splitlines()
        assert self.STRANGE.format("MARA") in said
        assert f"{self.STRANGE.format('Boo')} Did you mean Bo?" in said
        assert len(said) == 2

    def test_a_cast_may_be_named_one_by_one(self, spelling: Path) -> None:
        pages = {
            scriptforge(*self.WORDS, "--turns", "6", *cast, workspace=spelling).stdout
            for cast in (("--cast", "bo,elaine"), ("--cast", "bo", "--cast", "elaine"))
        }
        (page,) = pages
        assert {line.partition(":")[0].lower() for line in page.splitlines()} == {"bo", "elaine"}

    @pytest.mark.parametrize("words", [("--cast", "MARA,elaine"), ("--next", "MARA")])
    def test_others_must_be_introduced(self, spelling: Path, words: tuple[str, ...]) -> None:
        for prime in ((), ("--prime", "bo: a bell")):
            done = scriptforge(*self.WORDS, *prime, *words, workspace=spelling)
            assert done.returncode == 2
            assert "There is no speaker named “MARA”." in done.stderr
            assert '--prime "MARA: …"' in done.stderr

    def test_a_scene_goes_on_with_its_people(self, spelling: Path, tmp_path: Path) -> None:
        state = tmp_path / "state"
        scene = (*self.WORDS, "--prime", "MARA: a bell")
        at_once = scriptforge(*scene, "--lines", "8", workspace=spelling).stdout
        first = scriptforge(*scene, "--lines", "3", "--save-state", state, workspace=spelling).stdout
        words = ("generate", "play", "--continue", state)
        assert first + scriptforge(*words, "--lines", "5", workspace=spelling).stdout == at_once
        following = scriptforge(*words, "--turns", "1", "--next", "MARA", workspace=spelling)
        assert "MARA: " in following.stdout
        assert self.STRANGE.format("MARA") in following.stderr
        alone = scriptforge(*words, "--lines", "1", "--prime", "MARA", workspace=spelling)
        assert alone.stdout.startswith("MARA:")


@pytest.fixture(scope="module")
def hardly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run that has read a twentieth of its text, in which somebody is misspelled twice."""
    path = tmp_path_factory.mktemp("hardly")
    typed = "Elain: nobody ate a bell.\n\nElain: my aunt hid my hat.\n\n"
    (path / "harbour.txt").write_text(typed + comedy(400), encoding="utf-8")
    training = ("--epochs", "0.05", "--name", "new", *SMALL, "--set=validations=1")
    for words in (("prepare", "harbour.txt", "--level", "word"), ("train", *training)):
        done = scriptforge(*words, "--json", workspace=path)
        assert done.returncode == 0, done.stderr
    return path


class TestHardlyTrained:
    def test_a_name_that_is_probably_misspelled_is_questioned(self, hardly: Path) -> None:
        words = ("generate", "new", "--turns", "2", "--seed", "1", "--cast")
        done = scriptforge(*words, "Elain", workspace=hardly)
        assert done.returncode == 0
        assert "Did you mean ELAINE?" in done.stderr
        assert "Did you mean" not in scriptforge(*words, "elaine", workspace=hardly).stderr
        with pytest.warns(UserWarning) as told:
            library.generate("new", prime="Elain: a bell", lines=1, seed=1, workspace=hardly)
        assert any("Did you mean ELAINE?" in str(each.message) for each in told)

    def test_it_is_said_that_it_has_hardly_read_its_text(self, hardly: Path) -> None:
        done = scriptforge("generate", "new", "--lines", "3", "--seed", "1", workspace=hardly)
        assert re.search(r"Run new has read 0\.0\d epochs of its text", done.stderr)
        assert "train --resume new" in done.stderr


class TestFiles:
    @pytest.mark.parametrize(
        ("words", "hint"),
        [
            (("-o", "x.ps"), "-o x.pdf"),
            (("-o", "x.odt"), "-o x.docx"),
            (("--format", "pdf"), "-o page.pdf"),
            (("-n", "2", "-o", "x.fdx"), "-o x --format fdx"),
            (("-n", "2", "--format", "fdx"), "-o FOLDER"),
            (("--append",), "-o page.txt"),
            (("-o", "x.html", "--append"), "txt and fountain"),
        ],
    )
    def test_what_cannot_be_written_is_refused_at_once(
        self, stage: TrainedWorkspace, words: tuple[str, ...], hint: str
    ) -> None:
        page, said = write("play", *words, stage=stage, code=2)
        assert page == ""
        assert len(said.splitlines()) == 2
        assert hint in said
        assert not [path for path in stage.path.iterdir() if path.name.startswith("x")]

    @pytest.mark.parametrize("suffix", ["html", "txt", "fountain", "json"])
    def test_several_scripts_go_into_one_file_that_is_named_so(
        self, stage: TrainedWorkspace, tmp_path: Path, suffix: str
    ) -> None:
        file = tmp_path / f"two.{suffix}"
        _, said = write("play", "-n", "2", "--lines", "3", "--seed", "7", "-o", file, stage=stage)
        assert f"{file.name} (seeds 7 to 8)" in said
        text = file.read_text(encoding="utf-8")
        marks = {
            "html": '<article class="script">',
            "txt": "--- seed ",
            "fountain": "\n===\n",
            "json": '"title"',
        }
        assert text.count(marks[suffix]) == (1 if suffix == "fountain" else 2)
        if suffix == "json":
            assert len(json.loads(text)) == 2

    @pytest.mark.parametrize("words", [(), ("-n", "2"), ("--append",), ("--force", "--format", "fountain")])
    def test_stdout_can_be_named(self, stage: TrainedWorkspace, words: tuple[str, ...]) -> None:
        seven = ("play", "--lines", "2", "--seed", "7")
        page, _ = write(*seven, *(word for word in words if word != "--append"), stage=stage)
        named, said = write(*seven, *words, "-o", "/dev/stdout", stage=stage)
        assert named == page
        assert said.startswith("/dev/stdout (seed")

    def test_of_two_that_write_one_file_one_is_refused(self, stage: TrainedWorkspace) -> None:
        words = ("play", "--lines", "2", "-o", "new.txt")
        ended = at_once(stage, (*words, "--seed", "7"), (*words, "--seed", "8"))
        assert sorted(code for code, _ in ended) == [0, 2]
        (seed,) = [seed for seed, (code, _) in zip((7, 8), ended, strict=True) if not code]
        page, _ = write("play", "--lines", "2", "--seed", str(seed), stage=stage)
        assert (stage.path / "new.txt").read_text(encoding="utf-8") == page
        assert ["There is a file new.txt already." in said for _, said in ended].count(True) == 1

    def test_nothing_is_lost_of_what_two_write_at_the_end(self, stage: TrainedWorkspace) -> None:
        write("play", "--lines", "2", "--seed", "6", "-o", "page.txt", stage=stage)
        words = ("play", "--lines", "2", "-o", "page.txt", "--append", "--seed")
        assert [code for code, _ in at_once(stage, (*words, "7"), (*words, "8"))] == [0, 0]
        page = (stage.path / "page.txt").read_text(encoding="utf-8")
        for seed in ("6", "7", "8"):
            assert write("play", "--lines", "2", "--seed", seed, stage=stage)[0] in page
        assert not [path for path in stage.path.iterdir() if path.name.startswith(".")]

    def test_several_scripts_can_be_told_apart_on_stdout(self, stage: TrainedWorkspace) -> None:
        page, _ = write("play", "-n", "2", "--lines", "2", "--seed", "7", stage=stage)
        first, _ = write("play", "--lines", "2", "--seed", "7", stage=stage)
        second, _ = write("play", "--lines", "2", "--seed", "8", stage=stage)
        assert page == f"--- seed 7 ---\n{first}\n--- seed 8 ---\n{second}"


class TestStates:
    @pytest.fixture
    def state(self, stage: TrainedWorkspace, tmp_path: Path) -> Path:
        """Where a page of four lines ended."""
        file = tmp_path / "state.safetensors"
        words = ("--lines", "4", "--seed", "3", "--save-state", file, "-o", tmp_path / "page.txt")
        write("play", *words, stage=stage)
        return file

    @pytest.mark.parametrize("force", [(), ("--force",)])
    def test_only_another_state_is_replaced(
        self, stage: TrainedWorkspace, tmp_path: Path, state: Path, force: tuple[str, ...]
    ) -> None:
        before = state.read_bytes()
        write("play", "--continue", state, "--lines", "2", "--save-state", state, *force, stage=stage)
        assert state.read_bytes() != before
        (tmp_path / "notes.txt").write_text("mine")
        words = ("play", "--lines", "2", "--save-state", str(tmp_path / "notes.txt"), *force)
        page, said = write(*words, stage=stage, code=2)
        assert page == "" and "It is not a saved state" in said
        assert (tmp_path / "notes.txt").read_text() == "mine"

    def test_a_script_goes_on_in_its_file_as_if_written_at_once(
        self, stage: TrainedWorkspace, tmp_path: Path, state: Path
    ) -> None:
        page = tmp_path / "page.txt"
        _, said = write("play", "--continue", state, "--lines", "3", "-o", page, "--append", stage=stage)
        assert "To write this again" not in said
        at_once, _ = write("play", "--lines", "7", "--seed", "3", stage=stage)
        assert page.read_text(encoding="utf-8") == at_once
        write("play", "--lines", "1", "--seed", "9", "-o", page, "--append", stage=stage)
        assert "\n\n--- seed 9 ---\n" in page.read_text(encoding="utf-8")

    def test_there_are_several_ways_to_go_on(self, stage: TrainedWorkspace, state: Path) -> None:
        words = ("play", "--continue", state, "--lines", "2", "--json")
        several = json.loads(write(*words, "-n", "3", "--seed", "7", stage=stage)[0])
        assert [document["seed"] for document in several] == [7, 8, 9]
        assert len({document["text"] for document in several}) == 3
        assert json.loads(write(*words, "--seed", "8", stage=stage)[0]) == several[1]
        exact = json.loads(write(*words, stage=stage)[0])
        assert exact["seed"] == 3
        assert exact["text"] not in {document["text"] for document in several}

    def test_a_state_is_cut_back(self, stage: TrainedWorkspace, state: Path) -> None:
        words = ("play", "--continue", state, "--lines", "2")
        page, said = write(*words, "--back", "2", stage=stage)
        assert page
        assert re.search(r"^Seed \d+\. To write this again: .*--back 2 --seed \d+$", said, re.MULTILINE)
        _, said = write(*words, "--back", "4", stage=stage, code=2)
        assert "has 4 lines" in said
        _, said = write("play", "--back", "1", stage=stage, code=2)
        assert "--continue FILE" in said

    def test_the_library_can_do_all_that(self, stage: TrainedWorkspace, tmp_path: Path, state: Path) -> None:
        model = library.load("play", workspace=stage.path)
        (exact,) = library.generate(model, lines=2, continue_from=state)
        assert exact.continues and exact.seed == 3
        page = tmp_path / "page.txt"
        before = page.read_text(encoding="utf-8")
        assert library.save([exact], page, append=True) == [page]
        assert page.read_text(encoding="utf-8") == before + exact.text
        later = tmp_path / "later.safetensors"
        several = library.generate(model, lines=2, continue_from=state, back=1, count=3, seed=5)
        assert [text.seed for text in several] == [5, 6, 7]
        "".join(library.stream(model, lines=1, continue_from=str(state), save_state=later))
        assert later.is_file()
        with pytest.raises(library.UsageError, match="already"):
            library.save(several, page)
        files = library.save(several, tmp_path / "ways", name="way")
        assert [file.name for file in files] == ["way-seed-5.txt", "way-seed-6.txt", "way-seed-7.txt"]
