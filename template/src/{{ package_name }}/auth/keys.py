"""The keys that tokens are verified with."""

from collections.abc import Sequence

from jwt import PyJWK, PyJWKSet


class Keys:
    """The keys of a set that sign by one of the algorithms, by their ids.

    A key has the algorithm that the set names for it, or the usual one of its kind; a token cannot
    choose another.
    """

    def __init__(self, key_set: PyJWKSet, algorithms: Sequence[str]) -> None:
        self._keys = {
            key.key_id: key
            for key in key_set
            if key.algorithm_name in algorithms and key.public_key_use in {None, "sig"}
        }
        if not self._keys:
            message = f"no key is for {', '.join(algorithms)}"
            raise ValueError(message)

    def get(self, key_id: str | None) -> PyJWK | None:
        """Return the key; a token may leave out the id where there is only one."""
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    async def find(self, key_id: str | None) -> PyJWK | None:
        """Return the key, or None if there is none of that id."""
        return self.get(key_id)
