"""The entropy coding of JPEG XL: prefix codes, ANS, and copies of earlier values. Source: ISO/IEC 18181-1, annex C.

It is as slow as Python, so it is meant for small parts: ICC profiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

PRECISION_BITS = 12
"""Frequencies of ANS sum to 2 to the power of this."""
TOTAL = 1 << PRECISION_BITS
FINAL_STATE = 0x130000
"""Of ANS, when all symbols have been read."""
REPEAT = 13
"""In place of the logarithm of a frequency: the last one again."""
LOGARITHMS = {
    3: {0: 10, 2: 7, 4: 6, 5: 8, 6: 9},
    4: {3: 3, 7: 5, 9: 4, 11: 1, 15: 2},
    5: {17: 0},
    6: {33: 11},
    7: {1: 12, 65: REPEAT},
}
"""Bits of a code → its bits, the first one lowest → the logarithm of a frequency, plus one."""
CODE_LENGTHS = (1, 2, 3, 4, 0, 5, 17, 6, 16, 7, 8, 9, 10, 11, 12, 13, 14, 15)
"""The order of the lengths of codes of lengths of codes, as in Brotli (RFC 7932, 3.5)."""
LENGTHS_OF_LENGTHS = {2: {0: 0, 1: 4, 2: 3}, 3: {3: 2}, 4: {7: 1, 15: 5}}
"""As `LOGARITHMS`, for the lengths of codes of lengths."""


class Bits(Protocol):
    def u(self, count: int) -> int:
        """An unsigned number of so many bits, the lowest first. ValueError: the data end."""
        ...

    def u32(self, *ways: tuple[int, int]) -> int: ...


Symbols = Callable[[Bits], int]
"""Reads one symbol."""


@dataclass(frozen=True)
class HybridNumber:
    """How numbers are split into a symbol and plain bits."""

    split: int
    high: int
    low: int
    """Bits: below 2**split a number is its symbol; how many of the highest and the lowest bits are in the symbol."""

    @classmethod
    def of(cls, bits: Bits, alphabet_bits: int) -> HybridNumber:
        split = bits.u(alphabet_bits.bit_length())
        if split == alphabet_bits:
            return cls(split, 0, 0)
        high = bits.u(split.bit_length())
        if high > split:
            raise ValueError("its numbers are split wrongly")
        low = bits.u((split - high).bit_length())
        if high + low > split:
            raise ValueError("its numbers are split wrongly")
        return cls(split, high, low)

    def number(self, bits: Bits, symbol: int) -> int:
        if symbol < 1 << self.split:
            return symbol
        inside = self.high + self.low
        count = self.split - inside + ((symbol - (1 << self.split)) >> inside)
        if count > 32:
            raise ValueError("it holds a number that is too large")
        top = 1 << self.high | symbol >> self.low & ((1 << self.high) - 1)
        return (top << count | bits.u(count)) << self.low | symbol & ((1 << self.low) - 1)


class EntropyReader:
    """Numbers of a stream: `read(context)` gives the next one."""

    def __init__(self, bits: Bits, contexts: int) -> None:
        """Reads the tables. ValueError: they are damaged."""
        self._bits = bits
        self._copies = bool(bits.u(1))
        if self._copies:
            self._first_copy = bits.u32((224, 0), (512, 0), (4096, 0), (8, 15))
            self._least_copy = bits.u32((3, 0), (4, 0), (5, 2), (9, 8))
            self._copy_lengths = HybridNumber.of(bits, 8)
            contexts += 1
        self._clusters = _clusters(bits, contexts) if contexts > 1 else [0]
        count = max(self._clusters) + 1
        prefix = bits.u(1)
        alphabet_bits = 15 if prefix else 5 + bits.u(2)
        self._numbers = [HybridNumber.of(bits, alphabet_bits) for _ in range(count)]
        self._ans: _Ans | None = None
        if prefix:
            sizes = [_var_length(bits, 4) + 1 for _ in range(count)]
            self._codes: list[Symbols] = [_prefix_code(bits, size) for size in sizes]
        else:
            tables = [_AliasTable(_frequencies(bits), alphabet_bits) for _ in range(count)]
            self._ans = ans = _Ans()
            self._codes = [lambda bits, table=table: ans.symbol(bits, table) for table in tables]  # type: ignore[misc]
        self._read: list[int] = []
        self._copied = self._left = 0

    def read(self, context: int) -> int:
        value = self._next(context)
        self._read.append(value)
        return value

    def _next(self, context: int) -> int:
        if not self._left:
            cluster = self._clusters[context]
            symbol = self._codes[cluster](self._bits)
            if not self._copies or symbol < self._first_copy:
                return self._numbers[cluster].number(self._bits, symbol)
            self._left = self._copy_lengths.number(self._bits, symbol - self._first_copy) + self._least_copy
            cluster = self._clusters[-1]
            distance = self._numbers[cluster].number(self._bits, self._codes[cluster](self._bits)) + 1
            self._copied = len(self._read) - min(distance, len(self._read))
        self._left -= 1
        self._copied += 1
        return self._read[self._copied - 1] if self._read else 0

    def finish(self) -> None:
        """ValueError: what was read cannot be all that was written."""
        if self._ans is not None and self._ans.state != FINAL_STATE:
            raise ValueError("its entropy coding is damaged")


def _clusters(bits: Bits, contexts: int) -> list[int]:
    """Which code each context has."""
    if bits.u(1):
        width = bits.u(2)
        return [bits.u(width) for _ in range(contexts)]
    moves = bits.u(1)
    reader = EntropyReader(bits, 1)
    found = [reader.read(0) for _ in range(contexts)]
    reader.finish()
    if max(found) > 255:
        raise ValueError("it has too many codes")
    if not moves:
        return found
    order, made = list(range(256)), []
    for place in found:
        made.append(order[place])
        order.insert(0, order.pop(place))
    return made


def _var_length(bits: Bits, width: int) -> int:
    """A number whose count of bits is told in `width` bits."""
    if not bits.u(1):
        return 0
    count = bits.u(width)
    return (1 << count) + bits.u(count)


def _told(bits: Bits, codes: dict[int, dict[int, int]]) -> int:
    """A symbol of a fixed prefix code."""
    found = length = 0
    while length < max(codes):
        found |= bits.u(1) << length
        length += 1
        if found in codes.get(length, {}):
            return codes[length][found]
    raise ValueError("its entropy coding is damaged")


def _prefix_code(bits: Bits, size: int) -> Symbols:
    """A prefix code of `size` symbols, as in Brotli (RFC 7932, 3.4 and 3.5)."""
    if size == 1:
        return lambda _: 0
    skip = bits.u(2)
    lengths = _simple_lengths(bits, size) if skip == 1 else _coded_lengths(bits, size, skip)
    return _canonical(lengths)


def _canonical(lengths: dict[int, int]) -> Symbols:
    """The code whose symbols, by length and number, have ascending bits."""
    if len(lengths) == 1:
        only = next(iter(lengths))
        return lambda _: only
    table, code, before = {}, 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in lengths.items()):
        code <<= length - before
        before = length
        table[length, code] = symbol
        code += 1
    if not lengths or code != 1 << before:
        raise ValueError("it has a prefix code that is not complete")

    def told(bits: Bits) -> int:
        found = 0
        for length in range(1, before + 1):
            found = found << 1 | bits.u(1)
            if (length, found) in table:
                return table[length, found]
        raise ValueError("its entropy coding is damaged")

    return told


def _simple_lengths(bits: Bits, size: int) -> dict[int, int]:
    width, count = (size - 1).bit_length(), bits.u(2) + 1
    symbols = [bits.u(width) for _ in range(count)]
    if max(symbols) >= size or len(set(symbols)) < count:
        raise ValueError("it has a prefix code that is not complete")
    lengths = {1: [1], 2: [1, 1], 3: [1, 2, 2], 4: [2, 2, 2, 2]}[count]
    if count == 4 and bits.u(1):
        lengths = [1, 2, 3, 3]
    return dict(zip(symbols, lengths, strict=True))


def _coded_lengths(bits: Bits, size: int, skip: int) -> dict[int, int]:
    space, found = 32, {}
    for index in CODE_LENGTHS[skip:]:
        if space <= 0:
            break
        length = _told(bits, LENGTHS_OF_LENGTHS)
        if length:
            found[index] = length
            space -= 32 >> length
    symbol = _canonical(found)
    lengths: list[int] = []
    last, repeat, repeated, space = 8, 0, 0, 1 << 15
    while len(lengths) < size and space > 0:
        length = symbol(bits)
        if length < 16:
            lengths.append(length)
            last, repeat = length or last, 0
            space -= 1 << 15 >> length if length else 0
            continue
        wanted, extra = (last, 2) if length == 16 else (0, 3)
        before = repeat = repeat if repeated == wanted else 0
        repeated = wanted
        repeat = (max(repeat - 2, 0) << extra) + bits.u(extra) + 3
        lengths += [wanted] * (repeat - before)
        space -= (repeat - before) << (15 - wanted) if wanted else 0
    if len(lengths) > size or space:
        raise ValueError("it has a prefix code that is not complete")
    return {number: length for number, length in enumerate(lengths) if length}


def _frequencies(bits: Bits) -> list[int]:
    """Of each symbol of ANS, out of `TOTAL`."""
    if bits.u(1):
        count = bits.u(1) + 1
        symbols = [_var_length(bits, 3) for _ in range(count)]
        made = [0] * (max(symbols) + 1)
        made[symbols[0]] = bits.u(PRECISION_BITS) if count == 2 else TOTAL
        if count == 2:
            made[symbols[1]] = TOTAL - made[symbols[0]]
        return made
    if bits.u(1):
        size = _var_length(bits, 3) + 1
        return [TOTAL // size + (index < TOTAL % size) for index in range(size)]
    width = 0
    while width < 3 and bits.u(1):
        width += 1
    shift = (bits.u(width) | 1 << width) - 1
    size = _var_length(bits, 3) + 3
    logarithms: list[int] = []
    repeats: dict[int, int] = {}
    while len(logarithms) < size:
        found = _told(bits, LOGARITHMS)
        if found == REPEAT:
            repeats[len(logarithms)] = count = _var_length(bits, 3) + 4
            logarithms += [-1] * count
        else:
            logarithms.append(found)
    if len(logarithms) > size or max(logarithms) < 0:
        raise ValueError("its frequencies are damaged")
    rest = logarithms.index(max(logarithms))
    made = []
    for index, logarithm in enumerate(logarithms):
        if logarithm < 0:
            made.append(made[-1] if made else 0)
        elif index == rest or logarithm < 2:
            made.append(0 if index == rest else logarithm)
        else:
            power = logarithm - 1
            precision = max(0, min(power, shift - (PRECISION_BITS - power >> 1)))
            made.append((1 << power) + (bits.u(precision) << (power - precision)))
    made[rest] = TOTAL - sum(made)
    if made[rest] <= 0:
        raise ValueError("its frequencies are damaged")
    return made


class _AliasTable:
    """Symbols by the lower bits of the state of ANS."""

    def __init__(self, frequencies: list[int], alphabet_bits: int) -> None:
        size = 1 << alphabet_bits
        if len(frequencies) > size:
            raise ValueError("its frequencies are damaged")
        self.entry = TOTAL >> alphabet_bits
        self.frequencies = frequencies + [0] * (size - len(frequencies))
        self.cutoffs, self.others, self.offsets = list(self.frequencies), [0] * size, [0] * size
        if TOTAL in frequencies:
            only = frequencies.index(TOTAL)
            self.cutoffs, self.others = [0] * size, [only] * size
            self.offsets = [self.entry * index for index in range(size)]
            return
        over = [index for index in range(size) if self.cutoffs[index] > self.entry]
        under = [index for index in range(size) if self.cutoffs[index] < self.entry]
        while over:
            donor, taker = over[-1], under.pop()
            self.cutoffs[donor] -= self.entry - self.cutoffs[taker]
            self.others[taker], self.offsets[taker] = donor, self.cutoffs[donor]
            if self.cutoffs[donor] <= self.entry:
                over.pop()
                if self.cutoffs[donor] < self.entry:
                    under.append(donor)
        for index in range(size):
            if self.cutoffs[index] == self.entry:
                self.others[index] = index
                self.offsets[index] = self.cutoffs[index] = 0
            else:
                self.offsets[index] -= self.cutoffs[index]

    def found(self, value: int) -> tuple[int, int]:
        index, place = divmod(value, self.entry)
        if place >= self.cutoffs[index]:
            return self.others[index], self.offsets[index] + place
        return index, place


class _Ans:
    """The state of asymmetric numeral systems; it is read with the first symbol."""

    def __init__(self) -> None:
        self.state: int | None = None

    def symbol(self, bits: Bits, table: _AliasTable) -> int:
        state = bits.u(32) if self.state is None else self.state
        symbol, offset = table.found(state & (TOTAL - 1))
        state = table.frequencies[symbol] * (state >> PRECISION_BITS) + offset
        self.state = state << 16 | bits.u(16) if state < 1 << 16 else state
        return symbol
