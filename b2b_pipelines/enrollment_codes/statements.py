"""SQL of the listings of contracts and codes.

The module imports nothing, so that a listing starts fast.
"""

OVERVIEW = """
SELECT contract.id, contract.slug, contract.name, organization.name AS organization,
       organization.org_key AS organization_key, contract.integration_type, contract.starts_on AS start,
       contract.ends_on AS "end", contract.active, nullif(contract.max_learners, 0) AS max_learners, contract.price,
       (SELECT count(*) FROM enrollment_code code WHERE code.contract_id = contract.id AND code.active) AS codes,
       (SELECT count(*) FROM contract_learner attached WHERE attached.contract_id = contract.id) AS learners,
       contract.sheet_url, contract.sheet_tab, contract.description, contract.revision
FROM contract JOIN organization ON organization.id = contract.organization_id
WHERE (CAST(:contracts AS bigint[]) IS NULL OR contract.id = ANY(:contracts))
  AND (CAST(:organization AS bigint) IS NULL OR organization.id = :organization)
ORDER BY contract.id
"""


def overview_for(caller: str) -> str:
    """Return the statement of one contract, by its slug, given that of its caller: `organization_id` and `emails`."""
    columns, _, tables = OVERVIEW.partition("\nWHERE")[0].partition("\nFROM ")
    return f"""
WITH caller AS ({caller})
{columns}, caller.emails
FROM caller CROSS JOIN {tables}
WHERE contract.slug = :slug AND (caller.organization_id IS NULL OR organization.id = caller.organization_id)
"""


OVERVIEW_OF_ONE = overview_for(
    "SELECT CAST(:organization AS bigint) AS organization_id, CAST(:emails AS boolean) AS emails"
)

OVERVIEW_AS_JSON = """
SELECT json_build_object(
    'id', contract.id, 'slug', contract.slug, 'name', contract.name, 'organization', organization.name,
    'organization_key', organization.org_key, 'integration_type', contract.integration_type,
    'start', contract.starts_on, 'end', contract.ends_on, 'active', contract.active,
    'max_learners', nullif(contract.max_learners, 0), 'price', contract.price::text,
    'codes', coalesce(codes.number, 0), 'learners', coalesce(learners.number, 0),
    'sheet_url', contract.sheet_url, 'sheet_tab', contract.sheet_tab,
    'description', contract.description, 'revision', contract.revision
)::text
FROM contract JOIN organization ON organization.id = contract.organization_id
LEFT JOIN (
    SELECT contract_id, count(*) AS number FROM enrollment_code WHERE active GROUP BY contract_id
) AS codes ON codes.contract_id = contract.id
LEFT JOIN (
    SELECT contract_id, count(*) AS number FROM contract_learner GROUP BY contract_id
) AS learners ON learners.contract_id = contract.id
WHERE CAST(:organization AS bigint) IS NULL OR organization.id = :organization
ORDER BY contract.id
"""
"""The keys and values of `OVERVIEW`, each row as JSON, for listings too long to hold in memory."""

STATS = """
SELECT contract.slug AS contract, nullif(contract.max_learners, 0) AS seats,
       (SELECT count(*) FROM contract_learner attached WHERE attached.contract_id = contract.id) AS attached,
       (SELECT count(*) FROM course_run run WHERE run.contract_id = contract.id) AS runs,
       (SELECT count(*) FROM enrollment_code code WHERE code.contract_id = contract.id) AS codes,
       used.attach AS redeemed_for_attachment, used.enroll AS redeemed_for_enrollment
FROM contract
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE redemption.kind = 'attach') AS attach,
           count(*) FILTER (WHERE redemption.kind = 'enroll') AS enroll
    FROM enrollment_code code JOIN code_redemption redemption ON redemption.code_id = code.id
    WHERE code.contract_id = contract.id
) AS used
WHERE CAST(:contracts AS bigint[]) IS NULL OR contract.id = ANY(:contracts)
ORDER BY contract.id
"""

USAGE = """
SELECT contract.slug AS contract, code.code, product.description AS product, redemption.kind,
       learner.email, redemption.redeemed_at, redemption.order_reference
FROM code_redemption redemption
JOIN enrollment_code code ON code.id = redemption.code_id
JOIN contract ON contract.id = code.contract_id
JOIN product ON product.id = code.product_id
JOIN learner ON learner.id = redemption.learner_id
WHERE CAST(:contracts AS bigint[]) IS NULL OR contract.id = ANY(:contracts)
ORDER BY contract.id, redemption.redeemed_at, redemption.id
"""

LAST_REDEMPTIONS = """
LEFT JOIN LATERAL (
    SELECT count(*) OVER () AS number, redemption.learner_id, redemption.redeemed_at
    FROM code_redemption redemption
    WHERE redemption.code_id = code.id AND redemption.kind = 'attach'
    ORDER BY redemption.redeemed_at DESC, redemption.id DESC LIMIT 1
) AS attached ON true
LEFT JOIN LATERAL (
    SELECT count(*) OVER () AS number, redemption.learner_id
    FROM code_redemption redemption
    WHERE redemption.code_id = code.id AND redemption.kind = 'enroll'
    ORDER BY redemption.redeemed_at DESC, redemption.id DESC LIMIT 1
) AS enrolled ON true
LEFT JOIN learner attached_learner ON attached_learner.id = attached.learner_id
LEFT JOIN learner enrolled_learner ON enrolled_learner.id = enrolled.learner_id
"""
"""Joins `attached` and `enrolled` to `code`: the number of redemptions of that kind, and the last one with its learner.

The learners are joined outside, because inside PostgreSQL would read a small table of learners for each code."""

