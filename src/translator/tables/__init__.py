"""The mapping tables: rows, signatures, and the index that the engine asks."""

from .load import Tables, tables
from .schema import ArgMap, Row, TableError

__all__ = ["ArgMap", "Row", "TableError", "Tables", "tables"]
