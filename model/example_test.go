package model_test

import (
	"context"
	"fmt"
	"log"

	"qgo/model"
	"qgo/model/chat"
	"qgo/model/demo"
)

// A program that asks a model a question. With a file of one's own it is
// model.Open(ctx, "qwen2.5-0.5b-instruct-q4_0.gguf", model.Options{}).
func Example() {
	f, err := demo.Open()
	if err != nil {
		log.Fatal(err)
	}
	m, err := model.Load(context.Background(), f, model.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	session, err := m.NewSession(0)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	prompt, err := m.Prompt(chat.Conversation{
		Messages:            []chat.Message{{Role: "user", Content: "What does strings.ToUpper do?"}},
		AddGenerationPrompt: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	for text, err := range session.Generate(context.Background(), prompt, model.Generation{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(text)
	}
	// Output: ToUpper returns s with all Unicode letters mapped to their upper case.
}
