"""An embedded PostgreSQL in a directory.

The first command that needs it starts it, and all commands share it.

Access: a unix socket in a folder that only its owner can enter, plus `peer` authentication. There is no TCP port and no
password.

PostgreSQL refuses to run as root. Started by root it therefore runs as the system user `postgres` (else `nobody`). That
user may lack access to the directory's parents: root opens the directory, and the server works in `/proc/self/fd/N`,
the open directory it inherits. So the data stay in the installation, even under `/root`, and no parent folder is opened
to other users.

A lock (`flock`) on that open directory shows whether a server is alive: every process of the server inherits it, and
the kernel releases it with the last one. A stale `postmaster.pid` after a power cut is therefore harmless.
"""

from b2b_pipelines.db.embedded.folders import PostgresNotReady
from b2b_pipelines.db.embedded.programs import PostgresUnavailable
from b2b_pipelines.db.embedded.server import PRODUCT_DATABASE, EmbeddedPostgres

__all__ = ["PRODUCT_DATABASE", "EmbeddedPostgres", "PostgresNotReady", "PostgresUnavailable"]
