package model_test

import (
	"context"
	"fmt"
	"log"

	"qgo/model"
	"qgo/model/chat"
	"qgo/model/demo"
)

// A program loads a model (model.Open does it by a file's path) and has it
// continue a conversation.
func Example() {
	f, err := demo.Open()
	if err != nil {
		log.Fatal(err)
	}
	m, err := model.Load(f, model.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession(0)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	prompt, err := m.Prompt(chat.Conversation{AddGenerationPrompt: true, Messages: []chat.Message{
		{Role: "system", Content: "You are a helpful assistant."},
		{Role: "user", Content: "What does strings.ToUpper do?"},
	}})
	if err != nil {
		log.Fatal(err)
	}
	for text, err := range s.Generate(context.Background(), prompt, model.Generation{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(text)
	}
	// Output: ToUpper returns s with all Unicode letters mapped to their upper case.
}
