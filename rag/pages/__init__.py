"""The pages of the service: one folder each, plain files, served by `rag.api.pages`."""
