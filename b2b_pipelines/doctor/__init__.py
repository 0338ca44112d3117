"""Ask each configured service whether this installation has the rights for its tasks."""

from b2b_pipelines.doctor.asking import Reply, ask_services
from b2b_pipelines.doctor.roles import ROLES

__all__ = ["ROLES", "Reply", "ask_services"]
