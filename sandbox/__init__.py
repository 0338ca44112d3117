"""Stand-ins of every vendor, real HTTP on loopback, for the demo and the tests."""
