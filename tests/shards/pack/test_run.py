from dataclasses import replace

import pytest

from shards.errors import ShardError
from shards.lease import Lease
from shards.pack.faces.detect import YuNet
from shards.pack.job import PackConfig, recipe_of, versions
from shards.pack.lease import PackLease
from shards.pack.run import SetWork


def test_another_machine_must_give_the_same_bytes() -> None:
    config = PackConfig("", "", "folder")
    work = SetWork(config, {"recipe_digest": recipe_of(config, YuNet()).digest}, PackLease(Lease("", 1)))
    work.check_here()
    newer = replace(work, versions={**versions(), "av": "99"})
    with pytest.raises(ShardError, match=r"av is .* here and 99 where the pack began; install equal"):
        newer.check_here()
    with pytest.raises(ShardError, match="yunet or face5_wide is another one than there"):
        replace(work, facts={"recipe_digest": "0"}).check_here()
