"""Claude as it writes contexts: by the words of a passage, so that a test knows what it wrote for which."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.claude_server import RecordedRequest, Reply
from tests.claude_server.replies import Asked, as_reply
from tests.claude_server.wire import Plan

DEFAULT = "It is a passage of the rules."


@dataclass
class Contextual:
    """The default reply of a test server: that of the first of `said` whose words the passage holds."""

    said: Mapping[str, str | Reply] = field(default_factory=dict)

    def plan(self, asked: Asked) -> Plan:
        passage = passage_of(asked.body)
        for words, reply in self.said.items():
            if words in passage:
                return as_reply(reply).plan(asked)
        return as_reply(DEFAULT).plan(asked)


def passage_of(body: Mapping[str, Any]) -> str:
    """The passage that a request asks about."""
    return str(json.loads(body["messages"][-1]["content"][-1]["text"])["passage"])


def bodies(requests: Sequence[RecordedRequest]) -> list[dict[str, Any]]:
    """What was asked for contexts, alone and in batches."""
    found: list[dict[str, Any]] = []
    for request in requests:
        if request.method == "POST" and request.body is not None:
            batch = request.body.get("requests")
            found.extend([one["params"] for one in batch] if batch else [request.body])
    return found
