using System.Text;

namespace HotModel.FunctionalTests.Routes;

/// <summary>Embeddings and ranking, from encoders that hotmodel switches to.</summary>
[Collection(RouteCollection.Name)]
public sealed class EncoderRouteTests(RouteServer server)
{
    private const string Ranked = """
        {"model": "@model", "query": "What is a lock?", "top_n": 2,
         "documents": ["ho", "it is a door's", "A lock keeps what is behind it from those who have no key."]}
        """;

    private static readonly Dictionary<string, Example> Embeddings = new()
    {
        ["one"] = new("v1/embeddings",
            """{"input": "good day", "model": "@model", "encoding_format": "float"}""", "\"embedding\":["),
        ["several"] = new("v1/embeddings",
            """{"input": ["good", "day"], "model": "@model", "encoding_format": "float"}""", "\"index\":1"),
        ["base64"] = new("v1/embeddings",
            """{"input": "good day", "model": "@model", "encoding_format": "base64"}""", "\"encoding_format\":\"base64\""),
        ["tokens"] = new("v1/embeddings", """{"input": [[300, 301], [302]], "model": "@model"}""", "\"index\":1"),
        ["not OpenAI's"] = new("embeddings", """{"input": ["good", "day"], "model": "@model"}""", "\"index\":1"),
        ["old"] = new("embedding", """{"content": "good day"}""", "\"index\":0"),
        ["normalised otherwise"] = new("embedding", """{"content": "good day", "embd_normalize": -1}""", "\"embedding\":[["),
        ["tokenize"] = new("tokenize", """{"content": "good day", "model": "@model"}""", "\"tokens\":["),
    };

    private static readonly Dictionary<string, Example> Rankings = new()
    {
        ["v1/rerank"] = new("v1/rerank", Ranked, "\"relevance_score\":"),
        ["v1/reranking"] = new("v1/reranking", Ranked, "\"relevance_score\":"),
        ["rerank"] = new("rerank", Ranked, "\"relevance_score\":"),
        ["reranking"] = new("reranking", Ranked, "\"relevance_score\":"),
        ["texts"] = new("rerank",
            """{"model": "@model", "query": "locks", "texts": ["ho", "a door's"], "return_text": true}""", "\"text\":"),
        ["no model"] = new("v1/rerank", """{"query": "locks", "documents": ["ho", "a door's"]}""", "\"index\":1"),
    };

    private static readonly string[] WrongBodies =
    [
        "", "{", "[]", "{}", """{"input": 5, "query": 5}""", """{"input": [], "query": "a", "documents": []}""",
        """{"input": [1, "a"], "query": "a", "documents": "b"}""", """{"input": "a", "encoding_format": "base65"}""",
        """{"input": "a", "embd_normalize": "much", "query": "a", "documents": ["b"], "top_n": "all"}""",
    ];

    public static TheoryData<string> EmbeddingNames => [.. Embeddings.Keys];
    public static TheoryData<string> RankingNames => [.. Rankings.Keys];

    [Theory]
    [MemberData(nameof(EmbeddingNames))]
    public Task Embedding_is_the_servers_own(string name) => server.SameAsync("embedder", Embeddings[name]);

    [Theory]
    [MemberData(nameof(RankingNames))]
    public Task Ranking_is_the_servers_own(string name) => server.SameAsync("ranker", Rankings[name]);

    [Theory]
    [InlineData("embedder", "v1/embeddings")]
    [InlineData("embedder", "embedding")]
    [InlineData("embedder", "v1/rerank")]
    [InlineData("embedder", "completion")]
    [InlineData("ranker", "rerank")]
    [InlineData("ranker", "v1/chat/completions/input_tokens")]
    public async Task Wrong_body_has_the_servers_own_error(string model, string path)
    {
        await server.UseAsync(model);
        foreach (var body in WrongBodies)
            await server.SameAsync(HttpMethod.Post, path, Encoding.UTF8.GetBytes(body));
    }
}
