using System.Text;

namespace HotModel.FunctionalTests.Routes;

/// <summary>The routes that show or change what the model's process holds.</summary>
[Collection(RouteCollection.Name)]
public sealed class ServerStateRouteTests(RouteServer server)
{
    [Theory]
    [InlineData("props", "\"default_generation_settings\"")]
    [InlineData("props?model=active", "\"total_slots\":2")]
    [InlineData("props?autoload=true&model=coder", "\"model_path\"")]
    [InlineData("slots", "\"is_processing\":false")]
    [InlineData("slots?fail_on_no_slot=1&model=active", "\"is_processing\":false")]
    [InlineData("lora-adapters", "\"path\"")]
    [InlineData("lora-adapters?model=", "\"path\"")]
    [InlineData("metrics", "llamacpp:prompt_tokens_total")]
    [InlineData("metrics?model=coder", "llamacpp:requests_processing 0")]
    public async Task Query_has_the_servers_own_answer(string path, string shows)
    {
        await server.UseAsync("coder");
        await Slots.FreeAsync(server.Direct);
        await server.SameAsync("coder", new Example(path, null, shows));
        Assert.Contains("coder.gguf", server.Process.ModelChild.CommandLine);
    }

    [Theory]
    [InlineData("props")]
    [InlineData("slots")]
    [InlineData("lora-adapters")]
    [InlineData("metrics")]
    public async Task Head_has_the_head_of_the_servers_own_answer(string path)
    {
        await server.UseAsync("coder");
        var own = await server.Direct.RawAsync(HttpMethod.Head, path);
        var through = await server.Through.RawAsync(HttpMethod.Head, path);
        Assert.Equal((200, own.ContentType), (through.Status, through.ContentType));
        Assert.Empty(through.Body);
    }

    [Fact]
    public async Task Props_are_changed()
    {
        await server.SameAsync("coder", new Example("props", "{}", "\"success\":true"));
        await server.SameAsync("coder", new Example("props", """{"model": "@model"}""", "\"success\":true"));
    }

    [Fact]
    public async Task Adapter_gets_another_scale()
    {
        await server.UseAsync("coder");
        foreach (var scale in (string[])["0.25", "1.0"])
        {
            var set = await server.Through.RawAsync(
                HttpMethod.Post, "lora-adapters", Encoding.UTF8.GetBytes($$"""[{"id": 0, "scale": {{scale}}}]"""));
            Assert.Equal((200, """{"success":true}"""), (set.Status, set.Text));
            Assert.Contains($"\"scale\":{scale}", (await server.Direct.GetAsync("lora-adapters")).Text);
        }
    }

    [Fact]
    public async Task Slot_is_seen_but_not_saved_restored_or_erased()
    {
        await server.UseAsync("coder");
        var prompt = """{"prompt": "kept in a slot", "n_predict": 2, "temperature": 0, "id_slot": 1}"""u8.ToArray();
        Assert.Equal(200, (await server.Through.RawAsync(HttpMethod.Post, "completion", prompt)).Status);
        var name = """{"filename": "kept.bin"}"""u8.ToArray();
        foreach (var action in (string[])["save", "restore", "erase"])
        {
            var refused = await server.Through.RawAsync(HttpMethod.Post, $"slots/1?action={action}", name);
            Assert.True(refused.Status == 403 && refused.Text.Contains("GET /slots", StringComparison.Ordinal), refused.Text);
        }
        Assert.False(File.Exists(Path.Combine(server.Process.Setup.Folder, "slots", "kept.bin")));
        // It still holds what it held.
        var erased = await server.Direct.RawAsync(HttpMethod.Post, "slots/1?action=erase", "{}"u8.ToArray());
        Assert.Equal(200, erased.Status);
        Assert.DoesNotContain("\"n_erased\":0", erased.Text);
    }
}
