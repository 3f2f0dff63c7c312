import time

from finetune.tasks.outcome import Stages


def test_stages_add_up():
    stages = Stages()
    for _ in range(2):
        with stages.time("fit", images=32):
            time.sleep(0.01)
    assert stages.stages["fit"]["images"] == 64
    assert stages.stages["fit"]["seconds"] >= 0.02
