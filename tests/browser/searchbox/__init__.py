"""The search box in pages of other people, in front of the real service."""
