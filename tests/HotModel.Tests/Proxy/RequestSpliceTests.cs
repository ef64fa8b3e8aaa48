using System.Text;
using System.Text.Json.Nodes;
using HotModel.Proxy;

namespace HotModel.Tests.Proxy;

public class RequestSpliceTests
{
    private static string Splice(string body, string model, params string[] messages)
    {
        ChatRequest request = ChatRequest.Read(Encoding.UTF8.GetBytes(body)).Request!;
        var splice = RequestSplice.Create(
            request, model, [.. messages.Select(message => (ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes(message))]);
        return string.Concat(splice.Pieces.Select(piece => Encoding.UTF8.GetString(piece.Span)));
    }

    [Theory]
    [InlineData("""{"model":"x","messages":[{}]}""", """{"model":"m","messages":[{"a":1},{"b":2}]}""")]
    [InlineData("""{"messages" : [ {} ] , "model":null}""", """{"messages" : [{"a":1},{"b":2}] , "model":"m"}""")]
    [InlineData(""" { "messages":[{}]}""", """ {"model":"m", "messages":[{"a":1},{"b":2}]}""")]
    [InlineData("""{"session_id":"s","messages":[{}]}""", """{"model":"m","messages":[{"a":1},{"b":2}]}""")]
    [InlineData("""{"messages":[{}] , "session_id" : "s" }""", """{"model":"m","messages":[{"a":1},{"b":2}]  }""")]
    [InlineData("""{"model":"x","session_id":null ,"messages":[{}]}""", """{"model":"m","messages":[{"a":1},{"b":2}]}""")]
    [InlineData("""{"messages":[{}],"session_id":"s","model":"x"}""", """{"messages":[{"a":1},{"b":2}],"model":"m"}""")]
    public void Create_replaces_model_and_messages_and_cuts_session(string body, string expected) =>
        Assert.Equal(expected, Splice(body, "m", """{"a":1}""", """{"b":2}"""));

    [Fact]
    public void Create_model_that_needs_escaping_is_escaped() =>
        Assert.Equal("""{"model":"a\"\\ü/b:Q8","messages":[{}]}""", Splice("""{"model":"x","messages":[{}]}""", "a\"\\ü/b:Q8", "{}"));

    /// <summary>Any order, any white space, any other properties: all that is not replaced or cut is the same bytes.</summary>
    [Fact]
    public void Create_random_bodies_change_nothing_else()
    {
        for (int seed = 0; seed < 2000; seed++)
        {
            var random = new Random(seed);
            string Space() => string.Concat(Enumerable.Range(0, random.Next(3)).Select(_ => " \t\r\n"[random.Next(4)]));
            var properties = new List<(string Name, string Raw)> { Property("messages", "[ {\"role\":\"user\"} ]") };
            if (random.Next(2) == 0)
                properties.Add(Property("model", random.Next(2) == 0 ? "null" : "\"old\""));
            bool hasSession = random.Next(2) == 0;
            if (hasSession)
                properties.Add(Property("session_id", "\"s,}\\\"\""));
            for (int i = random.Next(4); i > 0; i--)
                properties.Add(Property($"other{i}", Values[random.Next(Values.Length)]));
            (string Name, string Raw)[] shuffled = [.. properties];
            random.Shuffle(shuffled);
            (string before, string inside, string behind) = (Space(), Space(), Space());
            string body = Body(shuffled.Select(p => p.Raw));

            string result = Splice(body, "new", "{\"n\":1}");

            JsonObject parsed = JsonNode.Parse(result)!.AsObject();
            Assert.Equal("new", (string?)parsed["model"]);
            Assert.Equal("""[{"n":1}]""", parsed["messages"]!.ToJsonString());
            Assert.False(parsed.ContainsKey("session_id"));
            Assert.All(properties.Where(p => p.Name.StartsWith("other", StringComparison.Ordinal)),
                p => Assert.Contains(p.Raw.Trim(), result, StringComparison.Ordinal));
            if (!hasSession && properties.Any(p => p.Name == "model"))
                Assert.Equal(Body(shuffled.Select(Replaced)), result);

            string Body(IEnumerable<string> raw) => $"{before}{{{string.Join(',', raw)}{inside}}}{behind}";

            (string, string) Property(string name, string value) =>
                (name, $"{Space()}\"{name}\"{Space()}:{Space()}{value}{Space()}");
        }

        static string Replaced((string Name, string Raw) property) => property.Name switch
        {
            "messages" => property.Raw.Replace("[ {\"role\":\"user\"} ]", "[{\"n\":1}]", StringComparison.Ordinal),
            "model" => property.Raw.Replace("null", "\"new\"", StringComparison.Ordinal)
                .Replace("\"old\"", "\"new\"", StringComparison.Ordinal),
            _ => property.Raw,
        };
    }

    private static readonly string[] Values =
    [
        "1.0e5", "true", "\"a\\u0041 ü \\\" } ]\"", "[ 1, 2 ,3]", "{ \"model\": \"x\", \"messages\": [ ] }", "\"\"", "[]",
        "{\"session_id\":\"inner\"}",
    ];
}
