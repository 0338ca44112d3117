"""Named parameters of statements, as SQLAlchemy writes them: `:name`."""

import re

PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
