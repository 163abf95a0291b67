# The held-out rows of a TSV file: the N rows (600) whose first field has the smallest hash, in the order of
# the file, under its header. The hash is of the text alone, so the choice does not depend on the order of
# the rows, nor on chance.
#
#	LC_ALL=C awk -f held-out.awk [-v n=600] paradetox.train.tsv > held-out.tsv

BEGIN {
	FS = "\t"
	if (n == "")
		n = 600
	for (i = 1; i < 256; i++)
		ord[sprintf("%c", i)] = i
}

# Bernstein's hash modulo a prime under 2^31, exact in awk's double numbers; two rounds of a
# multiplication so that short texts spread too.
function hash(s,    h, i)
{
	h = 5381
	for (i = 1; i <= length(s); i++)
		h = (h * 33 + ord[substr(s, i, 1)]) % 2147483629
	return h * 48271 % 2147483629 * 69621 % 2147483629
}

FNR == 1 {
	header = $0
	next
}

!($1 in seen) {
	seen[$1]
	row[++rows] = $0
	key[rows] = hash($1)
}

# The n-th smallest key: a heap of the n smallest, the largest of them on top.
END {
	if (rows < n) {
		print "held-out.awk: only " rows " rows" > "/dev/stderr"
		exit 1
	}
	for (i = 1; i <= rows; i++) {
		if (size < n) {
			for (j = ++size; j > 1 && heap[int(j / 2)] < key[i]; j = int(j / 2))
				heap[j] = heap[int(j / 2)]
			heap[j] = key[i]
		} else if (key[i] < heap[1]) {
			for (j = 1; 2 * j <= n; j = k) {
				k = 2 * j
				if (k < n && heap[k + 1] > heap[k])
					k++
				if (heap[k] <= key[i])
					break
				heap[j] = heap[k]
			}
			heap[j] = key[i]
		}
	}
	print header
	for (i = 1; i <= rows && n > 0; i++)
		if (key[i] <= heap[1]) {
			print row[i]
			n--
		}
}
