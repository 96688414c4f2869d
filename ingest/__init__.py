"""The write path of Citebox: source -> document -> chunk -> vector -> store."""
