"""The one place that speaks Qdrant, and the files beside it.

Loaded on first use: the Qdrant client takes a second to import, which neither `--help` nor the engine
process, which lives below this package, should pay for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.store.files import FileStore
    from rag.store.store import Store, StoreHealth, open_store

__all__ = ["FileStore", "Store", "StoreHealth", "open_store"]


def __getattr__(name: str) -> Any:
    if name == "FileStore":
        from rag.store.files import FileStore

        return FileStore
    if name in __all__:
        from rag.store import store

        return getattr(store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
