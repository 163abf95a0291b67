# Lines that a machine might have written: log lines, ids, addresses, names and numbers, to learn to copy from.
#	awk -v n=20000 -v names=FILE -f machine.awk        names: a word a line
function pick(list, count) { return list[1 + int(rand() * count)] }
function digits(n,   s) { s = ""; while (n-- > 0) s = s int(rand() * 10); return s }
function hex(n,   s) { s = ""; while (n-- > 0) s = s substr("0123456789abcdef", 1 + int(rand() * 16), 1); return s }
function word() { return pick(vocabulary, n_vocabulary) }
function name() { return pick(people, n_people) }
function number() { return rand() < 0.5 ? digits(1 + int(rand() * 5)) : rand() < 0.5 ? digits(2) "." digits(1 + int(rand() * 3)) : digits(1) "," digits(3) }
function stamp() { return "20" (10 + int(rand() * 20)) "-" sprintf("%02d-%02d", 1 + int(rand() * 12), 1 + int(rand() * 28)) (rand() < 0.5 ? "T" : " ") sprintf("%02d:%02d:%02d", rand() * 24, rand() * 60, rand() * 60) (rand() < 0.3 ? "." digits(3) : "") (rand() < 0.3 ? "Z" : "") }
function month() { return pick(months, 12) " " (1 + int(rand() * 28)) " " sprintf("%02d:%02d:%02d", rand() * 24, rand() * 60, rand() * 60) }
function path(   s, i) { s = ""; for (i = 1 + int(rand() * 3); i > 0; i--) s = s "/" word(); return s (rand() < 0.5 ? "." pick(ends, n_ends) : "") }
function url() { return (rand() < 0.8 ? "https://" : "http://") word() "." pick(tops, n_tops) path() }
function address() { return int(rand() * 256) "." int(rand() * 256) "." int(rand() * 256) "." int(rand() * 256) }
function identifier() { return rand() < 0.4 ? word() "_" word() : rand() < 0.5 ? word() toupper(substr(word(), 1, 1)) word() : word() "-" digits(1 + int(rand() * 4)) }
function thing(   r) {
	r = rand()
	if (r < 0.12) return number()
	if (r < 0.22) return name()
	if (r < 0.30) return url()
	if (r < 0.36) return address()
	if (r < 0.42) return hex(6 + int(rand() * 10))
	if (r < 0.50) return identifier()
	if (r < 0.56) return path()
	if (r < 0.60) return tolower(name()) "@" word() "." pick(tops, n_tops)
	if (r < 0.64) return "#" digits(3 + int(rand() * 3))
	return word()
}
function things(n,   s) { s = thing(); while (--n > 0) s = s " " thing(); return s }
BEGIN {
	srand(20240401)
	n_levels = split("INFO WARN ERROR DEBUG info warning error notice [INFO] [ERROR] level=info FATAL", levels, " ")
	split("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", months, " ")
	n_ends = split("log txt json py c html conf png csv", ends, " ")
	n_tops = split("com org net example io gov edu de", tops, " ")
	while ((getline line < names) > 0) people[++n_people] = line
	while ((getline line < words) > 0) if (line ~ /^[A-Za-z]+$/) vocabulary[++n_vocabulary] = line
	for (i = 0; i < n; i++) {
		r = rand()
		if (r < 0.25) print stamp() " " pick(levels, n_levels) " " word() ": " things(2 + int(rand() * 6))
		else if (r < 0.40) print month() " " word() " " word() "[" digits(3 + int(rand() * 3)) "]: " things(2 + int(rand() * 6))
		else if (r < 0.50) print "{\"" word() "\":\"" things(1 + int(rand() * 3)) "\",\"" word() "\":" number() "}"
		else if (r < 0.60) print word() "=" thing() " " word() "=" thing() " " word() "=\"" things(2) "\""
		else print things(3 + int(rand() * 12))
	}
}
