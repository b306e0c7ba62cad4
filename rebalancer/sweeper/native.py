"""The sweeps as one Lua text each, which ``redis-cli --eval`` carries out again and again.

A Python that starts every second would take a tenth of a core; the moves are Lua anyway, so
all that is left to do outside is to ask for them. The server's clock says what is due: there is
nobody else to tell the time.
"""

from __future__ import annotations

from rebalancer.queue import moves, scripts
from rebalancer.queue.move import Move
from rebalancer.queue.values import Swept

#: Seconds from one look at what hands have done to the structures to the next.
REPAIR_EVERY = 10

_HEAD = """\
local time = redis.call('TIME')
local at = string.format('%d.%06d', time[1], time[2])
local lines = {}

-- sweep(kind, run): put down what moved, as `rebalancer sweep` prints it.
local function sweep(kind, run)
  local reply = run()
  if type(reply) ~= 'string' then
    return reply
  end
  for _, moved in ipairs(cjson.decode(reply).moved) do
    local account = moved.account_id ~= '' and ' of ' .. moved.account_id or ''
    local why = moved.why ~= '' and ' (' .. moved.why .. ')' or ''
    lines[#lines + 1] = kind .. ': ' .. moved.event_id .. account .. ': ' .. moved.fate .. why
  end
end
"""

_SWEEP = """
{condition}
  local failed = sweep('{kind}', function()
    local KEYS, ARGV = {{'rebalance_answer:sweep:{kind}:' .. at}}, {{{arguments}}}
{source}
  end)
  if failed then
    return failed
  end
end
"""

_TAIL = """
if #lines == 0 then
  return ''
end
return table.concat(lines, '\\n')
"""


def lua(kind: str, *, retry_delay: float) -> str:
    """One sweep of this kind (``retry``, ``delayed``, ``leases``) as a text for Redis.

    The answer is '' or one line for each event that moved. With ``leases`` goes the repair,
    every ten seconds; see ``sweeps.run`` for ``retry_delay``.
    """
    if kind == "retry":
        sweeps = _sweep(kind, moves.promote_retries(now=0.0))
    elif kind == "delayed":
        sweeps = _sweep(kind, moves.promote_delayed(now=0.0))
    else:
        repair = moves.repair(now=0.0, default_delay=retry_delay)
        # Three seconds wide, so that a sweep every two seconds does not step over it.
        sweeps = _sweep("repair", repair, f"if time[1] % {REPAIR_EVERY} < 3 then")
        sweeps += _sweep("leases", moves.reclaim(now=0.0))
    return _HEAD + sweeps + _TAIL


def _sweep(kind: str, move: Move[Swept], condition: str = "do") -> str:
    # The first argument of each script is the time; the others stay what they are.
    words = [word if isinstance(word, str) else word.decode() for word in move.args[1:]]
    arguments = ", ".join(["at", *(f"'{word}'" for word in words)])
    source = scripts.load(move.script).source
    return _SWEEP.format(kind=kind, condition=condition, arguments=arguments, source=source)
