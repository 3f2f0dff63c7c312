"""Who may write to a run: the newest group of workers of the newest lease."""

import pytest

from pretrain.attempt import Attempt, claim_attempt
from pretrain.errors import FencedError
from shards import lease, storage
from shards.lease import Holder


def lead(url: str) -> int:
    """A driver takes the run over."""
    taken = lease.take(url, lease.newest(url), Holder.this_process(30))
    assert taken is not None
    return taken.number


def test_attempts_are_numbered_once_each(tmp_path):
    url = str(tmp_path)
    assert [claim_attempt(url) for _ in range(3)] == [Attempt(url, 1), Attempt(url, 2), Attempt(url, 3)]


def test_a_newer_attempt_of_the_same_lease_fences_off_the_older(any_url):
    number = lead(any_url)
    first, second = (claim_attempt(any_url, number) for _ in range(2))
    second.refuse_if_replaced()
    with pytest.raises(FencedError, match=r"attempt 1 at .* was replaced by attempt 2; .* must stop"):
        first.refuse_if_replaced()


def test_an_older_lease_gets_no_attempt_and_its_late_ones_replace_nobody(any_url):
    old, new = lead(any_url), lead(any_url)
    with pytest.raises(FencedError, match=r"lease 2 took over .* from the one with lease 1"):
        claim_attempt(any_url, old)
    ours = claim_attempt(any_url, new)
    # As one that asked before the takeover and claimed after it.
    late = Attempt(any_url, ours.number + 1, old)
    claim_attempt_file(late)
    ours.refuse_if_replaced()
    with pytest.raises(FencedError, match="lease 2 took over"):
        late.refuse_if_replaced()


def claim_attempt_file(attempt: Attempt) -> None:
    content = f'{{"lease": {attempt.lease}}}'.encode()
    assert storage.write_if_absent(f"{attempt.run_url}/attempts/{attempt.number:04d}.json", content)


def test_a_run_without_a_driver_goes_on_where_a_driver_ended(any_url):
    number = lead(any_url)
    attempt = claim_attempt(any_url)
    assert attempt.lease == number
    attempt.refuse_if_replaced()
    lead(any_url)
    with pytest.raises(FencedError):
        attempt.refuse_if_replaced()
