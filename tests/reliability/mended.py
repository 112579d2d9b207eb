"""The faults that were found and mended, each with the tests that failed before.

A test is named as pytest names it, without its parameters. The first eighteen are those of the first attack,
in the order of its report.
"""

from typing import NamedTuple

_FINDING, _NAMES = (f"tests/workspace/test_workspace.py::Test{name}" for name in ("Finding", "Names"))
_WRITING = "tests/workspace/test_files.py::TestAtomicWriting"
_CORPORA = "tests/reliability/test_corpora.py"
_OUTPUTS = "tests/reliability/test_outputs.py"
_BOUNDARY = "tests/cli/test_errors_boundary.py"
_PRINTED = "tests/cli/test_output.py"
_ROOM = "tests/serve/test_connections.py"
_DRAFTS = "tests/serve/test_drafts.py"
_GUARD = "tests/serve/test_guard.py"
_STUDIES = "tests/tuning/test_search.py"
_FETCH = "tests/corpus/test_fetch.py"
_HARM = "tests/documents/test_harm.py"
_NAMED = "tests/workspace/test_outputs.py::Test"
_LOCKS = "tests/workspace/test_locks.py::Test"
_GENERATE = "tests/end_to_end/test_generate_command.py::Test"
_STORED = "tests/serve/test_storage.py"
_BOUNDS = "tests/screenplay/test_bounds.py"
_CHATS = "tests/corpus/test_chats.py"
_LLM = "tests/test_llm_plugin.py"
_PULL = "tests/hub/test_push_and_pull.py"
_PRIVATE = "tests/serve/test_private_folder.py"
_STATES = "tests/generation/test_hostile_states.py"
_SHOWN = "tests/cli/test_page_server.py"


class Fault(NamedTuple):
    """What was wrong, and the tests that failed before it was mended."""

    what: str
    tests: tuple[str, ...]


