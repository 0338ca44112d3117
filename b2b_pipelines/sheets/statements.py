"""SQL about sheets that several rooms share. The module imports nothing."""

DELIVERED = """
contract.sheet_url IS NOT NULL
AND NOT EXISTS (SELECT FROM sheet_target restored
                WHERE restored.contract_id = contract.id AND restored.restored_at IS NOT NULL
                  AND (restored.requested_url, restored.requested_tab) IS NOT DISTINCT FROM
                      (contract.sheet_url, contract.sheet_tab))
AND (
    contract.integration_type = 'non-sso' OR coalesce(contract.price, 0) > 0
    OR EXISTS (SELECT FROM sheet_target target
               WHERE target.contract_id = contract.id AND target.written_at IS NOT NULL
                 AND target.synced_revision < contract.revision)
)
"""
