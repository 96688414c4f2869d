"""The default store: the Qdrant engine in a child process of our own, behind Qdrant's REST API on loopback.

What both sides of that process must agree on stands here, so that neither imports the other.
"""

TITLE = "Citebox embedded engine (qdrant-edge)"
ENDPOINT_FILE = "endpoint.json"
ENGINE_LOCK = "engine.lock"
USERS_LOCK = "users.lock"
LOCKED = 73
"""Exit code when another engine owns the folder: the client then looks for that one."""
GRACE_SECONDS = 3.0
"""How long the engine outlives its last user."""
