"""How a run of the program ended: what the tests of more than one folder look at."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Ended:
    """How a run of the program ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        """Standard output, which with --json is one document and nothing else."""
        return json.loads(self.out)
