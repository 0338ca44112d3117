"""The list of a contract's codes by Django REST framework, for `benchmarks.api`.

It uses the same tables. Written as its documentation has it: a token authentication, a generic list view, page-number
pagination, a model serializer, related rows by `select_related` and `prefetch_related`.
"""

import hashlib
from typing import Any

from benchmarks import django_project


def application(database_url: str) -> Any:
    """Return the ASGI application, over the database of that URL."""
    return django_project.application(database_url, __name__, _declare)


urlpatterns: list[Any] = []


def _declare() -> None:
    """Declare models, serializer and view, which is possible only once Django is set up."""
    from django.db import models
    from django.urls import path
    from rest_framework import authentication, exceptions, generics, pagination, permissions, serializers

    class Contract(models.Model):
        slug = models.CharField(max_length=255, unique=True)

        class Meta:
            app_label, managed, db_table = "benchmarks", False, "contract"

    class Product(models.Model):
        description = models.TextField()

        class Meta:
            app_label, managed, db_table = "benchmarks", False, "product"

    class Learner(models.Model):
        email = models.CharField(max_length=320)

        class Meta:
            app_label, managed, db_table = "benchmarks", False, "learner"

    class Token(models.Model):
        text_hash = models.CharField(max_length=64)
        revoked_at = models.DateTimeField(null=True)

        class Meta:
            app_label, managed, db_table = "benchmarks", False, "token"

        is_authenticated = True

    class Code(models.Model):
        code = models.TextField()
        contract = models.ForeignKey(Contract, models.DO_NOTHING)
        product = models.ForeignKey(Product, models.DO_NOTHING)
        redemption_type = models.CharField(max_length=10)
        amount = models.DecimalField(max_digits=10, decimal_places=2)
        active = models.BooleanField()
        deactivated_at = models.DateTimeField(null=True)
        sheet_target = models.CharField(max_length=100, null=True)
        sheet_row = models.BigIntegerField(null=True)

        class Meta:
            app_label, managed, db_table = "benchmarks", False, "enrollment_code"

    class Redemption(models.Model):
        code = models.ForeignKey(Code, models.DO_NOTHING, related_name="redemptions")
        learner = models.ForeignKey(Learner, models.DO_NOTHING)
        kind = models.CharField(max_length=10)
        redeemed_at = models.DateTimeField()

        class Meta:
            app_label, managed, db_table = "benchmarks", False, "code_redemption"

    class CodeSerializer(serializers.ModelSerializer):
        product = serializers.CharField(source="product.description")
        attached_by = serializers.SerializerMethodField()
        attached_at = serializers.SerializerMethodField()
        enrolled_by = serializers.SerializerMethodField()
        attached = serializers.SerializerMethodField()
        enrolled = serializers.SerializerMethodField()
        sheet_location = serializers.SerializerMethodField()

        class Meta:
            model = Code
            fields = (
                "code",
                "product",
                "redemption_type",
                "amount",
                "active",
                "deactivated_at",
                "attached_by",
                "attached_at",
                "enrolled_by",
                "attached",
                "enrolled",
                "sheet_location",
            )

        def of(self, code: Code, kind: str) -> list[Redemption]:
            return [redemption for redemption in code.redemptions.all() if redemption.kind == kind]

        def last(self, code: Code, kind: str) -> Redemption | None:
            return max(self.of(code, kind), key=lambda used: (used.redeemed_at, used.id), default=None)

        def email(self, code: Code, kind: str) -> str | None:
            last = self.last(code, kind)
            if last is None:
                return None
            local, at, domain = last.learner.email.rpartition("@")
            return f"{local[:1]}•••{at}{domain}"

        def get_attached_by(self, code: Code) -> str | None:
            return self.email(code, "attach")

        def get_enrolled_by(self, code: Code) -> str | None:
            return self.email(code, "enroll")

        def get_attached_at(self, code: Code) -> Any:
            last = self.last(code, "attach")
            return last.redeemed_at if last else None

        def get_attached(self, code: Code) -> int:
            return len(self.of(code, "attach"))

        def get_enrolled(self, code: Code) -> int:
            return len(self.of(code, "enroll"))

        def get_sheet_location(self, code: Code) -> dict[str, Any] | None:
            return None if code.sheet_row is None else {"target": code.sheet_target, "row": code.sheet_row}

    class Bearer(authentication.BaseAuthentication):
        def authenticate(self, request: Any) -> Any:
            text = request.headers.get("Authorization", "").removeprefix("Bearer ")
            digest = hashlib.sha256(text.encode()).hexdigest()
            token = Token.objects.filter(text_hash=digest, revoked_at=None).first()
            if token is None:
                raise exceptions.AuthenticationFailed
            return token, token

    class Pages(pagination.PageNumberPagination):
        page_size = 100
        page_size_query_param = "page_size"
        max_page_size = 1000

    class Codes(generics.ListAPIView):
        serializer_class = CodeSerializer
        pagination_class = Pages
        authentication_classes = (Bearer,)
        permission_classes = (permissions.IsAuthenticated,)

        def get_queryset(self) -> Any:
            contract = generics.get_object_or_404(Contract, slug=self.kwargs["slug"])
            codes = Code.objects.filter(contract=contract).select_related("product")
            return codes.prefetch_related("redemptions__learner").order_by("id")

    urlpatterns.append(path("api/v1/contracts/<slug:slug>/codes/", Codes.as_view()))
