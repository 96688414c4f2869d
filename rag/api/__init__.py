"""FastAPI: thin routes over the read path."""
