"""SQL of the listing of customers.

The module imports nothing, so that a listing starts fast.
"""

CUSTOMERS = """
SELECT agreement.enterprise_customer_uuid AS customer, coalesce(nullif(agreement.name, ''), agreement.slug, '') AS name,
       agreement.slug, coalesce(plans.plans, 0) AS plans, coalesce(plans.expired_plans, 0) AS expired_plans,
       coalesce(licenses.licenses, 0) AS licenses, coalesce(licenses.unseen, 0) AS unseen
FROM customer_agreement agreement
LEFT JOIN (
    SELECT customer_agreement_id, count(*) AS plans, count(*) FILTER (WHERE expiration_date <= now()) AS expired_plans
    FROM subscription_plan GROUP BY customer_agreement_id
) AS plans ON plans.customer_agreement_id = agreement.id
LEFT JOIN (
    SELECT plan.customer_agreement_id, count(*) AS licenses, count(license.unseen_since) AS unseen
    FROM subscription_plan plan JOIN license ON license.plan_uuid = plan.uuid GROUP BY plan.customer_agreement_id
) AS licenses ON licenses.customer_agreement_id = agreement.id
ORDER BY agreement.name, agreement.enterprise_customer_uuid
"""
