"""The version of the schema that records are written with."""

SCHEMA_VERSION = 1
