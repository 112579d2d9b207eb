import pytest

from scriptforge.screenplay.time_stamps import (
    has_date_or_half_day,
    is_stamp,
    stamp_before,
    without_stamp_behind,
)


@pytest.mark.parametrize(
    "stamp",
    [
        "12/03/2021, 09:14", "3/12/21, 9:14\u202fAM", "[3/12/21, 9:14:05\u202fPM]", "12.03.21, 09:14",
        "12/03/2021 à 09:14", "12/3/21, 9:14 a.\xa0m.", "2021년 3월 12일 오전 9:14", "2021. 3. 12. 오후 9:14",
        "12.3.2021 klo 9.14", "2021/3/12 上午9:14", "12-Mar-21 09:14 AM", "Mar 12 09:14:05",
        "2021-03-12T09:14:05Z",
        "Today at 9:14 AM", "Fri, 12 Mar 2021 09:14:05", "12 de marzo de 2021 a las 09:14",
    ],
)  # fmt: skip
def test_dates_with_times_of_many_places(stamp: str) -> None:
    found = stamp_before(f"{stamp} - Ida: tea")
    assert found is not None and found.is_dated
    assert f"{stamp} - Ida: tea"[found.end :] == "Ida: tea"
    assert is_stamp(stamp) and has_date_or_half_day(stamp)


@pytest.mark.parametrize(
    "stamp", ["0:05", "[00:01:05]", "(00:05)", "00:00:01,500 --> 00:00:02,000", "<09:14>"]
)
def test_times_without_a_date(stamp: str) -> None:
    found = stamp_before(f"{stamp} tea")
    assert found is not None and not found.is_dated
    assert is_stamp(stamp)


@pytest.mark.parametrize(
    "line", ["9: 15", "at 9:15", "1:100", "9:15pmx", "2021-03-12", "Matthew 5:12", "9:15th", ""]
)
def test_what_is_no_stamp(line: str) -> None:
    assert stamp_before(line) is None


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Ida Holm  0:05", "Ida Holm"),
        ("Ida Holm (00:00:01)", "Ida Holm"),
        ("Ida — Today at 9:14 AM", "Ida"),
        ("Ida, [12.03.2021 09:14]", "Ida"),
        ("Ida 12/03/2021 09:14", "Ida"),
        ("Room 101", "Room 101"),
    ],
)
def test_a_stamp_behind_a_name(header: str, name: str) -> None:
    assert without_stamp_behind(header) == name
