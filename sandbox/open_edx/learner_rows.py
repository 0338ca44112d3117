"""Rows of the LMS's `enterprise-learner` listing, with every key that edx-enterprise sends (recorded: learners-by-email)."""

from dataclasses import dataclass
from typing import Any

CUSTOMER_ON = [
    "enable_data_sharing_consent",
    "enable_learner_portal",
    "enable_analytics_screen",
    "enable_people_management",
    "enable_integrated_customer_learner_portal_search",
    "enable_pathways",
    "enable_credit_and_industry_pathways",
    "enable_programs",
    "enable_academies",
    "enable_learner_credit_message_box",
]
CUSTOMER_OFF = [
    "disable_expiry_messaging_for_learner_credit",
    "enable_audit_enrollment",
    "replace_sensitive_sso_username",
    "enable_portal_code_management_screen",
    "sync_learner_profile_data",
    "enable_audit_data_reporting",
    "enable_learner_portal_offers",
    "enable_portal_learner_credit_management_screen",
    "enable_executive_education_2U_fulfillment",
    "enable_portal_reporting_config_screen",
    "enable_portal_saml_configuration_screen",
    "enable_portal_subscription_management_screen",
    "hide_course_original_price",
    "enable_generation_of_api_credentials",
    "enable_portal_lms_configurations_screen",
    "hide_labor_market_data",
    "enable_universal_link",
    "enable_browse_and_request",
    "enable_learner_portal_sidebar_message",
    "enable_demo_data_for_analytics_and_lpr",
    "enable_one_academy",
    "show_videos_in_learner_portal_search_results",
    "enable_slug_login",
]
FEATURES = [
    "top_down_assignment_real_time_lcm",
    "feature_prequery_search_suggestions",
    "enterprise_customer_support_tool",
    "enterprise_learner_bff_enabled",
    "admin_portal_learner_profile_view_enabled",
    "catalog_query_search_filters_enabled",
    "enterprise_admin_onboarding_enabled",
    "enterprise_edit_highlights_enabled",
    "enterprise_ai_pathways_operator_enabled",
    "use_algolia_index_v2",
]
MOMENT = "2026-11-28T08:16:51Z"


@dataclass
class Learner:
    """A learner of a customer. A pending one has no account yet: linked, and never listed."""

    link_id: int
    user_id: int
    email: str
    linked: bool = True
    pending: bool = False
    relinkable: bool = True


def features() -> dict[str, bool]:
    return dict.fromkeys(FEATURES, False)


def learner_row(learner: Learner, customer: str, active: bool) -> dict[str, Any]:
    """Return the listing's row. `active` is whether the customer is."""
    return {
        "id": learner.link_id,
        "enterprise_customer": _customer(customer, active),
        "active": True,
        "user_id": learner.user_id,
        "user": {
            "id": learner.user_id,
            "username": f"user{learner.user_id}",
            "first_name": "Ada",
            "last_name": "Example",
            "email": learner.email,
            "is_staff": False,
            "is_active": True,
            "date_joined": MOMENT,
        },
        "data_sharing_consent_records": [],
        "groups": [],
        "created": MOMENT,
        "invite_key": None,
        "role_assignments": ["enterprise_learner"],
        "enterprise_group": [],
    }


def _customer(customer: str, active: bool) -> dict[str, Any]:
    slug = f"customer-{customer[-4:]}"
    return {
        "uuid": customer,
        "name": slug.title(),
        "slug": slug,
        "active": active,
        "auth_org_id": "example",
        "site": {"domain": f"{slug}.example", "name": slug.title()},
        "enforce_data_sharing_consent": "at_enrollment",
        "branding_configuration": {
            "enterprise_customer": customer,
            "enterprise_slug": slug,
            "logo": None,
            "primary_color": "#2D494E",
            "secondary_color": "#F2F0EF",
            "tertiary_color": "#D23228",
        },
        **dict.fromkeys(CUSTOMER_ON, True),
        **dict.fromkeys(CUSTOMER_OFF, False),
        **dict.fromkeys(("identity_provider", "contact_email")),
        **{name: [] for name in ("identity_providers", "enterprise_customer_catalogs", "admin_users")},
        "active_integrations": [],
        "sender_alias": "Example",
        "reply_to": "reply@example.com",
        "enterprise_notification_banner": {"title": "", "text": ""},
        "modified": MOMENT,
        "learner_portal_sidebar_content": "",
        "default_language": "en",
        "country": "US",
    }
