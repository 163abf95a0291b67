# Of each row (source TAB rewrite TAB rewrite ...) the rewrite that keeps most of the source's words, beside the source; rows whose
# best one shares fewer than `least` (0.5) of the words of the longer side are left out: source TAB rewrite.
function words(s, count,   k, w, i, n) {
	s = tolower(s); gsub(/[^a-z0-9*\200-\377]+/, " ", s)
	k = split(s, w, " ")
	for (i = 1; i <= k; i++) { count[w[i]]++; n++ }
	return n
}
function share(a, b,   ca, cb, na, nb, w, both) {
	na = words(a, ca); nb = words(b, cb)
	for (w in ca) if (w in cb) both += ca[w] < cb[w] ? ca[w] : cb[w]
	return na + nb == 0 ? 0 : both / (na > nb ? na : nb)
}
BEGIN { FS = OFS = "\t"; if (least == "") least = 0.5 }
{
	best = least; at = 0
	for (i = 2; i <= NF; i++) if ($i != "" && (s = share($1, $i)) >= best && $i != $1) { best = s + 1e-9; at = i }
	if (at) print $1, $at
}
