# One line of a source (jq -R) to the records of a set: paradetox from TSV, or a split of the pairs. A negative is
# hard if it holds one of $words.
def hard: [.text | ascii_downcase | scan("[a-z*]+")] | any($words[0][.]);

if $set == "paradetox" then
	split("\t") as $field | [$field[1:][] | select(. != "")] as $references |
	{id: "u\(input_line_number)", text: $field[0], label: "unsafe", references: $references},
	{id: "b\(input_line_number)", text: $references[0], label: "benign"}
else
	fromjson | select("pairs-" + .split == $set)
end |
if .label == "benign" then .hard = hard else . end
