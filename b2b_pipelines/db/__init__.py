"""PostgreSQL: engine, sessions, locks, pacing across processes, embedded server, migrations."""
