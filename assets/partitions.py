"""Partitions of assets: one for each contract, one for each enterprise customer."""

import dagster as dg

contracts = dg.DynamicPartitionsDefinition(name="contracts")
"""Keys are contract slugs; the sensor `contract_changes` adds them."""

enterprise_customers = dg.DynamicPartitionsDefinition(name="enterprise_customers")
"""Keys are enterprise customer uuids; the sensor `customer_partitions` adds them."""
