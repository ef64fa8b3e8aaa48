namespace HotModel.FunctionalTests.Routes;

/// <summary>The routes that take a prompt: completions of both kinds, infill, and the tokenizer's.</summary>
[Collection(RouteCollection.Name)]
public sealed class CompletionRouteTests(RouteServer server)
{
    private const string Prompt = """
        "model": "@model", "prompt": "A shop opens in five steps:", "n_predict": 12, "temperature": 0, "seed": 1
        """;
    private const string OpenAiPrompt = """
        "model": "@model", "prompt": "The point of it all is", "max_tokens": 12, "temperature": 0, "seed": 1
        """;
    private const string Gap = """
        "input_prefix": "int sum(int a, int b) {\n    ", "input_suffix": "\n}\n", "n_predict": 12, "temperature": 0
        """;

    private static readonly Dictionary<string, Example> Examples = new()
    {
        ["completion"] = new("completion", $$"""{{{Prompt}}}""", "\"stop_type\":\"limit\""),
        ["completion, streamed"] = new("completion", $$"""{{{Prompt}}, "stream": true}""", "\"stop\":true"),
        ["completion, alias"] = new("completions", $$"""{{{Prompt}}}""", "\"stop_type\":\"limit\""),
        ["completion, probabilities"] = new("completion",
            $$"""{{{Prompt}}, "n_probs": 3, "return_tokens": true, "stream": true}""", "top_logprobs"),
        ["completion, after sampling"] = new("completion",
            $$"""{{{Prompt}}, "n_probs": 2, "post_sampling_probs": true}""", "top_probs"),
        ["completion, prompts"] = new("completion",
            """
            {"prompt": ["one", [300, 301, 302], [303, "two", 304], {"prompt_string": "three"}],
             "n_predict": 4, "temperature": 0, "response_fields": ["content", "index", "generation_settings/n_predict"]}
            """, "\"index\":3"),
        ["completion, schema"] = new("completion",
            $$"""{{{Prompt}}, "json_schema": {"items": {"type": "boolean"}, "maxItems": 2} }""", "content"),
        ["completion, bias and stop"] = new("completion",
            $$"""{{{Prompt}}, "logit_bias": [[500, 5.5], ["word", false]], "stop": ["\n"], "cache_prompt": false}""",
            "stop_type"),
        ["completion, adapter"] = new("completion", $$"""{{{Prompt}}, "lora": [{"id": 0, "scale": 0.5}]}""", "\"scale\":0.5"),
        ["completions of OpenAI"] = new("v1/completions", $$"""{{{OpenAiPrompt}}}""", "\"text_completion\""),
        ["completions of OpenAI, streamed"] = new("v1/completions",
            $$"""{{{OpenAiPrompt}}, "stream": true, "stream_options": {"include_usage": true} }""", "data: [DONE]"),
        ["completions of OpenAI, more"] = new("v1/completions",
            """{"model": "@model", "prompt": ["x", "y"], "max_tokens": 4, "temperature": 0, "logprobs": 2}""", "top_logprobs"),
        ["infill"] = new("infill", $$"""{{{Gap}}}""", "<|fim_suf|>"),
        ["infill, streamed"] = new("infill",
            $$"""
            {{{Gap}}, "stream": true, "prompt": "return",
             "input_extra": [{"filename": "sum.h", "text": "int sum(int, int);\n"}]}
            """, "\"stop\":true"),
        ["tokenize"] = new("tokenize", """{"content": "Gr\u00fc\u00dfe, \u4e2d!", "add_special": true}""", "{\"tokens\":[1,"),
        ["tokenize, pieces"] = new("tokenize",
            """{"model": "@model", "content": "\u00e1", "with_pieces": true}""", "\"piece\":[195]"),
        ["detokenize"] = new("detokenize", """{"tokens": [100, 200, 300]}""", "\"content\""),
    };

    public static TheoryData<string> Names => [.. Examples.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public Task Example_has_the_servers_own_answer(string name) => server.SameAsync("coder", Examples[name]);
}
