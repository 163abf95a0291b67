#!/usr/bin/env python3
"""SARI, chrF and chrF++ once more, by another way: a second derivation to test the C code against.

metrics.py make SEED N   prints N records of random texts with outputs and references
metrics.py check         reads what sr-score-rewrite makes of such records; exit 1 if a score differs by 1e-9"""
import json
import random
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
    """In floating point, so that ties between references fall as they do in sacreBLEU."""
    both = [(m / o, m / r) for o, r, m in stats if o and r]
    p, r = (sum(x[i] for x in both) / (len(both) or 1) for i in (0, 1))
    return 100 * 5 * p * r / (4 * p + r) if p + r else 0.0


def chrf_best(output, references, word_order):
    return max((chrf_stats(output, r, word_order) for r in references), key=chrf_score)


def make(seed, n):
    rng = random.Random(seed)
    pieces = ["a", "b", "A", "the", "dog", "dog.", "(dog)", "Ä", "ä", "日本", "é", "7", "!", " ", "\u2003", "don't"]

    def text():
        return " ".join(rng.choices(pieces, k=rng.randint(1, 12)))

    def edited(words):
        words = [w for w in words.split(" ") if rng.random() < 0.8]
        return " ".join(rng.choice(pieces) if rng.random() < 0.2 else w for w in words)

    for i in range(n):
        source = text()
        out = edited(source)
        if not out.strip():
            out = "empty"
        refs = [edited(source) for _ in range(rng.randint(1, 3))]
        print(json.dumps({"id": i, "text": source, "output": out, "references": refs}))


def check():
    sums, n, corpus, worst, seen = Fraction(0), 0, {}, 0.0, 0
    for line in sys.stdin:
        record = json.loads(line)
        if record.get("type") == "summary":
            row = record["systems"]["system"]
            pairs = [(row["sari"], sums / n), (row["chrf"], chrf_score(corpus[0])),
                     (row["chrf++"], chrf_score(corpus[2]))]
            seen = 1
        else:
            mine = sari(record["text"], record["output"], record["references"])
            sums, n = sums + mine[0], n + 1
            for order in (0, 2):
                stats = chrf_best(record["output"], record["references"], order)
                mine.append(chrf_score(stats))
                corpus[order] = [tuple(map(sum, zip(a, b)))
                                 for a, b in zip(corpus.get(order, [(0, 0, 0)] * len(stats)), stats)]
            theirs = record["scores"]["rewrite"]
            names = ("sari", "sari_keep", "sari_delete", "sari_add", "chrf", "chrf++")
            pairs = list(zip((theirs[k] for k in names), mine))
        worst = max([worst, *(abs(a - float(b)) for a, b in pairs)])
    if not seen or worst > 1e-9:
        sys.exit("metrics.py: %d records, summary %d, largest difference %g" % (n, seen, worst))


if sys.argv[1] == "make":
    make(int(sys.argv[2]), int(sys.argv[3]))
else:
    check()
