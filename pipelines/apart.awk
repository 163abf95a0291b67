# The lines of a TSV file (or of any text) that share nothing with a held-out file: no field of theirs equals
# one of its fields or comes near it. Equal means the same letters and digits; near means a Jaccard index
# over 0.6 of the sets of character 5-grams. Fields of fewer than 8 letters and digits (labels, numbers)
# are not compared.
#
#	LC_ALL=C awk -f apart.awk held-out.tsv paradetox.train.tsv > train.tsv
#
# The first line of each file is its header (-v header=0: there is none).

BEGIN {
	FS = "\t"
	if (header == "")
		header = 1
}

function plain(s)
{
	s = tolower(s)
	gsub(/[^a-z0-9\200-\377]+/, " ", s)
	sub(/^ /, "", s)
	sub(/ $/, "", s)
	return s
}

# The different 5-grams of s in gram[1..]; their number.
function grams(s, gram,    i, g, n, known)
{
	for (i = 1; i <= length(s) - 4; i++) {
		g = substr(s, i, 5)
		if (!(g in known)) {
			known[g]
			gram[++n] = g
		}
	}
	return n
}

function near(s,    gram, n, i, j, m, place, both)
{
	if (s in held)
		return 1
	n = grams(s, gram)
	for (i = 1; i <= n; i++) {
		m = split(where[gram[i]], place, " ")
		for (j = 1; j <= m; j++)
			both[place[j]]++
	}
	for (i in both)
		if (both[i] > 0.6 * (n + size[i] - both[i]))
			return 1
	return 0
}

FNR == 1 && header {
	if (NR != FNR)
		print
	next
}

NR == FNR {
	for (f = 1; f <= NF; f++) {
		s = plain($f)
		if (length(s) < 8 || s in held)
			continue
		held[s] = ++texts
		size[texts] = n = grams(s, gram)
		for (i = 1; i <= n; i++)
			where[gram[i]] = where[gram[i]] " " texts
	}
	next
}

{
	for (f = 1; f <= NF; f++) {
		s = plain($f)
		if (length(s) >= 8 && near(s))
			next
	}
	print
}
