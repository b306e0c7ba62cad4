"""docs/reference/gateway-faults.md, made of the tables that the code goes by.

python -m rebalancer.gateway.reference > docs/reference/gateway-faults.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rebalancer.gateway.failure_modes import FAILURE_MODES
from rebalancer.gateway.faults import DOES, FAULTS

_HEAD = """\
# What goes wrong with IB Gateway

Made of `rebalancer/gateway/faults.py` and `rebalancer/gateway/failure_modes.py` by
`python -m rebalancer.gateway.reference > docs/reference/gateway-faults.md`; to change this
page, change them.
"""
_CODES = """\
## Codes

What the gateway says, by number. It comes for a request, a price or an order, or for the
connection as a whole. Any other code from 2100 to 2199 is a notice. Of a code that is not
known the careful reading holds: an order is asked about, a price is waited for, any other
request has failed. Under several codes, 162 and 420 among them, IBKR says in words
("connected from a different IP address") what 10197 says as a number; they are treated as
10197.
"""
_MODES = """\
## Failure modes

How gateways are known to fail. Each has a scenario of the [simulator](simulator.md), to be
tried with `rebalancer sim --scenario NAME`, and a test that the processor does what is said
here (`tests/processor/test_failure_modes.py`).
"""


def page() -> str:
    """Return the whole page."""
    codes = (
        (str(code), fault.meaning, DOES[fault.then], fault.remedy or "-")
        for code, fault in sorted(FAULTS.items())
    )
    modes = ((mode.symptom, mode.response, f"`failures/{mode.name}`") for mode in FAILURE_MODES)
    return "\n".join(
        (
            _HEAD,
            _CODES,
            _table(("code", "meaning", "what we do", "remedy"), codes),
            "",
            _MODES,
            _table(("what is seen", "what we do", "scenario"), modes),
            "",
        )
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    written = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join((written[0], "|---" * len(head) + "|", *written[1:]))


if __name__ == "__main__":
    sys.stdout.write(page())
