#!/usr/bin/env python
"""Django's command line for Tutelage."""

import os
import sys

# Commands that touch neither database nor broker.
WITHOUT_SERVICES = {
    "collectstatic",
    "compilemessages",
    "makemessages",
    "help",
    "--help",
    "--version",
}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:] and sys.argv[1] not in WITHOUT_SERVICES:
        from config import services

        services.join()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
