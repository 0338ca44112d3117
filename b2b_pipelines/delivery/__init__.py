"""Change a contract and deliver the change: its runs, codes and sheet.

Commands, assets, routes and any other source of contracts call this package and nothing below it. Functions that take a
`Session` leave the commit to their caller. `deliver` takes the `Database`, because it asks Studio and Google between
its transactions.
"""

from b2b_pipelines.contracts.patch import UNSET, ContractPatch
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.contracts.store import contract as find_contract
from b2b_pipelines.delivery.changes import (
    ContractChanged,
    CoursewareChanged,
    add_learner,
    change_contract,
    create_contract,
    create_organization,
    give_courseware,
    import_contract,
    remove_learner,
    take_courseware,
)
from b2b_pipelines.delivery.deliver import Delivered, Delivery, Prepared, deliver
from b2b_pipelines.delivery.history import Actor, ContractWasChanged
from b2b_pipelines.delivery.losses import Losses
from b2b_pipelines.delivery.rehearsal import rehearsal

__all__ = [
    "UNSET",
    "Actor",
    "ContractChanged",
    "ContractPatch",
    "ContractWasChanged",
    "CoursewareChanged",
    "Delivered",
    "Delivery",
    "IntegrationType",
    "Losses",
    "Prepared",
    "add_learner",
    "change_contract",
    "create_contract",
    "create_organization",
    "deliver",
    "find_contract",
    "give_courseware",
    "import_contract",
    "rehearsal",
    "remove_learner",
    "take_courseware",
]