CODES = f"""
SELECT contract.slug AS contract, code.code, product.description AS product, code.redemption_type, code.amount, code.active,
       attached_learner.email AS attached_by, enrolled_learner.email AS enrolled_by,
       coalesce(attached.number, 0) AS attached, coalesce(enrolled.number, 0) AS enrolled, code.sheet_row
FROM enrollment_code code
JOIN contract ON contract.id = code.contract_id
JOIN product ON product.id = code.product_id
{LAST_REDEMPTIONS}
WHERE CAST(:contracts AS bigint[]) IS NULL OR contract.id = ANY(:contracts)
"""

LEARNERS = """
SELECT learner.email, learner.name, contract.slug AS contract, attached.how, attached.attached_at
FROM contract_learner attached
JOIN learner ON learner.id = attached.learner_id
JOIN contract ON contract.id = attached.contract_id
WHERE (CAST(:contracts AS bigint[]) IS NULL OR contract.id = ANY(:contracts))
  AND (CAST(:organization AS bigint) IS NULL OR contract.organization_id = :organization)
ORDER BY contract.id, attached.attached_at, attached.id
"""

TO_HAND_OUT = f"""
SELECT contract, code, product, redemption_type, amount, active, attached_by, enrolled_by, attached, enrolled, sheet_row
FROM (
    SELECT listed.*, contract.max_learners,
           row_number() OVER (PARTITION BY listed.contract ORDER BY enrollment_code.id) AS place,
           (SELECT count(*) FROM contract_learner WHERE contract_id = contract.id) AS taken
    FROM ({CODES}) AS listed
    JOIN enrollment_code ON enrollment_code.code = listed.code
    JOIN contract ON contract.id = enrollment_code.contract_id
    WHERE listed.active
      AND (coalesce(contract.max_learners, 0) = 0 OR listed.attached + listed.enrolled = 0)
) AS waiting
WHERE coalesce(max_learners, 0) = 0 OR place <= max_learners - taken
ORDER BY contract, place
"""

ALL_CODES = f"{CODES} ORDER BY contract.id, code.id"

COURSEWARE = """
SELECT run.courseware_id, course.readable_id AS course, run.run_tag, contract.slug AS contract,
       run."start", run."end", run.enrollment_start, run.enrollment_end, run.edx_state, run.edx_error,
       newest.id AS product_id, newest.price
FROM course_run run
JOIN course ON course.id = run.course_id
JOIN contract ON contract.id = run.contract_id
LEFT JOIN (
    SELECT DISTINCT ON (course_run_id) course_run_id, id, price
    FROM product ORDER BY course_run_id, active DESC, id DESC
) AS newest ON newest.course_run_id = run.id
WHERE (CAST(:contracts AS bigint[]) IS NULL OR contract.id = ANY(:contracts))
  AND (CAST(:organization AS bigint) IS NULL OR contract.organization_id = :organization)
ORDER BY contract.id, run.id
"""

TALLIES = """
WITH redeemed AS (
    SELECT code.id AS code_id, code.product_id, code.redemption_type, bool_or(redemption.kind = 'enroll') AS enrolled
    FROM code_redemption redemption
    JOIN enrollment_code code ON code.id = redemption.code_id
    WHERE code.contract_id = ANY(:contracts)
    GROUP BY code.id
), held AS (
    SELECT redeemed.product_id,
           greatest(count(DISTINCT code.id) FILTER (WHERE redemption.redeemed_at >= attached.attached_at), 1) AS codes
    FROM redeemed
    JOIN enrollment_code code ON code.id = redeemed.code_id
    JOIN code_redemption redemption ON redemption.code_id = redeemed.code_id
    JOIN contract_learner attached
      ON attached.contract_id = code.contract_id AND attached.learner_id = redemption.learner_id
    WHERE redeemed.redemption_type = 'unlimited' OR redemption.kind = 'enroll' OR NOT redeemed.enrolled
    GROUP BY redeemed.product_id, attached.learner_id
), seated AS (
    SELECT product_id, sum(codes)::bigint AS codes FROM held GROUP BY product_id
)
SELECT run.contract_id, product.id AS product_id, product.price,
       count(*) FILTER (WHERE code.active AND redeemed IS NULL AND code.redemption_type = 'one-time') AS one_time_free,
       count(*) FILTER (WHERE code.active AND redeemed IS NULL AND code.redemption_type = 'unlimited') AS unlimited_free,
       count(*) FILTER (WHERE code.active AND redeemed.code_id IS NOT NULL AND code.redemption_type = 'unlimited')
           AS unlimited_redeemed,
       coalesce(seated.codes, 0) AS seated,
       count(*) FILTER (WHERE NOT code.active AND redeemed IS NULL) AS dormant,
       count(*) FILTER (WHERE redeemed IS NULL AND code.amount <> coalesce(contract.price, 0)) AS mispriced
FROM contract
JOIN course_run run ON run.contract_id = contract.id
JOIN product ON product.course_run_id = run.id AND product.active
LEFT JOIN enrollment_code code ON code.product_id = product.id AND code.contract_id = contract.id
LEFT JOIN redeemed ON redeemed.code_id = code.id
LEFT JOIN seated ON seated.product_id = product.id
WHERE contract.id = ANY(:contracts)
GROUP BY run.contract_id, product.id, seated.codes
ORDER BY run.contract_id, product.id
"""
