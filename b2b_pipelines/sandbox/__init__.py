"""Stand-ins of every vendor, real HTTP on loopback, for the demo and the tests."""

from b2b_pipelines.sandbox.faults import Fault, Faults
from b2b_pipelines.sandbox.server import DEFAULT_PORT, Sandbox, serve

__all__ = ["DEFAULT_PORT", "Fault", "Faults", "Sandbox", "serve"]
