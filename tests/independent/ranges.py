"""Sets of numbers as ranges, since a range that somebody names may be as long as he likes."""


class Ranges:
    """Ranges without overlap, in order; both ends belong to each."""

    def __init__(self):
        self.list = []

    @classmethod
    def of(cls, numbers):
        out = cls()
        for n in sorted(numbers):
            if out.list and out.list[-1][1] >= n - 1:
                out.list[-1] = (out.list[-1][0], n)
            else:
                out.list.append((n, n))
        return out

    def add(self, a, b):
        keep = [r for r in self.list if r[1] < a - 1 or r[0] > b + 1]
        join = [r for r in self.list if not (r[1] < a - 1 or r[0] > b + 1)]
        keep.append((min([a] + [r[0] for r in join]), max([b] + [r[1] for r in join])))
        self.list = sorted(keep)

    def __contains__(self, n):
        return any(a <= n <= b for a, b in self.list)

    def __bool__(self):
        return bool(self.list)

    def numbers(self):
        """Each number: only for sets that were made of single numbers."""
        return [n for a, b in self.list for n in range(a, b + 1)]


def minus(a, b, *taken):
    """What of a to b is in none of the sets."""
    left = [(a, b)] if a <= b else []
    for ranges in taken:
        for x, y in ranges.list:
            left = [
                piece
                for p, q in left
                for piece in ([(p, q)] if q < x or p > y else [(p, x - 1), (y + 1, q)])
                if piece[0] <= piece[1]
            ]
    return left


def size(ranges):
    return sum(b - a + 1 for a, b in ranges)
