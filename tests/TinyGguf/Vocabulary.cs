using System.Globalization;

namespace TinyGguf;

/// <summary>Special tokens, one token per byte, syllables, and words of syllables that the tokenizer can merge.</summary>
/// <remarks>
/// SentencePiece merges pairs that are tokens themselves. "▁damori" is reached as da, ▁da, mo, ▁damo, ri, ▁damori, so
/// every longer word extends a shorter one, and an answer that comes back as history costs as many tokens as it had.
/// </remarks>
internal sealed class Vocabulary
{
    private const int Unknown = 2, Control = 3, Normal = 1, UserDefined = 4, Byte = 6;
    private const string Consonants = "bdfglmnprstvkz";
    private const string Vowels = "aeiou";
    private const char Space = '▁';

    private static readonly string[] InfillKeys = ["fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep", "fim_sep"];

    private readonly List<string> tokens = [];
    private readonly List<int> types = [];
    private readonly List<float> scores = [];

    public int Count => tokens.Count;
    public int FirstWord { get; }

    public Vocabulary(int size, SplitMix random, bool infills = false)
    {
        Add("<unk>", Unknown);
        foreach (var special in (ReadOnlySpan<string>)["<s>", "</s>", "<|im_start|>", "<|im_end|>"])
            Add(special, Control);
        Add("<tool_call>\n", UserDefined);
        if (infills)
        {
            foreach (var key in InfillKeys)
                Add($"<|{key}|>", Control);
        }
        for (var value = 0; value < 256; value++)
            Add(string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>"), Byte);
        var syllables = (from consonant in Consonants from vowel in Vowels select $"{consonant}{vowel}").ToArray();
        Add(Space.ToString(), Normal);
        foreach (var syllable in syllables)
            Add(syllable, Normal);
        foreach (var syllable in syllables)
            Add(Space + syllable, Normal);
        FirstWord = tokens.Count;
        if (size <= FirstWord)
            throw new ArgumentException($"--vocab must be more than {FirstWord}");
        var stems = Shuffled(syllables.Select(s => Space + s), random);
        while (tokens.Count < size)
        {
            stems = Shuffled(from stem in stems from syllable in syllables select stem + syllable, random);
            stems = stems[..Math.Min(stems.Length, size - tokens.Count)];
            foreach (var word in stems)
                Add(word, Normal);
        }
    }

    public void Describe(GgufMetadata metadata)
    {
        metadata.Add("tokenizer.ggml.model", "llama");
        metadata.Add("tokenizer.ggml.tokens", tokens);
        metadata.Add("tokenizer.ggml.scores", scores);
        metadata.Add("tokenizer.ggml.token_type", types);
        metadata.Add("tokenizer.ggml.unknown_token_id", 0u);
        metadata.Add("tokenizer.ggml.bos_token_id", 1u);
        metadata.Add("tokenizer.ggml.eos_token_id", 2u);
        foreach (var key in InfillKeys)
        {
            if (tokens.IndexOf($"<|{key}|>") is >= 0 and var token)
                metadata.Add($"tokenizer.ggml.{key}_token_id", (uint)token);
        }
    }

    /// <summary>How much a model that calls tools wants this token: the end, a call, and then the shortest JSON.</summary>
    public float Preference(int token) => tokens[token] switch
    {
        "<|im_end|>" => 4f,
        "<tool_call>\n" => 3f,
        "<0x22>" => 2f, // the quote that ends a string
        "<0x7D>" or "<0x5D>" => 1.5f, // the braces that end an object or an array
        "<0x3C>" => 1.25f, // the < of </tool_call>, before the comma that would begin another call
        _ => types[token] == Byte && token > ByteToken(' ') ? 1f - token / 1000f : 0f,
    };

    private int ByteToken(char value) => tokens.IndexOf("<0x00>") + value;

    private void Add(string token, int type)
    {
        scores.Add(type == Normal ? -tokens.Count : 0);
        tokens.Add(token);
        types.Add(type);
    }

    private static string[] Shuffled(IEnumerable<string> words, SplitMix random)
    {
        var all = words.ToArray();
        for (var i = all.Length - 1; i > 0; i--)
        {
            var j = random.Below(i + 1);
            (all[i], all[j]) = (all[j], all[i]);
        }
        return all;
    }
}
