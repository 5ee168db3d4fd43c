"""One of two processes that share a breaker: it calls a service that is down now and then, and notes what it sees.

python breaker_process.py STORE STEPS SEED
"""

import json
import random
import sys
import threading
import time
from pathlib import Path

from genesis.errors import BreakerOpenError
from genesis.resilience import Breaker, BreakerRules, SqliteStore

RULES = BreakerRules(failures=3, cooling_s=0.005, longest_cooling_s=0.02, successes=2, probe_s=30.0)


class Recorded(SqliteStore):
    """Writes down each change of the state, as it is in the transaction that makes it."""

    def change(self, name, step):
        seen = {}

        def watch(kept, now):
            text, value = step(kept, now)
            seen.clear()
            seen.update(before=json.loads(kept or '{"epoch": 0, "state": "closed", "probe": 0}'), now=now)
            seen["after"] = json.loads(text) if text else seen["before"]
            return text, value

        value = super().change(name, watch)
        before, after = seen["before"], seen["after"]
        if before["epoch"] != after["epoch"]:
            note(kind="change", at=seen["now"], epoch=after["epoch"], before=before["state"], after=after["state"])
        if after["probe"] and after["probe"] != before["probe"]:
            note(kind="probe", at=seen["now"], probe=after["probe"])
        if before["probe"] and after["probe"] != before["probe"]:
            note(kind="probe ended", at=seen["now"], probe=before["probe"])
        return value


def note(**what):
    with writing:
        print(json.dumps(what))


def work(breaker, steps, seed):
    draw = random.Random(seed)
    for _ in range(steps):
        ill = int(time.monotonic() * 40) % 2 == 0  # for all processes alike: 25 ms down, 25 ms up
        try:
            with breaker.guard():
                note(kind="call")
                if draw.random() < 0.1:
                    time.sleep(0.001)
                if ill:
                    raise ConnectionError("down")
        except BreakerOpenError:
            note(kind="refused")
            time.sleep(0.0005)
        except ConnectionError:
            pass


if __name__ == "__main__":
    file, steps, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    writing = threading.Lock()
    shared = Breaker("service", RULES, store=Recorded(file))
    threads = [threading.Thread(target=work, args=(shared, steps // 4, seed * 10 + n)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
