"""`python -m tests.claude_server --port 8100`: the server as a process, for demos and browser tests."""

from __future__ import annotations

import argparse
import signal

from .grounded import NOT_FOUND
from .server import ClaudeServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.claude_server", description=__doc__)
    parser.add_argument("--port", type=int, default=8100, help="port of 127.0.0.1; 0 takes a free one")
    parser.add_argument("--not-found-text", default=NOT_FOUND, help="the answer where no document fits")
    parser.add_argument("--pace", type=float, default=0.02, help="seconds between the chunks of an answer")
    parser.add_argument("--before-first", type=float, default=0.0, help="seconds before an answer begins")
    chosen = parser.parse_args()
    # Blocked before the server's thread starts, so that only sigwait below gets them.
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with ClaudeServer(
        port=chosen.port,
        not_found_text=chosen.not_found_text,
        pace=chosen.pace,
        before_first=chosen.before_first,
    ) as server:
        print(f"Claude's protocol on {server.url}", flush=True)
        signal.sigwait(ends)


if __name__ == "__main__":
    main()
