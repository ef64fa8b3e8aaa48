namespace HotModel.FunctionalTests.Routes;

/// <summary>What would load or unload a model behind hotmodel's back.</summary>
[Collection(RouteCollection.Name)]
public sealed class RefusedRouteTests(RouteServer server)
{
    [Theory]
    [InlineData("POST", "models/load", """{"model": "ranker"}""")]
    [InlineData("POST", "models/unload", """{"model": "coder"}""")]
    [InlineData("POST", "models", """{"model": "some/repository:Q4"}""")]
    [InlineData("DELETE", "models?model=coder", null)]
    [InlineData("POST", "v1/models/load", """{"model": "ranker"}""")]
    [InlineData("POST", "v1/models/unload", """{"model": "coder"}""")]
    [InlineData("DELETE", "v1/models/coder", null)]
    [InlineData("GET", "models/sse", null)]
    [InlineData("GET", "v1/models/sse", null)]
    [InlineData("DELETE", "v1/stream/any", null)]
    [InlineData("GET", "v1/stream/any", null)]
    [InlineData("GET", "v1/stream?conv_id=any", null)]
    [InlineData("POST", "v1/streams/lookup", """{"conversation_ids": ["any"]}""")]
    public async Task Route_is_refused_and_the_model_stays(string method, string path, string? body)
    {
        await server.UseAsync("coder");
        var child = server.Process.ModelChild.Pid;
        var bytes = body is null ? null : System.Text.Encoding.UTF8.GetBytes(body);
        var reply = await server.Through.RawAsync(new HttpMethod(method), path, bytes);
        Assert.True(reply.Status == 403, $"{reply.Status} {reply.Text}");
        Assert.Contains("/admin/switch", reply.Text);
        Assert.Equal(200, (await server.Through.RawAsync(HttpMethod.Get, "props")).Status);
        Assert.Equal(child, server.Process.ModelChild.Pid);
    }

    [Fact]
    public async Task Query_that_names_another_model_loads_nothing()
    {
        await server.UseAsync("coder");
        var child = server.Process.ModelChild.Pid;
        foreach (var path in (string[])["props", "slots", "metrics", "lora-adapters"])
        {
            var reply = await server.Through.RawAsync(HttpMethod.Get, path + "?model=ranker&autoload=true");
            Assert.True(reply.Status == 409, $"{path}: {reply.Status} {reply.Text}");
            Assert.Contains("\"other_model_active\"", reply.Text);
            Assert.Contains("The active model is 'coder'.", reply.Text);
        }
        Assert.Equal(child, server.Process.ModelChild.Pid);
        Assert.Equal("coder", (string?)(await server.Process.StateAsync())["active_model"]);
    }

    /// <summary>With the header llama-server would go on for a client that has left.</summary>
    [Fact]
    public async Task Conversation_header_stays_here()
    {
        await server.UseAsync("coder");
        var body = """{"prompt": "a", "n_predict": 4, "stream": true}"""u8.ToArray();
        static void WithHeader(HttpRequestMessage request) => request.Headers.Add("X-Conversation-Id", "kept");
        Assert.Equal(200, (await server.Through.RawAsync(HttpMethod.Post, "completion", body, edit: WithHeader)).Status);
        Assert.DoesNotContain("kept", await KeptAsync());
        await server.Direct.RawAsync(HttpMethod.Post, "completion", body, edit: WithHeader);
        Assert.Contains("kept", await KeptAsync());
        await server.Direct.RawAsync(HttpMethod.Delete, "v1/stream?conv_id=kept");
    }

    private async Task<string> KeptAsync()
    {
        var asked = """{"conversation_ids": ["kept"]}"""u8.ToArray();
        var reply = await server.Direct.RawAsync(HttpMethod.Post, "v1/streams/lookup", asked);
        Assert.Equal(200, reply.Status);
        return reply.Text;
    }
}
