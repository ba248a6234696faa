"""Registers the accounts app, and the admin with a site of its own."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps  # as a module, or Django takes its app for ours


class AccountsConfig(AppConfig):
    name = "accounts"


class DeskAdminConfig(admin_apps.AdminConfig):
    default = False  # the settings name it; "accounts" alone means the app above
    default_site = "accounts.site.DeskSite"
