# Scored records as TSV, to read them.
["id", "label", "hard", "p_unsafe", "changed", "sari", "chrf", "text", "output", "reference"],
(inputs | select(.type != "summary") |
	[.id, .label, .hard // "", .scores.safety.unsafe, .scores.rewrite.changed, .scores.rewrite.sari,
	 .scores.rewrite.chrf, .text, .output, (.references // [.benign])[0]]) | @tsv
