#!/usr/bin/env python
"""Django's command line for Tutelage."""

import os
import sys
from pathlib import Path

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


def installed() -> None:
    """The command `tutelage`: the same from any folder, whose `var/` holds the data.

    The folders beside this file are found by this process and by those it starts; unless DATA_DIR
    says otherwise, nothing is written where packages are installed.
    """
    house = str(Path(__file__).resolve().parent)
    sys.path.insert(0, house)
    further = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{house}{os.pathsep}{further}" if further else house
    os.environ["DATA_DIR"] = os.environ.get("DATA_DIR") or str(Path("var").resolve())
    main()


if __name__ == "__main__":
    main()
