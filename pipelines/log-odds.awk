# The words that tell toxic texts from their neutral rewrites, best first: word, log-odds ratio, texts with it on
# either side. Words are as sr-score-rewrite --list has them. The ratio is of texts that hold the word, half a text
# added to every count; words of fewer than `least` (5) toxic texts are left out, since their ratio says little.
#
#	LC_ALL=C awk -f log-odds.awk train.tsv | sort -t$'\t' -k2,2gr -k3,3nr -k1,1 | head -n 100

BEGIN {
	FS = "\t"
	if (least == "")
		least = 5
}

function count(text, n,    i, k, w, word, seen)
{
	k = split(tolower(text), word, /[ \t\r]+/)
	for (i = 1; i <= k; i++) {
		w = word[i]
		gsub(/^[!-)+-\/:-@\[-`{-~]+|[!-)+-\/:-@\[-`{-~]+$/, "", w)
		if (w != "" && !(w in seen)) {
			seen[w]
			n[w]++
		}
	}
}

# Row by row a toxic text and its first rewrite, so that both sides are of one size.
FNR > 1 && $2 != "" {
	rows++
	count($1, toxic)
	count($2, neutral)
}

END {
	for (w in toxic) {
		a = toxic[w]
		b = neutral[w] + 0
		if (a >= least)
			printf "%s\t%.6f\t%d\t%d\n", w, log((a + .5) / (rows - a + .5)) - log((b + .5) / (rows - b + .5)), a, b
	}
}
