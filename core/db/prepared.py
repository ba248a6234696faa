"""Statements that Django compiles once and PostgreSQL plans once, for the path of every label.

Putting a query together takes several times as long as running it. A function that returns rows, or
a change of rows, is decorated here and called once, with a placeholder for each positional
argument; so it may only put them where a value goes in, and a list or an object is JSON. Keyword
arguments are part of the statement, of which there is one for each of their combinations: they
should have few values.

    @prepared.select
    def _held_by(labeler: int, *, kind: str) -> QuerySet[Slot]:
        return Slot.objects.filter(labeler=labeler, kind=kind)

    slots = _held_by(labeler.pk, kind="ranking")  # a list

`PREPARED_STATEMENTS=0` runs the function's own query each time instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache, wraps
from inspect import Parameter, signature
from itertools import count
from typing import Any, ClassVar, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Expression, QuerySet
from django.db.models.sql import UpdateQuery
from django.db.models.sql.compiler import SQLCompiler
from django.db.models.sql.constants import ROW_COUNT
from psycopg2.extensions import AsIs
from psycopg2.extras import Json

P = ParamSpec("P")
Row = TypeVar("Row")
Change = tuple[QuerySet[Any], dict[str, Any]]
"""Rows, and the values they are to get."""

# Two functions of one name, or one with two combinations of constants, are two statements.
_numbers = count(1)
# By psycopg's connection and not Django's, which reconnects under the same object: a new session
# knows none of the statements. Weak, so that a closed connection is let go.
_known: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
"""The names of the statements that a connection has been told."""


def select(build: Callable[P, QuerySet[Any, Row]]) -> Callable[P, list[Row]]:
    """Run the query that the function builds; what it returns becomes a list."""

    def compiled(rows: QuerySet[Any, Row]) -> tuple[Any, _Statement]:
        return rows, _Statement(build.__name__, rows.query.get_compiler(DEFAULT_DB_ALIAS))

    statement = _once(build, compiled)

    @wraps(build)
    def run(*given: P.args, **constants: P.kwargs) -> list[Row]:
        if not settings.PREPARED_STATEMENTS:
            return list(build(*given, **constants))
        rows, prepared = statement(**constants)
        # Django's own iterable turns rows into models, tuples or values as the query asked for;
        # only where it takes its compiler from is ours.
        return list(rows._iterable_class(_Source(rows.model, prepared.bound(given))))

    return run


def update(build: Callable[P, Change]) -> Callable[P, int]:
    """Make the change that the function describes; the result is the number of rows."""

    def compiled(change: Change) -> _Statement:
        rows, values = change
        # As QuerySet.update does it, which would also run it at once.
        query: Any = rows.query.chain(UpdateQuery)
        query.add_update_values(values)
        return _Statement(build.__name__, query.get_compiler(DEFAULT_DB_ALIAS))

    statement = _once(build, compiled)

    @wraps(build)
    def run(*given: P.args, **constants: P.kwargs) -> int:
        if not settings.PREPARED_STATEMENTS:
            rows, values = build(*given, **constants)
            return rows.update(**values)
        # The count is what a compare-and-set asks: 0 means that somebody else was first.
        return int(statement(**constants).bound(given).execute_sql(ROW_COUNT))

    return run


def _once(build: Callable[..., Any], compiled: Callable[[Any], Any]) -> Callable[..., Any]:
    """What is made of the function's result, kept for each of its keyword arguments."""
    parameters = signature(build).parameters.values()
    places = [one for one in parameters if one.kind != Parameter.KEYWORD_ONLY]
    given = [_Given(place) for place, _ in enumerate(places)]
    # Without a bound: there are as many entries as functions times their constants' values, which
    # is why those have to be few. Compiled at the first call, not on import: models may not be
    # loaded then. Two threads that come first at once compile it twice, under two names, which
    # costs no more than that.
    return cache(lambda **constants: compiled(build(*given, **constants)))


# An expression, for that is what the ORM takes in place of any value and hands on to the compiler
# unread; so no lookup can look at it, and a condition whose SQL depends on its value (None, an
# empty list) cannot be written with it.
class _Given(Expression):
    """Stands where the argument at this place goes in."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, Any]:
        """A parameter that is known later."""
        # Itself as the parameter: it marks its place among the constants, which the ORM also passes
        # as parameters.
        return "%s", (self,)


class _Statement:
    """A compiled query under a name that PostgreSQL is told once a connection."""

    def __init__(self, name: str, compiler: Any) -> None:
        self.name = f"{name.strip('_')}_{next(_numbers)}"
        self.compiler = compiler
        self.sql, self.parameters = compiler.as_sql()
        # as_sql has just filled `select`; an update has none. Found once, for a call's compiler
        # asks again for each set of rows.
        if compiler.select:
            converters = compiler.get_converters([column for column, *_ in compiler.select])
            compiler.get_converters = lambda _: converters

    def bound(self, given: Sequence[Any]) -> Any:
        """The compiler for this thread's connection, with its work done."""
        # A copy for every call: compilers keep their connection and their results' state, and
        # threads share this statement.
        bound = copy(self.compiler)
        bound.connection = connections[DEFAULT_DB_ALIAS]
        # As Django's JSONField would have it; without a type, as statements are told their values.
        plain = [Json(one) if isinstance(one, dict | list) else one for one in given]
        call = self._call(bound.connection, plain)
        # Past the compiler's own work, which is what takes several times as long as running the
        # query.
        bound.as_sql = lambda: call
        return bound

    def _call(self, connection: Any, given: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        # A statement that one session was told another does not know. The text is still compiled
        # once.
        if connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
            # Connections come from a pool, each transaction's another one.
            return self.sql, self._filled(lambda place: given[place])
        self._tell(connection)
        places = ", ".join(["%s"] * len(given))
        return f"EXECUTE {self.name}" + (f"({places})" if places else ""), given

    def _tell(self, connection: Any) -> None:
        connection.ensure_connection()
        known = _known.setdefault(connection.connection, set())
        if self.name in known:
            return
        with connection.cursor() as cursor:
            # Constants are quoted into the text by psycopg; the places become $1, $2, as PREPARE
            # wants them. Types are left to PostgreSQL, which finds them by what they are compared
            # with.
            numbered = self._filled(lambda place: AsIs(f"${place + 1}"))
            text = cursor.mogrify(self.sql, numbered).decode()
            # A session's prepared statements outlive a rollback, so that `known` stays true when
            # the transaction around this one fails later.
            cursor.execute(f"PREPARE {self.name} AS {text}")
        # After it succeeded: one that failed is told again.
        known.add(self.name)

    def _filled(self, value: Callable[[int], Any]) -> list[Any]:
        return [value(one.place) if isinstance(one, _Given) else one for one in self.parameters]


@dataclass(frozen=True)
class _Source:
    """What Django's iterables ask of a QuerySet and of its query."""

    model: Any
    compiler: SQLCompiler
    db: ClassVar = DEFAULT_DB_ALIAS
    # A private name of Django's, as `_iterable_class` is: a new version has to pass this module's
    # tests first.
    _known_related_objects: ClassVar[dict[Any, Any]] = {}

    @property
    def query(self) -> _Source:
        return self

    def get_compiler(self, using: str) -> SQLCompiler:
        return self.compiler
