package bench

import (
	"strings"

	"qgo/model"
)

// ScenarioPrompt returns the tokens of a request with that text: the user's
// message in the model's chat template.
func ScenarioPrompt(m *model.Model, text string) ([]int32, error) {
	return m.Prompt(conversation(text))
}

// WordsText is [ScenarioText] for a vocabulary that is not known: n words, most
// of which are a token each everywhere.
func WordsText(n int) (string, error) {
	return promptText(n, func(text string) (int, error) { return len(strings.Fields(text)), nil })
}
