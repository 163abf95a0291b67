# TSV tables of one header, put together as one table of Markdown: the first two columns flush left, the rest right.
function line(i, s)
{
	s = "|"
	for (i = 1; i <= NF; i++)
		s = s " " $i " |"
	return s
}

NR == 1 {
	print line()
	s = "|---|---|"
	for (i = 3; i <= NF; i++)
		s = s "---:|"
	print s
}

FNR > 1 {
	print line()
}