FAULTS = (
    Fault(
        "a moment without the dataset in `prepare --force`",
        (f"{_FINDING}::test_the_next_command_removes_what_a_kill_left_and_brings_back_what_it_displaced",),
    ),
    Fault(
        "a full disk in the words of a library is not explained",
        ("tests/test_errors.py::test_a_disk_is_explained_whoever_speaks_of_it",),
    ),
    Fault(
        "the precision of a training of so many epochs depends on the load, and is not said",
        (
            "tests/training/test_settings.py::test_what_so_many_epochs_train_does_not_depend_on_the_load",
            "tests/training/test_settings.py::test_what_was_measured_for_so_many_minutes_is_said_and_recorded",
        ),
    ),
    Fault(
        "a damaged run breaks commands on all others, and a nested manifest is not skipped",
        (
            f"{_FINDING}::test_a_damaged_description_comes_last",
            "tests/training/test_checkpoint.py::test_a_damaged_checkpoint_is_skipped",
        ),
    ),
    Fault(
        "`inspect` takes minutes for thousands of names that are alike, and gigabytes for one long name",
        (
            "tests/corpus/test_inspection.py::TestFindings::"
            "test_names_that_are_all_one_letter_apart_are_compared_with_few",
            f"{_CORPORA}::test_a_cue_longer_than_any_is_cut",
        ),
    ),
    Fault(
        "a validation loss of 0 divides by zero",
        ("tests/training/test_events.py::test_what_the_curves_say",),
    ),
    Fault(
        "two `prepare` of one name both succeed",
        ("tests/corpus/test_prepare.py::test_of_two_that_prepare_one_name_one_is_told",),
    ),
    Fault(
        "`train --force` deletes the good model first",
        (
            "tests/training/test_trainer.py::TestReplacing::test_the_model_stays_until_the_new_one_has_weights",
        ),
    ),
    Fault(
        "a killed `prepare` leaves its folders for ever",
        (f"{_WRITING}::test_a_kill_leaves_the_old_and_something_to_remove",),
    ),
    Fault(
        "signals during imports become other errors, or are lost",
        (
            f"{_BOUNDARY}::test_a_signal_that_comes_during_an_import_waits_for_its_end",
            f"{_BOUNDARY}::test_no_signal_is_lost",
        ),
    ),
    Fault(
        "closed and full streams, homes that cannot be written, circles of links, names not in UTF-8",
        ("tests/reliability/test_inputs.py::test_odd_environments",),
    ),
    Fault(
        "`--json` lets through what steers a terminal",
        (f"{_PRINTED}::test_json_has_nothing_in_it_that_steers_a_terminal",),
    ),
    Fault(
        "damaged ids, rows and tensors are not named",
        (
            "tests/test_dataset.py::test_damaged_ids",
            "tests/test_dataset.py::test_damaged_rows",
            "tests/training/test_checkpoint.py::"
            "test_a_checkpoint_whose_manifest_agrees_is_refused_for_what_it_holds",
        ),
    ),
    Fault(
        "`--resume --epochs N` forgets N",
        ("tests/training/test_checkpoint.py::TestMore::test_broken_off_before_its_first_step",),
    ),
    Fault(
        "of two unnamed training runs one fails",
        (f"{_NAMES}::test_two_trainings_without_a_name_have_two",),
    ),
    Fault(
        "XML on one line gets line breaks, or is called damaged",
        ("tests/corpus/test_files.py::test_xml_on_one_line_is_read_as_it_stands",),
    ),
    Fault(
        "the umask is ignored",
        (f"{_WRITING}::test_the_umask_says_who_may_read_what_is_written",),
    ),
    Fault(
        "parents of new folders are not synced; a file that changed has the wrong hash; links are followed",
        (
            f"{_WRITING}::test_new_folders_are_on_the_disk_in_their_parents",
            f"{_FETCH}::test_a_file_that_changes_after_its_hash_was_taken_is_refused",
            f"{_FETCH}::test_links_lead_nowhere_out_of_a_folder",
        ),
    ),
    Fault(
        "a client that reads nothing, or sends what nobody waits for, keeps its connection for ever",
        (
            f"{_ROOM}::test_a_client_that_does_not_read_is_cut_off",
            f"{_ROOM}::test_the_body_of_a_request_that_is_refused_is_not_waited_for",
        ),
    ),
    Fault(
        "bodies that are only promised, to files of the page even without the token, keep all others out",
        (
            f"{_GUARD}::test_bodies_that_are_promised_keep_nobody_out",
            f"{_GUARD}::test_the_files_of_the_page_take_no_body",
        ),
    ),
    Fault(
        "Ctrl+C while a page is open prints a traceback",
        (f"{_ROOM}::test_the_end_is_told_to_those_who_wait_and_is_no_error",),
    ),
    Fault(
        "more clients than files print a traceback for each",
        (f"{_ROOM}::test_more_clients_than_there_can_be_files_are_no_error",),
    ),
    Fault(
        "a tab that went before it had read anything counts as one that listens, for ever",
        (f"{_ROOM}::test_a_client_that_goes_before_it_has_read_is_no_listener",),
    ),
    Fault(
        "NaN in the settings of a draft makes the draft unreadable",
        (f"{_DRAFTS}::test_settings_are_numbers_that_every_page_can_read",),
    ),
    Fault(
        "a damaged database of drafts is searched without end, or answered with errors of no name",
        (
            f"{_DRAFTS}::TestDamage::test_pages_that_lead_back_to_others_end",
            f"{_DRAFTS}::TestDamage::test_rows_that_the_room_has_not_written_are_made_such",
        ),
    ),
    Fault(
        "a damaged secret ends the server, or lets nobody in",
        (f"{_GUARD}::test_a_damaged_secret_is_made_anew",),
    ),
    Fault(
        "damage in the notes of a study is not named",
        ("tests/tuning/test_storage.py::test_a_damaged_study_is_named",),
    ),
    Fault(
        "the work of many edits in one change grows with the square of their number",
        (f"{_DRAFTS}::test_many_edits_at_once_come_to_the_same_as_one_by_one",),
    ),
    Fault(
        "who is behind is told all changes, however large they are",
        (f"{_DRAFTS}::test_who_is_far_behind_is_told_to_load_the_draft_again",),
    ),
    Fault(
        "`1.txt` and `01.txt`, or `A.txt` and `a.txt`, are read in the order of the disk",
        (f"{_FETCH}::test_names_that_count_alike_have_one_order",),
    ),
    Fault(
        "after the clock was set back, an older run, dataset or draft is the latest",
        (
            f"{_FINDING}::test_what_is_made_last_is_the_latest_though_the_clock_was_set_back",
            f"{_DRAFTS}::test_the_draft_that_was_changed_last_is_the_first_though_the_clock_was_set_back",
        ),
    ),
    Fault(
        "a study waits for a dead trial as long as the clock has been set back",
        (f"{_STUDIES}::TestGoingOn::test_a_trial_whose_process_died_before_the_clock_was_set_back",),
    ),
    Fault(
        "the seconds of a trial are those of the clock on the wall",
        (f"{_STUDIES}::TestGoingOn::test_the_seconds_of_a_trial_are_those_of_its_training",),
    ),
    Fault(
        "a study below a path with a question mark is kept elsewhere",
        (f"{_STUDIES}::TestGoingOn::test_a_study_may_lie_anywhere",),
    ),
    Fault(
        "names in decomposed letters and in Hindi are refused, or lose their marks",
        (
            "tests/corpus/test_sources.py::"
            "test_a_dataset_is_called_as_its_file_is_however_letters_are_composed",
            f"{_FINDING}::test_a_name_is_found_however_its_letters_are_composed",
        ),
    ),
    Fault(
        "the same script makes another Word document each time",
        ("tests/documents/test_word.py::test_what_is_written_has_no_date",),
    ),
    Fault(
        "`--json` is in the encoding of the locale, and a name that it lacks is not explained",
        (
            f"{_BOUNDARY}::test_a_name_that_the_system_cannot_encode_is_explained",
            f"{_BOUNDARY}::test_json_can_be_read_whatever_the_terminal_can_encode",
        ),
    ),
    Fault(
        "a printed command has names unquoted, loses control characters, and has `~` inside quotes",
        (
            "tests/cli/test_printed_commands.py::test_a_shell_reads_any_word_as_it_was",
            "tests/cli/test_printed_commands.py::test_a_path_in_the_home_folder_is_found_again",
            f"{_OUTPUTS}::test_printed_commands_are_only_themselves",
        ),
    ),
    Fault(
        "headings, and the live view of a training run, let through what steers a terminal",
        (
            f"{_PRINTED}::test_headings_of_sections_are_made_safe",
            f"{_OUTPUTS}::test_nothing_in_a_workspace_steers_a_terminal",
        ),
    ),
    Fault(
        "a line break in a foreign name begins a line that looks like ours",
        (f"{_PRINTED}::test_a_foreign_line_break_begins_no_line_of_ours",),
    ),
    Fault(
        "the home is shown behind a link, by `corpora`, in what the program is called by; other tokens",
        (
            f"{_PRINTED}::test_redact_hides_a_token_of_any_form",
            f"{_PRINTED}::test_redact_hides_where_the_home_really_is",
            f"{_PRINTED}::test_what_the_program_is_called_by_is_redacted",
            "tests/cli/test_corpora_command.py::test_the_home_of_whoever_asks_is_not_shown",
        ),
    ),
    Fault(
        "a name in `curves.svg` is read as TeX, and control characters make pictures no XML",
        (
            "tests/tracking/test_curves.py::test_a_name_is_only_ever_text",
            f"{_OUTPUTS}::test_in_files_foreign_text_is_text",
        ),
    ),
    Fault(
        "a stranger's config brings HTML, links and control characters into cards",
        ("tests/hub/test_push_and_pull.py::test_the_card_of_a_strangers_model_holds_nothing_that_acts",),
    ),
    Fault(
        "a title with invisible letters cannot be printed as a PDF",
        ("tests/documents/test_pdf.py::test_what_a_title_does_not_print_needs_no_font",),
    ),
    Fault(
        "files are named as the devices of Windows",
        ("tests/corpus/test_convert.py::test_no_file_has_the_name_of_a_device",),
    ),
    Fault(
        "a shell is offered names that it reads otherwise",
        ("tests/cli/test_help_and_completion.py::test_names_that_would_act_in_a_shell_are_not_offered",),
    ),
    Fault(
        "lines of white space, and pages of comments, take minutes: each split of a run is tried",
        (
            f"{_CORPORA}::test_what_follows_a_long_line_of_white_space_is_read",
            f"{_CORPORA}::test_adversarial_lines",
        ),
    ),
    Fault("captions lose the hyphens inside words", (f"{_CORPORA}::test_a_hyphen_within_a_caption_stays",)),
    Fault(
        "damage inside a document of Word or a parquet file is not explained",
        (f"{_CORPORA}::test_what_is_damaged_or_hostile_is_named",),
    ),
    Fault(
        "indents of a mile, tables of 60,000 columns and parquet of a billion rows fill the memory",
        (
            f"{_CORPORA}::test_what_is_damaged_or_hostile_is_named",
            f"{_CORPORA}::test_an_indent_of_a_mile_is_one_of_a_page",
        ),
    ),
    Fault(
        "a page that declares an encoding its parser does not know is not explained",
        (f"{_CORPORA}::test_a_page_may_declare_what_its_parser_does_not_know",),
    ),
    Fault(
        "an indent of millions of columns fills the memory, comments before a text take for ever",
        (
            f"{_HARM}::test_what_stands_far_away_widens_no_line",
            f"{_HARM}::test_many_comments_before_what_is_no_page_are_a_text",
        ),
    ),
    Fault(
        "a Word document with an alignment or a style that python-docx does not know is unexpected",
        (
            f"{_HARM}::test_a_layout_that_word_does_not_know_is_none",
            f"{_HARM}::test_what_word_would_not_open_is_damaged",
        ),
    ),
    Fault(
        "so are saved states with numbers that NumPy does not know, or ids that are no text",
        (
            "tests/generation/test_decoding_state.py::test_numbers_that_numpy_does_not_know_are_damage",
            "tests/generation/test_decoding_state.py::test_ids_that_are_no_text_are_damage",
        ),
    ),
    Fault(
        "so is a damaged `hub.json` of the run that training starts from",
        ("tests/training/test_transfer.py::test_a_damaged_record_of_a_pull_is_none",),
    ),
    Fault(
        "so are drafts whose format SQLite does not know, and chats that fuzzing found",
        ("tests/fuzzing/test_found.py::test_what_was_found_is_read_rightly",),
    ),
    Fault(
        "of two commands that write one file, both say that they did it, or the text of one is lost",
        (
            f"{_NAMED}TwoAtOnce::test_one_is_refused",
            f"{_NAMED}TwoAtOnce::test_what_was_put_into_a_folder_meanwhile_stays",
            f"{_GENERATE}Files::test_of_two_that_write_one_file_one_is_refused",
            f"{_GENERATE}Files::test_nothing_is_lost_of_what_two_write_at_the_end",
        ),
    ),
    Fault(
        "what is written replaces a link, a pipe or a stream that was named, or a file that is no state",
        (
            f"{_NAMED}WhatIsNoFile::test_a_link_stays_and_its_file_is_written",
            f"{_NAMED}WhatIsNoFile::test_a_pipe_is_written_into",
            f"{_NAMED}WhatIsNoFile::test_stdout_is_written_wherever_it_leads",
            f"{_GENERATE}States::test_only_another_state_is_replaced",
        ),
    ),
    Fault(
        "on a disk without locks, what a living process makes is cleared away, and what a kill left stays",
        (
            f"{_LOCKS}WithoutLocks::test_a_living_process_holds_its_lock",
            f"{_LOCKS}WithoutLocks::test_what_a_kill_left_is_removed",
            f"{_LOCKS}WithoutLocks::test_of_another_machine_nothing_is_known",
        ),
    ),
    Fault(
        "one damaged `config.json` or `metrics.jsonl` ends `runs` for all others",
        (
            "tests/cli/test_runs_command.py::test_one_damaged_config_breaks_nothing_and_is_one_line",
            "tests/cli/test_runs_command.py::test_damaged_metrics_are_one_line",
        ),
    ),
    Fault(
        "a card in TOML that no parser endures breaks every command that lists cards",
        (
            "tests/corpus/test_cards.py::test_a_card_that_no_parser_endures_leaves_the_others_usable",
            "tests/corpus/test_cards.py::test_a_mistake_is_found_in_a_card_with_lines_of_any_length",
            "tests/test_structure.py::test_json_and_toml_from_elsewhere_are_parsed_in_one_place",
        ),
    ),
    Fault(
        "a long name, of an agent, a user or an author, stands for each of thousands of references to it",
        (
            "tests/screenplay/test_ttml.py::test_names_and_lists_of_agents_are_cut",
            "tests/screenplay/test_chat_export.py::"
            "test_the_name_of_a_person_is_cut_before_it_stands_for_each_mention",
            "tests/documents/test_web_page.py::test_the_name_of_an_author_is_cut",
        ),
    ),
    Fault(
        "small documents become millions of paragraphs or lines; nothing bounds the directory of an archive",
        (
            f"{_HARM}::test_word_has_no_more_paragraphs_than_can_be_looked_at",
            "tests/documents/test_chat_archive.py::"
            "test_what_is_broken_or_hostile_is_refused_in_one_line_and_the_rest_of_a_folder_kept",
            f"{_CORPORA}::test_small_bombs",
        ),
    ),
    Fault(
        "blank lines in messages, captions and comments are held without end, and take as long as text",
        (
            f"{_BOUNDS}::test_a_message_ends_though_only_blank_lines_follow",
            f"{_BOUNDS}::test_a_comment_of_blank_lines_that_never_ends_is_text",
            f"{_BOUNDS}::test_blank_lines_below_a_caption_are_not_held",
            "tests/corpus/test_files.py::test_of_a_million_blank_lines_few_are_given",
        ),
    ),
    Fault(
        "Slack's `users.json` is read beside and above the folder that was given, and through links",
        (
            f"{_CHATS}::test_names_come_from_the_folder_that_was_given_and_from_none_above",
            f"{_CHATS}::test_names_come_from_no_link",
            "tests/serve/test_files.py::test_an_import_reads_no_file_beside_its_own",
        ),
    ),
    Fault(
        "a damaged index of an address ends every command that reads it",
        ("tests/corpus/test_download.py::test_an_index_that_is_damaged_is_written_anew",),
    ),
    Fault(
        "`--encoding` takes codecs that are not for texts, and a prime on standard input only UTF-8",
        (
            "tests/corpus/test_decoding.py::test_a_codec_that_is_none_of_texts_is_refused_in_two_lines",
            "tests/end_to_end/test_piped_prime.py::test_a_pipe_is_read_in_whatever_encoding_it_is",
        ),
    ),
    Fault(
        "one signal does not end a download that training starts from, nor a search that waits or tokenises",
        (
            "tests/end_to_end/test_hub_commands.py::"
            "test_one_signal_ends_a_training_that_downloads_what_it_starts_from",
            "tests/end_to_end/test_tune_command.py::"
            "test_one_interrupt_is_enough_while_it_waits_for_another_process",
            "tests/tuning/test_stopping.py::test_while_text_is_tokenised",
        ),
    ),
    Fault(
        "a best loss of exactly 0 ends `tune` after hours of search",
        ("tests/end_to_end/test_tune_command.py::test_a_loss_of_exactly_zero_is_shown",),
    ),
    Fault(
        "in `llm`, names and texts steer the terminal, errors show the home, folders of others are cleared",
        (
            f"{_LLM}::test_the_names_of_runs_are_safe_to_list_and_can_be_typed",
            f"{_LLM}::test_errors_are_safe_and_say_nothing_private",
            f"{_LLM}::test_a_text_cannot_steer_the_terminal",
            f"{_LLM}::test_a_folder_that_is_none_of_ours_stays_as_it_is",
        ),
    ),
    Fault(
        "a draft in the browser with 51 to 199 changes since it was stored never opens again",
        (f"{_STORED}::test_a_draft_opens_again_after_however_many_changes",),
    ),
    Fault(
        "where the browser's storage is full or blocked, the page neither starts nor saves",
        (
            f"{_STORED}::test_a_draft_opens_where_the_storage_is_full_and_is_saved_when_it_is_not",
            f"{_STORED}::test_where_storage_is_blocked_a_script_is_written_and_exported",
        ),
    ),
    Fault(
        "of what several closed tabs left unsent, changes to one line are lost",
        (f"{_STORED}::test_what_closed_tabs_left_unsent_is_all_there",),
    ),
    Fault(
        "a kill or a full disk during the recovery of drafts loses changes",
        (
            f"{_DRAFTS}::TestDamage::test_a_recovery_that_is_killed_loses_no_change",
            f"{_DRAFTS}::TestDamage::test_a_full_disk_is_said_and_they_are_recovered_once_there_is_room",
        ),
    ),
    Fault(
        "a library that panics ends the thread that writes, and who asked waits for ever",
        (
            "tests/serve/test_writing_together.py::"
            "test_after_panics_in_all_threads_there_is_an_answer_and_the_room_writes_on",
        ),
    ),
    Fault(
        "three imports of large files fill the room's memory and keep all others out",
        (
            "tests/serve/test_files.py::test_of_a_file_with_too_many_elements_the_rest_is_not_read",
            "tests/serve/test_files.py::"
            "test_files_that_wait_to_be_read_are_not_in_memory_and_not_without_number",
        ),
    ),
    Fault(
        "a browser that hangs up on `page --show` prints a traceback",
        ("tests/hub/test_page_command.py::test_a_browser_that_hangs_up_is_no_error",),
    ),
    Fault(
        "the same saved state is another file each time",
        ("tests/generation/test_decoding_state.py::test_the_same_state_is_the_same_file",),
    ),
    Fault(
        "a push that waited two minutes for an answer says that it waited twenty seconds",
        (
            "tests/hub/test_faults.py::"
            "test_of_a_hub_that_is_silent_when_it_is_sent_something_no_wrong_seconds_are_said",
        ),
    ),
    Fault(
        "a quotation mark at a wrong place in a table with NUL characters is not explained",
        ("tests/fuzzing/test_found.py::test_what_was_found_is_read_rightly",),
    ),
    Fault(
        "a worker of a cluster ends in a traceback when Dask's profiler looks at it at the wrong moment",
        ("tests/vocabulary/test_encoding.py::test_it_can_be_watched_by_a_profiler_that_keeps_frames",),
    ),
    Fault(
        "what could not be removed at the end of writing is never removed",
        (f"{_WRITING}::test_what_cannot_be_removed_is_removed_the_next_time",),
    ),
    Fault(
        "what a kill left beside a file in the workspace itself stays until that file is written again",
        (f"{_FINDING}::test_the_next_command_removes_what_a_kill_left_and_brings_back_what_it_displaced",),
    ),
    Fault(
        "a PDF of 2 KB fills the memory and aborts the process, a room included",
        (f"{_HARM}::test_a_pdf_that_fills_the_memory_leaves_the_process_alone",),
    ),
    Fault(
        "a PDF of 300 KB, whose pages are one, takes minutes",
        (f"{_HARM}::test_a_pdf_has_no_more_letters_than_its_bytes_can_stand_for",),
    ),
    Fault(
        "attributes that a grammar declares are copied into every element: 180 KB of XML take a gigabyte",
        (
            "tests/screenplay/test_xml_stream.py::test_attributes_that_a_grammar_declares_are_left_off",
            "tests/screenplay/test_xml_stream.py::test_many_defaults_of_attributes_are_refused",
        ),
    ),
    Fault(
        "millions of empty paragraphs of RTF take a minute and a gigabyte",
        (f"{_HARM}::test_rich_text_has_no_more_paragraphs_than_can_be_looked_at",),
    ),
    Fault(
        "paragraphs, messages and links on a page are read once for each block around them",
        (
            f"{_HARM}::test_a_paragraph_on_a_page_is_not_read_once_for_each_around_it",
            f"{_HARM}::test_a_message_on_a_page_is_not_read_once_for_each_around_it",
            f"{_HARM}::test_links_are_not_counted_once_for_each_block_around_them",
        ),
    ),
    Fault(
        "a name of 2 MB in a stranger's config takes half a minute at every `generate`",
        ("tests/generation/test_known_names.py::test_a_name_as_long_as_a_book_takes_no_time",),
    ),
    Fault(
        "Ctrl+C at a rare moment while the writing room starts lets it wait for ever",
        (f"{_ROOM}::test_ctrl_c_ends_the_room_between_two_steps_of_the_event_loop_too",),
    ),
    Fault(
        "a command that has read a dataset aborts at its end, after all is done, on a machine that is busy",
        ("tests/test_script_rows.py::test_no_pool_of_threads_is_left_behind",),
    ),
    Fault(
        "Ctrl+C while the writing room imports its libraries lets it wait for ever, at a rare moment, too",
        (f"{_ROOM}::test_ctrl_c_ends_the_room_between_two_steps_of_the_event_loop_too",),
    ),
    Fault(
        "60 KB of an OpenDocument text, and the like, unpack to a paragraph that takes 600 MB to read",
        (
            f"{_HARM}::test_no_more_is_unpacked_than_a_script_needs",
            f"{_HARM}::test_no_paragraph_is_longer_than_a_book",
            f"{_HARM}::test_no_line_is_longer_than_a_book",
        ),
    ),
    Fault(
        "a pull deletes what the user keeps in the folder of a pulled run",
        (
            f"{_PULL}::test_what_is_kept_beside_a_pulled_model_stays",
            f"{_PULL}::test_a_file_of_ones_own_is_not_replaced_by_one_that_is_new_on_the_hub",
        ),
    ),
    Fault(
        "a pull replaces a folder, file or link that no pull has made",
        (f"{_PULL}::test_what_no_pull_has_made_is_never_replaced",),
    ),
    Fault(
        "an ETag that cannot be part of a file's name is not explained",
        ("tests/hub/test_faults.py::test_an_etag_that_cannot_be_part_of_a_file_name_is_said",),
    ),
    Fault(
        "links in a stranger's room let `serve` and `drafts` write outside of it",
        (
            f"{_PRIVATE}::test_links_are_refused_and_what_they_lead_to_stays",
            f"{_PRIVATE}::test_drafts_behind_a_link_are_not_opened",
        ),
    ),
    Fault(
        "a token that is a folder, a pipe or a dangling link, or a room that is a file, is not named",
        (
            f"{_PRIVATE}::test_what_is_no_secret_is_named",
            f"{_PRIVATE}::test_a_room_that_is_a_file_is_named",
        ),
    ),
    Fault(
        "drafts can be read by every user of the machine",
        (
            f"{_PRIVATE}::test_nobody_else_can_read_what_is_in_the_room",
            f"{_PRIVATE}::test_recovered_drafts_are_private_too",
        ),
    ),
    Fault(
        "a secret that others know is kept",
        (f"{_PRIVATE}::test_a_secret_that_others_may_know_is_made_anew",),
    ),
    Fault(
        "`page --show` answers any host",
        (
            "tests/hub/test_page_command.py::test_a_page_that_is_shown_is_not_for_other_sites",
            f"{_SHOWN}::test_only_a_page_of_its_own_address_is_answered",
        ),
    ),
    Fault(
        "`page --show` follows links, lists its folder and keeps half a request for ever",
        (
            f"{_SHOWN}::test_nothing_else_is_sent",
            f"{_SHOWN}::test_a_folder_without_a_page_is_not_listed",
            f"{_SHOWN}::test_half_a_request_is_not_waited_for",
        ),
    ),
    Fault(
        "the JSON of a draft keeps control characters in its title",
        ("tests/serve/test_files.py::test_no_file_has_a_control_of_a_title_or_a_text",),
    ),
    Fault(
        "a saved state of several candidates that differ, or wait, writes outside of the kernel's arrays",
        (
            f"{_STATES}::test_numbers_that_no_text_leads_to_are_refused",
            "tests/generation/test_repetition.py::test_a_text_that_has_waited_longer_than_anything_is_kept_is_not_copied",
        ),
    ),
    Fault(
        "a saved state whose random numbers are at no place reads foreign memory",
        (f"{_STATES}::test_numbers_that_no_text_leads_to_are_refused",),
    ),
    Fault(
        "a saved state with a speaker below zero reads and writes outside of the kernel's arrays",
        (
            f"{_STATES}::test_numbers_that_no_text_leads_to_are_refused",
            "tests/kernel/test_scores.py::test_nobody_beyond_the_speakers_goes_on",
        ),
    ),
    Fault(
        "other numbers of a saved state end in a traceback",
        (
            f"{_STATES}::test_numbers_that_no_text_leads_to_are_refused",
            f"{_STATES}::test_no_number_crashes_what_continues_a_text",
        ),
    ),
    Fault(
        "a model of half a megabyte that names thousands of sources or speakers fills the memory",
        ("tests/generation/test_many_speakers.py::test_a_large_cast_takes_little_memory",),
    ),
    Fault(
        "a page of such a model, and what it is exported to, fill the memory",
        ("tests/generation/test_many_speakers.py::test_a_grammar_too_large_to_be_written_out_is_refused",),
    ),
    Fault(
        "a pipe in the place of a file of a run, dataset, checkpoint, card or saved state is waited for",
        (
            "tests/test_run.py::test_a_pipe_in_the_place_of_a_file_is_not_waited_for",
            "tests/test_dataset.py::test_a_pipe_in_the_place_of_a_file_is_not_waited_for",
            "tests/generation/test_decoding_state.py::test_a_damaged_file_is_refused",
        ),
    ),
)
"""In the order of their numbers, which begin with 1."""
