"""Where the pages are."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from tests.web.django_project import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("django.contrib.auth.urls")),
    path("", views.index),
    path("<int:pk>/", views.detail),
    path("<int:pk>/vote/", views.vote),
    path("mine/", views.mine),
    path("act/", views.act),
    path("async/", views.asynchronous),
]
