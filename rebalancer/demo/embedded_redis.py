"""A Redis for the demo where no redis-server is installed: fakeredis behind a TCP port.

It keeps nothing on disk, so it is for looking, never for trading.
"""

from __future__ import annotations

import sys

from fakeredis import TcpFakeServer


def main() -> None:
    """Serve on the port given as the only argument until the process is ended."""
    port = int(sys.argv[1])
    with TcpFakeServer(("127.0.0.1", port), server_type="redis") as server:
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
