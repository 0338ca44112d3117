"""SQL of the listings of commands, API and pages. The module imports nothing, so that a command's listing starts fast.

Columns have the names that JSON and CSV show. A statement that `pages.page` reads ends with its ORDER BY, on its own line.
"""

CONTRACT = """
SELECT id, slug FROM contract WHERE slug = :reference OR id = CAST(:id AS bigint) ORDER BY (slug = :reference) DESC LIMIT 1
"""
ORGANIZATION = """
SELECT id FROM organization WHERE lower(name) = lower(:reference) OR lower(org_key) = lower(:reference)
ORDER BY (name = :reference) DESC, (org_key = :reference) DESC, id LIMIT 1
"""

ORGANIZATIONS = """
SELECT id, slug, name, org_key, (
    SELECT count(*) FROM contract WHERE contract.organization_id = organization.id
) AS contracts, (
    SELECT count(DISTINCT seat.learner_id) FROM contract JOIN contract_learner seat ON seat.contract_id = contract.id
    WHERE contract.organization_id = organization.id
) AS learners, description
FROM organization
WHERE (CAST(:organization AS bigint) IS NULL OR id = :organization)
  AND (CAST(:pattern AS text) IS NULL OR name ILIKE :pattern OR slug ILIKE :pattern OR org_key ILIKE :pattern)
ORDER BY id
"""

COURSES = """
SELECT id, readable_id, title, EXISTS (
    SELECT FROM course_run run WHERE run.course_id = course.id AND run.source_run_id IS NULL
      AND (run.contract_id IS NULL OR run.is_source OR run.run_tag = :source_tag)
) AS has_source_run
FROM course
WHERE CAST(:pattern AS text) IS NULL OR readable_id ILIKE :pattern OR title ILIKE :pattern
ORDER BY readable_id
"""
PROGRAMS = """
SELECT id, readable_id, title, requirements FROM program
WHERE CAST(:pattern AS text) IS NULL OR readable_id ILIKE :pattern OR title ILIKE :pattern
ORDER BY readable_id
"""

RUNS = """
SELECT run.courseware_id, course.readable_id AS course, run.run_tag, run.title, run."start", run."end",
       run.enrollment_start, run.enrollment_end, run.edx_state, run.edx_error, newest.id AS product_id, newest.price
FROM course_run run
JOIN course ON course.id = run.course_id
LEFT JOIN LATERAL (
    SELECT id, price FROM product WHERE course_run_id = run.id ORDER BY active DESC, id DESC LIMIT 1
) AS newest ON true
WHERE run.contract_id = :contract AND (CAST(:edx_state AS text) IS NULL OR run.edx_state = :edx_state)
ORDER BY run.id
"""
CHANGES = """
SELECT change.id, change.made_at, change.revision, change.action, change.actor_kind, change.actor_id, change.actor_name,
       change.details, learner.email AS learner_email
FROM contract_change change LEFT JOIN learner ON learner.id = CAST(change.details ->> 'learner' AS bigint)
WHERE change.contract_id = :contract
ORDER BY change.id DESC
"""

TOKENS = """
SELECT token.id, token.name, organization.org_key AS organization, token.scopes, token.created_at, token.revoked_at
FROM token LEFT JOIN organization ON organization.id = token.organization_id ORDER BY token.id
"""
PEOPLE = """
SELECT person.id, email, role, CASE WHEN oidc_subject IS NOT NULL THEN 'OpenID Connect'
    WHEN password_hash IS NOT NULL THEN 'password' ELSE 'nothing yet' END AS signs_in_with, signed_in_at,
    (SELECT count(*) FROM person_session opened WHERE opened.person_id = person.id AND opened.expires_at > now()) AS sessions
FROM person ORDER BY person.id
"""

LEARNER_CONFLICTS = """
SELECT noted.lms_user_id, noted.learner_id AS learner, noted.other_learner_id AS other_learner, noted.times,
       noted.first_seen_at, noted.last_seen_at, one.email, other.email AS other_email
FROM learner_conflict noted
JOIN learner one ON one.id = noted.learner_id
JOIN learner other ON other.id = noted.other_learner_id
ORDER BY noted.last_seen_at DESC, noted.learner_id, noted.other_learner_id
"""

INTENTS = """
SELECT uuid, state, stripe_product_id, enterprise_name, enterprise_slug, quantity, country, terms_metadata,
       stripe_checkout_session_id, expires_at, pending_since, payment, money_back, state_changed_at, created_at, last_error,
       learner.email AS learner, count(*) OVER () AS total
FROM checkout_intent intent JOIN learner ON learner.id = intent.learner_id
WHERE (CAST(:learner AS text) IS NULL OR lower(learner.email) = lower(:learner))
  AND (CAST(:state AS text) IS NULL OR state = :state)
ORDER BY created_at DESC, uuid LIMIT :limit
"""

ACADEMIES = """
SELECT uuid, slug, name, product_key, stripe_product_id,
       (price ->> 'unit_amount_decimal') || ' ' || (price ->> 'currency') AS price, price_state, stale, catalog_query_id,
       display_order, lookup_key
FROM academy_product WHERE active AND EXISTS (SELECT FROM academy_publication)
ORDER BY display_order NULLS LAST, name, uuid
"""
LEFT_OUT = "SELECT refused, unmatched FROM academy_publication"
ACADEMY_CHANGES = """
SELECT changed_at, uuid, kind, changes, run_id FROM academy_product_change ORDER BY id DESC LIMIT 100
"""

SNAPSHOTS = """
SELECT id, taken_at, verified_at, title AS tab, row_count AS rows, updated, appended, unchanged,
       jsonb_array_length(conflicts) AS conflicts, reads, writes, run_id, cause
FROM sheet_snapshot WHERE contract_id = :contract AND kind = 'after' ORDER BY id DESC
"""
SNAPSHOT = """
SELECT id, kind, taken_at, verified_at, title AS tab, row_count AS rows, updated, appended, unchanged, conflicts, reads,
       writes, run_id, cause, rows AS contents
FROM sheet_snapshot
WHERE contract_id = :contract AND CASE
    WHEN :before THEN kind = 'before' AND taken_at > now() - CAST(:kept_for AS interval)
    WHEN CAST(:number AS numeric) IS NOT NULL THEN id = CAST(:number AS numeric)
    ELSE kind = 'after' END
ORDER BY id DESC LIMIT 1
"""
KEPT = """
SELECT id, taken_at, title AS tab, row_count AS rows FROM sheet_snapshot
WHERE contract_id = :contract AND kind = 'before' AND taken_at > now() - CAST(:kept_for AS interval) ORDER BY id DESC
"""
