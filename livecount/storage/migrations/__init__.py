"""Migrations of the database's schema, oldest first; a released one is never edited."""
