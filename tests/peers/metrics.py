#!/usr/bin/env python3
"""SARI, chrF and chrF++ once more, by another way: a second derivation to test the C code against.

Reads TAB-separated lines (source, output, reference...) and prints for each line SARI, its keep, delete
and add parts, chrF and chrF++; then a line `corpus` with the mean SARI, chrF and chrF++."""
import string
import sys
from collections import Counter
from fractions import Fraction


def grams(tokens, n):
    return Counter(tuple(tokens[i:i + n]) for i in range(len(tokens) - n + 1))


def f1(p, r):
    return 2 * p * r / (p + r) if p + r else Fraction(0)


def share(num, den):
    """The mean over the keys of `den` of num/den; 0 for none."""
    den = {k: v for k, v in den.items() if v > 0}
    return sum(Fraction(num[k], den[k]) for k in den) / len(den) if den else Fraction(0)


def sari(source, output, references):
    """In multisets: everything is counted as often as there are references."""
    parts = []
    for n in range(1, 5):
        def view(text):
            return grams(text.lower().split(" "), n)
        s, o = view(source), view(output)
        r = sum((view(x) for x in references), Counter())
        s = Counter({k: v * len(references) for k, v in s.items()})
        o = Counter({k: v * len(references) for k, v in o.items()})
        keep = f1(share((s & o) & r, s & o), share((s & o) & r, s & r))
        delete = share((s - o) - r, s - o)
        added, wanted = set(o) - set(s), set(r) - set(s)
        hit = len(added & set(r))
        add = f1(Fraction(hit, len(added) or 1), Fraction(hit, len(wanted) or 1))
        parts.append((keep, delete, add))
    keep, delete, add = (100 * sum(p) / 4 for p in zip(*parts))
    return [(keep + delete + add) / 3, keep, delete, add]


def words(text):
    out = []
    for w in text.split():
        if len(w) > 1 and w[-1] in string.punctuation:
            out += [w[:-1], w[-1]]
        elif len(w) > 1 and w[0] in string.punctuation:
            out += [w[0], w[1:]]
        else:
            out.append(w)
    return out


def chrf_stats(output, reference, word_order):
    stats = []
    for view, orders in ((lambda t: list("".join(t.split())), 6), (words, word_order)):
        for n in range(1, orders + 1):
            o, r = grams(view(output), n), grams(view(reference), n)
            stats.append((sum(o.values()) if r else 0, sum(r.values()), sum((o & r).values())))
    return stats


def chrf_score(stats):
    both = [(Fraction(m, o), Fraction(m, r)) for o, r, m in stats if o and r]
    if not both:
        return Fraction(0)
    p, r = (sum(x) / len(both) for x in zip(*both))
    return 500 * p * r / (4 * p + r) if p + r else Fraction(0)


def chrf_best(output, references, word_order):
    return max((chrf_stats(output, r, word_order) for r in references), key=chrf_score)


def main():
    total, n, corpus = Fraction(0), 0, {0: None, 2: None}
    for line in sys.stdin.buffer:
        source, output, *references = line.decode().rstrip("\n").split("\t")
        row = sari(source, output, references)
        total, n = total + row[0], n + 1
        for order in (0, 2):
            stats = chrf_best(output, references, order)
            row.append(chrf_score(stats))
            if corpus[order]:
                stats = [tuple(map(sum, zip(a, b))) for a, b in zip(corpus[order], stats)]
            corpus[order] = stats
        print(*("%.12f" % x for x in row), sep="\t")
    if n:
        print("corpus", *("%.12f" % x for x in (total / n, *(chrf_score(corpus[o]) for o in (0, 2)))), sep="\t")


main()
