using HotModel.Llama;

namespace HotModel.Tests.Llama;

/// <summary>Lines of llama-server 0.7.0, behind its router and alone.</summary>
public sealed class RequestQuotesTests
{
    private readonly RequestQuotes quotes = new();

    private List<string> Clean(params string[] lines) => [.. lines.Select(quotes.Clean).OfType<string>()];

    [Theory]
    [InlineData("[40299] 8.08.156.355 W srv    operator(): got exception: {\"error\":{\"message\":\"last read: 'secret\"}}")]
    [InlineData("8.08.156.355 W srv    operator(): got exception: secret")]
    [InlineData("srv    operator(): got another exception: secret | while handling exception: secret")]
    public void What_is_quoted_of_a_request_is_left_out(string line)
    {
        var cleaned = Assert.Single(Clean(line));
        Assert.DoesNotContain("secret", cleaned, StringComparison.Ordinal);
        Assert.EndsWith("exception: (left out: it may quote a request)", cleaned, StringComparison.Ordinal);
    }

    [Fact]
    public void Grammar_is_left_out_to_its_announced_end() => Assert.Equal(
        [
            "[1] parse: error parsing grammar (left out: it may quote a request)",
            "[1] 8.08.232.418 I slot get_availabl: id  0 | task -1 | selected slot by LCP",
            "[1] 8.08.232.528 E failed to parse grammar",
            "[1] GGML_ASSERT(x) failed",
        ],
        Clean(
            "[1] parse: error parsing grammar: expecting ')' at secret",
            "[1] ",
            "[1] root ::= secret",
            "[1] 8.08.232.418 I slot get_availabl: id  0 | task -1 | selected slot by LCP",
            "[1] secret ::= (",
            "[1] 8.08.232.528 E failed to parse grammar",
            "[1] GGML_ASSERT(x) failed"));

    /// <summary>They tell why a model is lost.</summary>
    [Theory]
    [InlineData("[1] terminate called after throwing an instance of 'std::runtime_error'")]
    [InlineData("[1] CUDA error: out of memory")]
    [InlineData("0.00.015.596 E llama_model_load: error loading model: tensor 'x' not found")]
    [InlineData("[1] 0.00.015.596 W srv    operator(): exception: x")]
    [InlineData("")]
    public void Other_lines_stay(string line) => Assert.Equal([line], Clean(line));
}
