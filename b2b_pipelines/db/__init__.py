"""PostgreSQL: the engine and its sessions, locks and pacing shared by all processes, the embedded server, migrations."""
