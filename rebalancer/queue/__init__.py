"""The queue: signals in Redis, from acceptance to outcome. The only importer of redis.

::

                    enqueue                      take                     complete
    signal ──────────────────────▶ queue ─────────────────▶ leased ─────────────────▶ journal
                                   ▲ ▲ ▲                     │ │ │ │
                                   │ │ └── release, reclaim ─┘ │ │ └── bury ──▶ dead letter
                                   │ └──── promote ◀─ retrying ┘ │                │
                                   ├────── promote ◀─ delayed ◀──┘                │
                                   └────── requeue ◀──────────────────────────────┘

- ``moves`` names the arrows, each a value; one Lua script carries each out, atomically.
- ``store`` runs moves over a connection, for synchronous callers and for asyncio.
- ``taking`` is how a worker comes to its next event, the same for both.
- ``lua/`` holds the scripts, ``scripts`` loads them, ``keys`` names what they work on.
- ``codec`` knows the JSON, ``wire`` the faults of the connection, ``values`` the answers.

A move is proved, done and written to the journal in one script, and knows its own resend.
docs/explanation/queue.md tells why each structure is there and what must always hold.
"""
