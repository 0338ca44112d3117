"""Stand-ins of every vendor, real HTTP on loopback, for the demo and the tests."""

from sandbox.faults import Fault, Faults
from sandbox.server import DEFAULT_PORT, Sandbox, serve

__all__ = ["DEFAULT_PORT", "Fault", "Faults", "Sandbox", "serve"]
