"""Every table of the product, imported in one place for the comparison with migrations."""

from b2b_pipelines.academies import models as academies
from b2b_pipelines.alerts import models as alerts
from b2b_pipelines.checkout import models as checkout
from b2b_pipelines.contracts import models as contracts
from b2b_pipelines.db import answered, limiter
from b2b_pipelines.db.base import Base
from b2b_pipelines.delivery import models as delivery
from b2b_pipelines.enrollment_codes import models as enrollment_codes
from b2b_pipelines.faults import models as faults
from b2b_pipelines.intents import models as intents
from b2b_pipelines.licenses import models as licenses
from b2b_pipelines.people import models as people
from b2b_pipelines.sheets import models as sheets
from b2b_pipelines.tokens import models as tokens

__all__ = [
    "Base",
    "academies",
    "alerts",
    "answered",
    "checkout",
    "contracts",
    "delivery",
    "enrollment_codes",
    "faults",
    "intents",
    "licenses",
    "limiter",
    "people",
    "sheets",
    "tokens",
]
