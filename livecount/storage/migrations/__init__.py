"""Migrations of the database's schema, oldest first.

They go forward only: what people did and what was counted is never thrown away. A released one is
never edited.
"""
