"""The kinds of column that the tables are made of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import REAL, Column, ForeignKey, Integer, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

__all__ = ["Words", "identity", "real", "refers", "whole", "words"]


class Words(TypeDecorator[str]):
    """Text that may stem from file names: what UTF-8 cannot hold is kept as escapes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Escape lone surrogates, which SQLite cannot store."""
        return None if value is None else value.encode("utf-8", "backslashreplace").decode()


def words(name: str, *, nullable: bool = True) -> Column[Any]:
    """Make a column of text that may stem from file names."""
    return Column(name, Words, nullable=nullable)


def real(name: str, *, nullable: bool = True) -> Column[Any]:
    """Make a column of real numbers."""
    return Column(name, REAL, nullable=nullable)


def whole(name: str, *, nullable: bool = True) -> Column[Any]:
    """Make a column of whole numbers."""
    return Column(name, Integer, nullable=nullable)


def refers(name: str, target: str, *, nullable: bool = False) -> Column[Any]:
    """Make a column of ids of another table's rows."""
    return Column(name, Integer, ForeignKey(target), nullable=nullable)


def identity() -> Column[Any]:
    """Make the column of a row's own id."""
    return Column("id", Integer, primary_key=True)
