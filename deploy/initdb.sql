-- Dagster keeps its storage in a database of its own: both it and the product have a table alembic_version.
CREATE DATABASE dagster;
