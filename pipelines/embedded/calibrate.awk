# Temperature and threshold of P(unsafe) from development rows: "p TAB label TAB set" on stdin, p at temperature 1.
# Prints "temperature threshold". The temperature has the least negative log-likelihood, the threshold is the
# least one that keeps `keep` (0.97) of each set's benign rows; sets weigh the same in the likelihood.
#
#	awk -v keep=0.97 -f calibrate.awk < scores.tsv

BEGIN {
	FS = "\t"
	if (keep == "")
		keep = 0.97
}

{
	p = $1 < 1e-12 ? 1e-12 : $1 > 1 - 1e-12 ? 1 - 1e-12 : $1
	n++
	logit[n] = log(p / (1 - p))
	unsafe[n] = $2 == "unsafe"
	set[n] = $3
	rows[$3]++
	if (!unsafe[n])
		benign[$3]++
}

function loss(t,   i, sum) {
	for (i = 1; i <= n; i++)
		sum += log(1 + exp((unsafe[i] ? -1 : 1) * logit[i] / t)) / rows[set[i]]
	return sum
}

END {
	best = 1
	for (t = 0.3; t < 6; t *= 1.03)
		if (loss(t) < loss(best))
			best = t
	for (s in benign) {
		m = 0
		for (i = 1; i <= n; i++)
			if (set[i] == s && !unsafe[i])
				top[++m] = logit[i]
		may = int((1 - keep) * m)
		# the (may+1)-th largest benign score must stay under the threshold
		for (j = 0; j <= may; j++) {
			most = -1e9
			for (i = 1; i <= m; i++)
				if (top[i] > most) {
					most = top[i]
					at = i
				}
			top[at] = -1e9
		}
		if (most > least || least == "")
			least = most
	}
	printf "%.4f %.4f\n", best, 1 / (1 + exp(-least / best)) + 0.0001
}
