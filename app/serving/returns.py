"""Whether clients that have their results come back for more at once, as those do that ask in a loop."""


class Returns:
    """Who is to be waited for when a batch has ended.

    Of clients in a loop, those who waited meanwhile would go without the others, who would go without them in turn: of
    four, one and three, which takes all of them a third longer than four together. Clients that come when they come
    are not waited for: so many of the last batches' have to have come back that this one's are likely to.

    Times are seconds, as by `time.monotonic`.

    Args:
        pause: how long after the batch, or after the one before, who comes back does.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._left = 0
        """How many the last batch had."""
        self._back = 0
        """How many have come since, no more than that."""
        self._share = 0.0
        """Of those who left that came back, of late."""
        self.heard = 0.0
        """When the last of them came, or else the batch ended."""

    def left(self, number: int, now: float) -> None:
        """A batch has ended, of so many."""
        if self._left:
            self._share += (self._back / self._left - self._share) / 4
        self._left, self._back, self.heard = number, 0, now

    def came(self, number: int, now: float) -> None:
        """So many have come, perhaps back."""
        if self._back < self._left and now < self.heard + self._pause:
            self._back, self.heard = min(self._left, self._back + number), now

    def expected(self, now: float) -> bool:
        """Whether more are likely to come."""
        return self._share > 0.5 and self._back < self._left and now < self.heard + self._pause
