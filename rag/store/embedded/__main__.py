"""`python -m rag.store.embedded --data DIR`: the engine process."""

import sys

from rag.store.embedded.server import main

if __name__ == "__main__":
    sys.exit(main())
