"""Ranks that are threads of this process: a communicator for tests of what ranks do together."""

import threading

import numpy as np


class ThreadRanks:
    """One of the ranks of a group; `deterministic` as that of MPI."""

    def __init__(self, rank, group):
        self.rank, self.size, self._group = rank, group.size, group

    def reduce(self, parts, add):
        everyone = self._group.exchange(self.rank, parts)
        own = add(np.stack([parts[self.rank] for parts in everyone]))
        return np.stack(self._group.exchange(self.rank, own))

    def broadcast(self, data, root=0):
        return self._group.exchange(self.rank, data)[root]

    def gather(self, data):
        assert isinstance(data, bytes)
        return self._group.exchange(self.rank, data)

    def barrier(self):
        self._group.exchange(self.rank, None)


class Group:
    """What the threads share: for each call what the ranks gave."""

    def __init__(self, size):
        self.size, self._calls, self._made = size, [], [0] * size
        self._changed, self._left = threading.Condition(), False

    def exchange(self, rank, value):
        with self._changed:
            call, self._made[rank] = self._made[rank], self._made[rank] + 1
            if call == len(self._calls):
                self._calls.append({})
            given = self._calls[call]
            given[rank] = value
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(given) == self.size or self._left, timeout=60)
            if len(given) < self.size:
                raise ConnectionError("a rank is gone")
            return [given[each] for each in range(self.size)]

    def leave(self):
        with self._changed:
            self._left = True
            self._changed.notify_all()


def run_ranks(size, work):
    """What work(communicator) gives on each rank, or the error that it raises there."""
    group, results = Group(size), [None] * size

    def run(rank):
        try:
            results[rank] = work(ThreadRanks(rank, group))
        except BaseException as error:
            results[rank] = error
            group.leave()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    return results
