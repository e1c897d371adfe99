"""What the servers answer, looked at before and after they are loaded.

A server that is fast because it answers something else measures nothing.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any
from uuid import UUID

ORDERS = 5
"""Orders of each user in the database."""

PATHS = {
    "list20": "/users?limit=20",
    "list100": "/users?limit=100",
    "nested20": "/users?limit=20&include=orders",
}
SIZES = {"list20": 20, "list100": 100, "nested20": 20}
ID_VERSION = 7
USER = {"id", "created_at", "email", "full_name"}

SIZE_TOLERANCE = 0.05
"""What a body may be longer or shorter than another: a list has no cursor, a time may lack a Z."""


class WrongAnswerError(Exception):
    """A server does not do what the others are measured by."""


@dataclass(frozen=True)
class Answer:
    """The body of an answer."""

    body: bytes

    @property
    def users(self) -> list[dict[str, Any]]:
        """The users in it, in a form that is the same for all servers."""
        content = json.loads(self.body)
        if isinstance(content, dict):
            content = content.get("items", [content])
        return [plain(user) for user in content]


def plain(row: dict[str, Any]) -> dict[str, Any]:
    created_at = datetime.fromisoformat(row["created_at"])
    orders = {"orders": [plain(order) for order in row["orders"]]} if "orders" in row else {}
    # A driver may not tell that a time is UTC.
    return row | orders | {"created_at": created_at.replace(tzinfo=created_at.tzinfo or UTC)}


class Client:
    """One connection to a server, for requests one after another."""

    def __init__(self, port: int, ids: Sequence[str]) -> None:
        self.connection = HTTPConnection("127.0.0.1", port)
        self.ids = ids
        self.number = 0

    def send(self, case: str) -> Answer:
        """Send a request of the case.

        Raises:
            WrongAnswerError: it failed.
        """
        self.number += 1
        if case == "post":
            user = {"email": f"{time.time_ns()}@example.com", "full_name": "Somebody New"}
            headers = {"Content-Type": "application/json"}
            self.connection.request("POST", "/users", json.dumps(user), headers)
        else:
            user_id = self.ids[self.number % len(self.ids)]
            self.connection.request("GET", PATHS.get(case, f"/users/{user_id}"))
        response = self.connection.getresponse()
        body = response.read()
        if response.status != (201 if case == "post" else 200):
            message = f"{case}: {response.status} {body[:200]!r}"
            raise WrongAnswerError(message)
        return Answer(body)


def compare(case: str, ports: dict[str, int], ids: Sequence[str]) -> None:
    """Ask each server for the same, and see that it is what was seeded and equal on all of them.

    Raises:
        WrongAnswerError: the name of the server is in the message.
    """
    answers: dict[str, Answer] = {}
    for name, port in ports.items():
        client = Client(port, ids)
        try:
            answers[name] = client.send(case)
            check(case, answers[name].users, ids)
            if case == "post":
                # A new user belongs behind all others, or the pages are others from then on.
                check("nested20", client.send("nested20").users, ids)
        except (WrongAnswerError, KeyError, ValueError) as error:
            message = f"{name} does not answer as it should: {error}"
            raise WrongAnswerError(message) from error
        finally:
            client.connection.close()
    first, *others = answers
    for name in others:
        if case != "post" and answers[name].users != answers[first].users:
            message = f"{name} and {first} answer differently: {case}"
            raise WrongAnswerError(message)
        ratio = len(answers[name].body) / len(answers[first].body)
        if abs(ratio - 1) > SIZE_TOLERANCE:
            message = f"{name} sends {ratio:.2f} times the bytes of {first}: {case}"
            raise WrongAnswerError(message)


def check(case: str, users: Sequence[dict[str, Any]], ids: Sequence[str]) -> None:
    expected = ids[: SIZES[case]] if case in SIZES else [ids[1]]
    if case == "post":
        expected = [users[0]["id"]]
        if UUID(expected[0]).version != ID_VERSION:
            message = "post makes ids of another kind, some of which sort before those of the seed"
            raise WrongAnswerError(message)
    if [user["id"] for user in users] != list(expected):
        message = f"{case} returns other users than those that were seeded"
        raise WrongAnswerError(message)
    for user in users:
        if user.keys() - {"orders"} != USER:
            message = f"{case} returns a user with {sorted(user)}"
            raise WrongAnswerError(message)
        if len(user.get("orders", [])) != (ORDERS if case == "nested20" else 0):
            message = f"{case} returns {len(user.get('orders', []))} orders of a user"
            raise WrongAnswerError(message)
