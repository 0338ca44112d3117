"""Every table of the product, imported in one place for the comparison with migrations."""

# ruff: noqa: F401
import b2b_pipelines.academies.models
import b2b_pipelines.alerts.models
import b2b_pipelines.checkout.models
import b2b_pipelines.contracts.models
import b2b_pipelines.db.answered
import b2b_pipelines.db.limiter
import b2b_pipelines.delivery.models
import b2b_pipelines.enrollment_codes.models
import b2b_pipelines.faults.models
import b2b_pipelines.intents.models
import b2b_pipelines.licenses.models
import b2b_pipelines.people.models
import b2b_pipelines.sheets.models
import b2b_pipelines.tokens.models
from b2b_pipelines.db.base import Base

__all__ = ["Base"]
