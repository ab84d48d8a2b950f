"""What the service says of its limits: it only ever forbids."""

from __future__ import annotations

import pytest

from aiclient.middleware._credit import LONGEST_HOLD, Credit
from aiclient.middleware._window import Entry
from aiclient.response import RateLimitInfo


def taken(credit, tokens=0, now=0.0):
    entry = Entry(now, tokens)
    credit.take(entry)
    return entry


def told(remaining, reset=10.0, limit=None):
    return RateLimitInfo(limit_requests=limit, remaining_requests=remaining, reset_requests=reset)


def told_tokens(remaining, reset=10.0, limit=None):
    return RateLimitInfo(limit_tokens=limit, remaining_tokens=remaining, reset_tokens=reset)


def left(credit, now):
    """How many requests the service still lets through, up to 100."""
    count = 0
    while count < 100 and credit.fits(now, 0):
        taken(credit)
        count += 1
    return count


def test_nothing_heard_forbids_nothing():
    assert Credit().fits(0, 10**9) and Credit().due(5, 10**9) == 5


def test_no_more_is_sent_than_the_service_has_left_until_its_reset():
    credit = Credit()
    credit.hear(told(3), taken(credit), 0)
    assert (left(credit, 1), credit.due(1, 0)) == (3, 10)
    assert not credit.fits(9.99, 0) and credit.fits(10, 0)


def test_what_was_sent_since_is_not_in_what_the_service_counted():
    credit = Credit()
    first = taken(credit)
    taken(credit)
    credit.hear(told(3), first, 0)
    assert left(credit, 1) == 2


def test_the_answer_to_the_newest_request_is_believed_whichever_comes_last():
    credit = Credit()
    first, second = taken(credit), taken(credit)
    credit.hear(told(1), second, 0)
    credit.hear(told(50), first, 1)
    assert left(credit, 1) == 1


def test_a_newer_answer_replaces_an_older_one():
    credit = Credit()
    credit.hear(told(0), taken(credit), 0)
    credit.hear(told(5), taken(credit), 1)
    assert left(credit, 1) == 5


def test_after_the_reset_an_older_answer_is_news_again():
    credit = Credit()
    first = taken(credit)
    credit.hear(told(0, reset=2), taken(credit), 0)
    credit.hear(told(2), first, 3)
    assert left(credit, 3) == 1


def test_at_the_moment_of_the_reset_an_older_answer_is_news_again():
    credit = Credit()
    first = taken(credit)
    credit.hear(told(0, reset=2), taken(credit), 0)
    credit.hear(told(2), first, 2)
    assert left(credit, 2) == 1


def test_of_two_answers_to_one_request_the_later_is_believed():
    credit = Credit()
    entry = taken(credit)
    credit.hear(told(0), entry, 0)
    credit.hear(told(5), entry, 1)
    assert left(credit, 1) == 5


def test_as_long_as_one_request_is_left_nothing_is_waited_for():
    credit = Credit()
    credit.hear(told(1), taken(credit), 0)
    assert credit.due(1, 0) == 1
    taken(credit)
    assert credit.due(1, 0) == 10


def test_tokens_are_held_to_what_the_service_has_left():
    credit = Credit()
    credit.hear(told_tokens(100), taken(credit), 0)
    assert credit.fits(1, 100) and not credit.fits(1, 101)
    taken(credit, 60)
    assert not credit.fits(1, 41) and credit.due(1, 41) == 10 and credit.fits(1, 40)


def test_tokens_taken_since_are_not_in_what_the_service_counted():
    credit = Credit()
    first = taken(credit, 30)
    taken(credit, 60)
    credit.hear(told_tokens(100), first, 0)
    assert credit.fits(1, 40) and not credit.fits(1, 41)


def test_the_newest_answer_is_believed_about_tokens_too():
    credit = Credit()
    first, second = taken(credit), taken(credit)
    credit.hear(told_tokens(10), second, 0)
    credit.hear(told_tokens(500), first, 1)
    assert credit.fits(1, 10) and not credit.fits(1, 11)


def test_tokens_matter_until_the_service_counts_anew():
    credit = Credit()
    assert not credit.knows_tokens
    credit.hear(told_tokens(100), taken(credit), 0)
    assert credit.knows_tokens
    assert [credit.counts_tokens(moment) for moment in (0, 9.99, 10, 11)] == [True, True, False, False]


def test_tokens_that_were_given_back_were_not_taken_since():
    credit = Credit()
    first, second = taken(credit, 30), taken(credit, 60)
    credit.give_back(second, 50)
    credit.hear(told_tokens(100), first, 0)
    assert credit.fits(1, 90) and not credit.fits(1, 91)


def test_what_is_given_back_may_be_taken_again_if_it_was_taken_since():
    credit = Credit()
    before = taken(credit, 50)
    credit.hear(told_tokens(110), before, 0)
    credit.hear(told(3), before, 0)
    after = taken(credit, 100)
    credit.give_back(before, 50, 1)
    assert not credit.fits(1, 11)
    credit.give_back(after, 70, 1)
    assert credit.fits(1, 80) and not credit.fits(1, 81)
    assert left(credit, 1) == 3


def test_a_call_that_was_sent_gives_back_tokens_alone():
    credit = Credit()
    credit.hear(told(3), taken(credit), 0)
    credit.give_back(taken(credit, 50), 40)
    assert left(credit, 1) == 2


@pytest.mark.parametrize(
    "info",
    [
        told(0, limit=-1),
        told(-1),
        told(5, limit=4),
        told_tokens(5, limit=4),
        told(None),
        *(told(0, reset=reset) for reset in (0, -5, 3600.1, float("nan"), float("inf"), None)),
    ],
    ids=repr,
)
def test_what_no_sane_service_says_is_not_believed(info):
    credit = Credit()
    credit.hear(told(7), taken(credit), 0)
    credit.hear(info, taken(credit), 0)
    assert left(credit, 1) == 6 and not credit.knows_tokens


@pytest.mark.parametrize("reset", [0.5, 3600])
def test_a_reset_within_an_hour_is_believed(reset):
    credit = Credit()
    credit.hear(told(0, reset=reset), taken(credit), 0)
    assert credit.due(0, 0) == reset


def test_a_service_that_has_all_of_its_limit_left_is_believed():
    credit = Credit()
    credit.hear(told(4, limit=4), taken(credit), 0)
    assert left(credit, 1) == 4


@pytest.mark.parametrize("seconds", [0.5, LONGEST_HOLD])
def test_the_service_is_left_alone_as_long_as_it_asks(seconds):
    credit = Credit()
    credit.hold(seconds, 5)
    assert not credit.fits(4.99 + seconds, 0) and credit.due(5, 0) == 5 + seconds and credit.fits(5 + seconds, 0)


def test_a_shorter_wait_does_not_end_a_longer_one():
    credit = Credit()
    credit.hold(30, 0)
    credit.hold(1, 5)
    assert credit.due(6, 0) == 30


@pytest.mark.parametrize("seconds", [0, -1, LONGEST_HOLD + 0.1, float("inf"), float("nan")])
def test_a_wait_that_nobody_would_keep_is_ignored(seconds):
    credit = Credit()
    credit.hold(seconds, 0)
    assert credit.fits(0, 0)
