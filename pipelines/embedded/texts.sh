#!/usr/bin/env bash
# Texts to pre-train on, one a line: texts.sh SHARED > texts.txt
# A fixed sample of each source, so that modern prose outweighs old books; a fifth is lower-cased.
set -eu -o pipefail
corpus=$1/data/corpus labels=$1/data/labels

# sample FILE BYTES: whole lines, drawn without order, the same ones every time
sample() {
	sort -R --random-source=<(yes sr-debias) "$corpus/$1" | awk -v most="$2" '(total += length($0) + 1) <= most'
}

# posts FILE COLUMN: a text of a CSV file a line, without HTML's entities
posts() {
	sr-prompt -i csv --template plain -f "text=$2" < "$labels/$1" | jq -r --arg column "$2" '.[$column] |
		gsub("&amp;"; "&") | gsub("&gt;"; ">") | gsub("&lt;"; "<") | gsub("\\s+"; " ") |
		ltrimstr(" ") | rtrimstr(" ") | select(. != "")'
}

{
	sample modern_sentences.txt 8000000
	sample onestopenglish.txt 3500000
	sample abc_news.txt 3500000
	sample wikisplit.txt 3000000
	sample wikitext_sentences.txt 1500000
	sample movie_reviews.txt 3000000
	sample books_1890_1950.txt 4000000
	sample sotu.txt 800000
	sample tinystories.txt 800000
	# labelled posts: the register of those who will be rewritten
	posts edos.csv text
	posts davidson.train.csv tweet
} | awk 'length($0) > 15 { print (NR % 5 == 0) ? tolower($0) : $0 }'
