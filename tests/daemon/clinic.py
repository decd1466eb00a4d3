"""People at work with a daemon, and what it promised them."""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

from appliance import LATER, Appliance, Denied, Desk, Gone, cohort, small

# What a client waits between two things, at most: a person types.
THINKING_S = 0.06
# Requests whose acknowledgement says that something is kept.
CHANGES = {"open", "fields", "ct", "submit", "review"}
# How long a client waits for an export that it laid on the share.
EXPORT_S = 8.0


class Promises:
    """Every acknowledgement that reached a client."""

    def __init__(self):
        self.lock = threading.Lock()
        self.states: dict[str, set[str]] = defaultdict(set)
        self.opened: dict[str, str] = {}
        self.count = 0
        self.duplicated: list[str] = []
        self.denied: Counter[str] = Counter()
        # Called after each acknowledgement, in the thread that heard it.
        self.heard = lambda: None

    def hear(self, asked: str, fields: dict, answer: dict) -> None:
        if "case" not in answer or "state" not in answer:
            return
        with self.lock:
            # Of looking twice at the same case, the second look is no promise of its own.
            self.count += asked in CHANGES or answer["state"] not in self.states[answer["case"]]
            self.states[answer["case"]].add(answer["state"])
            if asked == "open":
                if answer["case"] in self.opened:
                    self.duplicated.append(f"{answer['case']} was given out twice")
                self.opened[answer["case"]] = fields["first"]
        self.heard()

    def now(self) -> dict[str, set[str]]:
        with self.lock:
            return {case: set(states) for case, states in self.states.items()}

    def broken(self, listed: dict[str, str], promised: dict[str, set[str]]) -> list[str]:
        """What was promised, and is not so. `promised` was read before the list was asked for."""
        return [
            f"{case} was {state} and is {listed.get(case, 'gone')}"
            for case, states in promised.items()
            for state in states
            if listed.get(case) not in LATER[state]
        ]


class Listening(Desk):
    """A connection whose acknowledgements are remembered."""

    def __init__(self, path: Path, promises: Promises):
        super().__init__(path)
        self.promises = promises

    def ask(self, what: str, **fields) -> dict:
        try:
            answer = super().ask(what, **fields)
        except Denied as denied:
            with self.promises.lock:
                self.promises.denied[f"{what} {denied.exit}"] += 1
            raise
        self.promises.hear(what, fields, answer)
        return answer


class Clinic:
    """What the clients share: pictures, CTs, the share, how many cases may still be opened."""

    def __init__(self, folder: Path, seed: int):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.seed = folder, seed
        self.share = folder / "share"
        self.inputs = folder / "inputs"
        for path in (self.share, self.inputs):
            path.mkdir(exist_ok=True)
        patient = cohort(folder / "cohort", 1)[0]
        self.ct, self.patient = patient["ct"], patient["patient_id"]
        self.field, self.blank = folder / "field.png", folder / "blank.png"
        small(patient["he"], self.field)
        white(self.blank)
        self.promises = Promises()
        self.lock = threading.Lock()
        self.left = 0
        self.number = 0
        self.cts = 0
        self.at_the_share = threading.Lock()
        self.over = threading.Event()

    @property
    def site(self) -> str:
        return (
            f'[share]\nfolder = "{self.share}"\npoll-s = 0.5\nquiet-s = 0\n'
            "[store]\nwatermark-mb = 16\n[case]\nexplain = []\n"
        )

    def allow(self, cases: int) -> None:
        """So many more cases may be opened."""
        with self.lock:
            self.left = cases

    def next(self) -> int | None:
        with self.lock:
            if self.left == 0:
                return None
            self.left -= 1
            self.number += 1
            return self.number

    def work(self, appliance: Appliance, clients: int) -> list[threading.Thread]:
        """Starts clients that work until `over` is set, through every end of the daemon."""
        threads = [threading.Thread(target=self.client, args=(appliance, number)) for number in range(clients)]
        for thread in threads:
            thread.start()
        return threads

    def client(self, appliance: Appliance, number: int) -> None:
        chance = random.Random(f"{self.seed} {number}")
        while not self.over.is_set():
            try:
                with Listening(appliance.socket, self.promises) as desk:
                    while not self.over.wait(chance.random() * THINKING_S):
                        try:
                            self.something(desk, chance)
                        except Denied:
                            pass  # counted; which ones are none of the store's is judged at the end
            except Gone:
                self.over.wait(0.003)

    def something(self, desk: Desk, chance: random.Random) -> None:
        if chance.random() < 0.5 and (number := self.next()) is not None:
            kind = chance.random()
            if kind < 0.06:
                self.by_the_share(desk)
            else:
                self.pictures(desk, chance, number, self.blank if kind < 0.12 else self.field)
        else:
            self.earlier(desk, chance)

    def pictures(self, desk: Desk, chance: random.Random, number: int, picture: Path) -> None:
        case = desk.open_case(f"P{number}")["case"]
        # Each has a file of its own: what is killed twice while it is read is set aside, by its name.
        own = self.inputs / f"{number}.png"
        os.link(picture, own)
        try:
            desk.fields(case, own, um_per_px=0.5)
        finally:
            own.unlink()
        if chance.random() < 0.05:
            return  # it stays a draft
        desk.ask("submit", case=case)
        if chance.random() < 0.5:
            if desk.wait(case, 20) in ("assessed", "refused") and chance.random() < 0.7:
                desk.ask("review", case=case, agrees=True, reason="as expected")

    def by_the_share(self, desk: Desk) -> None:
        """A CT that comes by the share, before or after its draft."""
        if not self.at_the_share.acquire(blocking=False):
            return  # the phantom is one patient: one export at a time
        try:
            with self.lock:
                self.cts += 1
                first, export = self.cts % 2, self.share / f"export-{self.cts}"
            if first:
                case = desk.open_case(self.patient)["case"]
            hidden = self.folder / export.name
            shutil.copytree(self.ct, hidden, copy_function=os.link)
            hidden.rename(export)
            if not first:
                case = desk.open_case(self.patient)["case"]
            until = time.monotonic() + EXPORT_S
            while not desk.ask("show", case=case)["ct"]:
                if time.monotonic() > until or self.over.wait(0.05):
                    return
            desk.ask("submit", case=case)
        finally:
            shutil.rmtree(export, ignore_errors=True)
            self.at_the_share.release()

    def earlier(self, desk: Desk, chance: random.Random) -> None:
        """Looks at an earlier case, and reviews it if it has a result."""
        with self.promises.lock:
            known = [case for case in self.promises.opened if "reviewed" not in self.promises.states[case]]
        if not known:
            desk.ask("status")
            return
        case = chance.choice(known[-20:])
        state = desk.ask("show", case=case)["state"]
        if state in ("assessed", "refused") and chance.random() < 0.5:
            desk.ask("review", case=case, agrees=False, reason="looked at again")


def white(picture: Path) -> None:
    from PIL import Image

    Image.new("RGB", (448, 448), (255, 255, 255)).save(picture)


def kept_twice(entries: list[dict]) -> list[str]:
    """Cases for which the log has more than one result."""
    results = Counter(entry["case"] for entry in entries if entry["action"] in ("assessed", "refused"))
    return [f"case {case} has {count} results" for case, count in results.items() if count > 1]


def drained(appliance: Appliance, patience_s: float = 120.0) -> None:
    """Waits until nothing is queued."""
    appliance.until(lambda status: status["store"]["cases"]["queued"] == 0, patience_s)
