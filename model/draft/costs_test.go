package draft_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"qgo/model/demo"
	"qgo/model/draft"
	"qgo/model/draft/texts"
	"qgo/model/tokenizer"
)

// BenchmarkCosts reckons how many times as fast texts would be written on a machine
// where each further row of a pass costs a given share of the first, or all but nothing
// behind the second, as on a fast GPU, and nothing disturbs it: those of the package
// texts, and others that nothing was chosen by, the files of docs and cmd/qgo. Reported
// are the geometric mean over the texts of a kind, the least, and the shares of guessed
// tokens and of all that were right.
//
//	go test ./model/draft -run '^$' -bench Costs -benchtime 1x
func BenchmarkCosts(b *testing.B) {
	f, err := demo.Open()
	if err != nil {
		b.Fatal(err)
	}
	words, err := tokenizer.FromGGUF(f)
	if err != nil {
		b.Fatal(err)
	}
	const longestAnswer = 400 // tokens
	all := append(texts.Kinds(), otherTexts(b)...)
	for _, machine := range []struct{ second, more float64 }{{0, 0.1}, {0, 0.2}, {0, 0.44}, {1.1, 0.03}} {
		for _, kind := range []string{"edit", "quotes", "new code", "unrelated", "edits", "quoted sentences", "scattered quotes", "other code", "other articles"} {
			b.Run(fmt.Sprintf("%v+%v/%s", machine.second, machine.more, kind), func(b *testing.B) {
				logs, least, n := 0.0, math.Inf(1), 0
				var guessed, right, tokens int
				for _, k := range all {
					if k.Name != kind {
						continue
					}
					answer := words.Encode(nil, k.Answer, false)
					answer = answer[:min(len(answer), longestAnswer)]
					times, g, r := reckon(words.Encode(nil, k.Prompt, false), answer, machine.second, machine.more)
					logs, least, n = logs+math.Log(times), min(least, times), n+1
					guessed, right, tokens = guessed+g, right+r, tokens+len(answer)
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(math.Exp(logs/float64(n)), "times-as-fast")
				b.ReportMetric(least, "least")
				b.ReportMetric(float64(right)/float64(max(guessed, 1)), "accepted")
				b.ReportMetric(float64(right)/float64(tokens), "of-tokens")
				b.ReportMetric(float64(n), "texts")
			})
		}
	}
}

// reckon writes an answer as a session does, but for the model. A second row costs so much
// beside what each further one does.
func reckon(prompt, answer []int32, second, more float64) (times float64, guessed, right int) {
	const pass = 30 * time.Millisecond
	lookup, policy := draft.NewLookup(len(prompt)+len(answer)), draft.NewPolicy()
	for _, id := range prompt {
		lookup.Add(id)
	}
	guess := lookup.Find()
	var ahead []int32
	cost := 0.0
	for i, id := range answer[:len(answer)-1] {
		policy.Came(guess, id)
		lookup.Add(id)
		guess = lookup.Find()
		if len(ahead) > 0 && ahead[0] == id {
			ahead, right = ahead[1:], right+1
			continue
		}
		n := policy.Length(guess, len(answer)-2-i)
		ahead = append(ahead[:0], guess.Next[:n]...)
		took := 1 + more*float64(n)
		if n > 0 {
			took += second
		}
		policy.Took(1+n, time.Duration(took*float64(pass)))
		cost, guessed = cost+took, guessed+n
	}
	return float64(len(answer)-1) / cost, guessed, right
}

// name is a word of code that may be that of a variable.
var name = regexp.MustCompile(`\b[a-z][a-zA-Z]{4,}\b`)

// otherTexts are of kinds like those of the package texts.
func otherTexts(b *testing.B) (all []texts.Kind) {
	read := func(pattern string, most int) (files []string) {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) < 5 {
			b.Fatalf("%d files %s, %v", len(paths), pattern, err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				b.Fatal(err)
			}
			files = append(files, string(data[:min(len(data), most)]))
		}
		return files
	}
	docs := read("../../docs/*.md", 6000)
	for i, doc := range docs {
		var scattered strings.Builder
		for j, paragraph := range strings.Split(doc, "\n\n") {
			sentences := strings.SplitAfter(paragraph, ". ")
			lead := []string{"First of all, ", "It goes on: ", "What I find interesting: ", "To be exact, "}[j%4]
			fmt.Fprintf(&scattered, "- %s> %s\n", lead, strings.ReplaceAll(sentences[j*7%len(sentences)], "\n", " "))
		}
		next := docs[(i+1)%len(docs)]
		all = append(all,
			texts.Kind{Name: "quoted sentences", Prompt: doc, Answer: texts.Quotes(doc)},
			texts.Kind{Name: "scattered quotes", Prompt: doc, Answer: scattered.String()},
			texts.Kind{Name: "other articles", Prompt: doc, Answer: next})
	}
	for _, code := range read("../../cmd/qgo/bench*.go", 4000) {
		names := name.FindAllString(code, -1)
		variable := names[len(names)/2]
		renamed := regexp.MustCompile(`\b`+variable+`\b`).ReplaceAllString(code, "otherName")
		all = append(all,
			texts.Kind{Name: "edits", Prompt: code, Answer: renamed},
			texts.Kind{Name: "other code", Prompt: "Write code.\n", Answer: code})
	}
	return all
}
