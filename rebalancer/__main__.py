"""``python -m rebalancer``, and the console script ``rebalancer``."""

from __future__ import annotations

import sys

from rebalancer.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
