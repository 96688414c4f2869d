"""The search page: `index.html`, its style and its script, served as they are."""
