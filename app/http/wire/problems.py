"""What is wrong with the rows of one request: the first twenty problems, each with its place."""

from collections import Counter
from collections.abc import Sequence

from app.errors import Invalid, Problem, TooLarge

MOST = 20
SHOWN = 60


class Problems:
    """Collects what is wrong; raises `Invalid` by itself once twenty are found.

    `place` writes where a row is in the sender's own terms, "instances[{}]" or "line {}", from the row's
    number or, where the two differ, from `numbers[row]`.
    """

    def __init__(self, place: str, numbers: Sequence[int] | None = None) -> None:
        self._place = place
        self._numbers = numbers
        self._found: list[Problem] = []

    def add(self, row: int, message: str, column: str | None = None) -> None:
        """Notes one problem of row `row`, counted from 0."""
        where = f"row {row}" if column is None else f"row {row}, column {shown(column)}"
        location = self._place.format(row if self._numbers is None else self._numbers[row])
        named = None if column is None else printable(column)
        self._found.append(Problem(message=f"{where}: {message}", location=location, row=row, column=named))
        if len(self._found) == MOST:
            self.settle()

    def settle(self) -> None:
        """Raises `Invalid` if anything was found."""
        if self._found:
            raise Invalid(*self._found)


def check_rows(rows: int, most: int) -> None:
    """Raises `TooLarge` if there are more than `most` rows in a prediction."""
    if rows > most:
        raise TooLarge(
            what=f"A prediction of {rows} rows", limit=most, unit="rows", setting="max_predict_rows"
        )


def printable(text: str) -> str:
    """The text cut to a bearable length, and without what UTF-8 cannot say."""
    cut = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    return cut.encode("utf-8", "backslashreplace").decode()


def shown(text: str) -> str:
    """The text in quotes, cut to a bearable length."""
    return repr(printable(text))


def described(value: object) -> str:
    """A JSON value in a sentence: "the string 'abc'", "null", "a list"."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {printable(repr(value))}"
        case str():
            return f"the string {shown(value)}"
        case list():
            return f"a list of {len(value)}"
        case _:
            return "an object"


def listed(names: tuple[str, ...]) -> str:
    """Names in a sentence, the first dozen of them."""
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return ", ".join(shown(name) for name in names[:12]) + more


def wrong(message: str, *, location: str | None = None, column: str | None = None) -> Invalid:
    """The error for what is wrong with the request as a whole, or with one column of it."""
    return Invalid(Problem(message=message, location=location, column=column))


def check_header(found: Sequence[str], schema: tuple[str, ...]) -> None:
    """Raises `Invalid` unless the columns that were sent are those of the schema, in any order, each once."""
    sent, known = Counter(found), set(schema)
    missing = [name for name in schema if name not in sent]
    unknown = [name for name in sent if name not in known]
    twice = [name for name, times in sent.items() if times > 1 and name in known]
    problems = [
        *(_header_problem("the column is missing", name) for name in missing),
        *(
            _header_problem(f"no such column; the model's columns are {listed(schema)}", name)
            for name in unknown
        ),
        *(_header_problem("the column is there twice", name) for name in twice),
    ]
    if problems:
        raise Invalid(*problems[:MOST])


def _header_problem(message: str, name: str) -> Problem:
    return Problem(message=f"column {shown(name)}: {message}", location="header", column=printable(name))
