"""`rag eval`: questions with known places in, a table out; two runs compared, and a page for people."""
