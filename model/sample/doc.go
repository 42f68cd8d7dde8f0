// Package sample turns logits into the next token.
//
// A [Sampler] holds what depends on the text so far (the penalised tokens, the
// random numbers); [Params] says how it chooses. One token takes these steps,
// in this order, which is llama.cpp's:
//
//  1. logit bias: added to the logit of each listed token.
//  2. penalties, over the latest PenaltyWindow tokens, of which token i is
//     c(i) > 0: repetition (Keskar et al. 2019, arXiv:1909.05858, section 4.1):
//     a positive logit is divided by RepeatPenalty, another one multiplied with
//     it, so that both fall; then presence and frequency (OpenAI's API
//     reference): logit -= PresencePenalty + c(i) × FrequencyPenalty.
//  3. the [Constraint], if there is one: tokens it forbids are left out.
//  4. temperature 0 stops here with the largest logit (the lowest id of equals).
//  5. top-k (Fan et al. 2018, arXiv:1805.04833): the k largest logits stay.
//  6. top-p (Holtzman et al. 2020, arXiv:1904.09751): of what is left, the
//     smallest set of most likely tokens stays whose probability reaches p.
//  7. min-p (Nguyen et al. 2024, arXiv:2407.01082): tokens stay whose
//     probability is at least MinP times the largest.
//  8. temperature: logits are divided by it, and a token is drawn from the
//     softmax.
//
// Top-p and min-p therefore look at the model's own distribution: a higher
// temperature flattens the choice among the tokens that stay and admits no
// others.
//
// The same seed, parameters and logits give the same tokens on every machine:
// random numbers come from math/rand/v2's PCG, every sum runs in a fixed order,
// and nothing that a choice depends on is left to the machine to round. A token
// takes one random number where top-k or top-p is in force; else it may take
// several, as unlikely tokens are drawn by rejection sampling, which spares
// weighing all of them.
//
// [StopMatcher] ends a text at a stop string, and [LogProb] and [LogSoftmax]
// give log-probabilities.
package sample
