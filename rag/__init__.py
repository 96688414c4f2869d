"""The read path of Citebox, and the types, settings and store that both paths share."""
