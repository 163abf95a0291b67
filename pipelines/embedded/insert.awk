# Benign sentences with a toxic word or two put in, beside the sentence itself: toxic TAB benign.
#	awk -v n=20000 -v list=FILE -f insert.awk < sentences          list: word TAB log-odds TAB count ... (log-odds.awk)
# Words are drawn by the root of their counts; some are masked, shouted or drawn out, as people do.
function pick(   x, lo, hi, mid) {
	x = rand() * total; lo = 1; hi = words
	while (lo < hi) { mid = int((lo + hi) / 2); if (sum[mid] < x) lo = mid + 1; else hi = mid }
	return spell(word[lo])
}
function spell(w,   r, i, s) {
	r = rand()
	if (r < 0.08) return substr(w, 1, 1) "***" substr(w, length(w))
	if (r < 0.14) { s = w; for (i = 2; i < length(w); i++) if (substr(w, i, 1) ~ /[aeiou]/) { s = substr(w, 1, i - 1) "*" substr(w, i + 1); break } return s }
	if (r < 0.17) return toupper(w)
	return w
}
BEGIN {
	srand(20240402)
	while ((getline line < list) > 0) {
		split(line, f, "\t")
		if (f[1] ~ /^[a-z]+$/ && length(f[1]) > 3) { word[++words] = f[1]; total += sqrt(f[3]); sum[words] = total }
	}
}
made < n {
	k = split($0, t, " ")
	if (k < 4 || k > 32) next
	split("", before)
	for (i = 1 + (rand() < 0.3) + (rand() < 0.1); i > 0; i--) before[1 + int(rand() * k)] = pick()
	out = ""
	for (i = 1; i <= k; i++) out = out (i > 1 ? " " : "") (i in before ? before[i] " " : "") t[i]
	if (rand() < 0.12) out = (rand() < 0.5) ? out " , you " pick() : out " " pick()
	print out "\t" $0
	made++
}
