"""The admin of accounts and of the audit log; `base` is what every app's admin starts from."""

from accounts.admin.users import AuditEntryAdmin, TokenGrantAdmin, UserAdmin

__all__ = ["AuditEntryAdmin", "TokenGrantAdmin", "UserAdmin"]
