"""Load on a service, of which every request has to be accounted for."""

import http.client
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.helpers.process import Process, eventually, request

CLIENTS = 4


class Load:
    """Clients that create users all the time, each over a connection of its own."""

    def __init__(self, pick: Callable[[], Process]) -> None:
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.failures: list[str] = []
        self._pick = pick
        self._over = threading.Event()

    @classmethod
    @contextmanager
    def of(cls, pick: Callable[[], Process]) -> Iterator["Load"]:
        """Send requests to the process that `pick` returns for each of them."""
        load = cls(pick)
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(load._client) for _ in range(CLIENTS)]
            try:
                yield load
            finally:
                load._over.set()
        for client in clients:
            client.result()

    def goes_on(self) -> None:
        """Wait until more users were created."""
        enough = len(self.acknowledged) + 5 * CLIENTS
        eventually(lambda: len(self.acknowledged) >= enough)

    def _client(self) -> None:
        connections: dict[Process, http.client.HTTPConnection] = {}
        while not self._over.is_set():
            process = self._pick()
            connection = connections.setdefault(process, process.connection())
            email = f"{random.getrandbits(64):x}@example.com"
            self.sent.add(email)
            try:
                status, answer = request(
                    connection, "POST", "/users", {"email": email, "full_name": "x"}
                )
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                time.sleep(0.01)
                continue
            if status == 201:
                self.acknowledged.add(email)
            else:
                self.failures.append(str(answer))
        for connection in connections.values():
            connection.close()
