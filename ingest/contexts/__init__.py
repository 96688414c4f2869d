"""Contexts: sentences by Claude that place a chunk in its document. It is found by them and never shows them.

Anthropic, Contextual Retrieval (2024): https://www.anthropic.com/news/contextual-retrieval
"""
