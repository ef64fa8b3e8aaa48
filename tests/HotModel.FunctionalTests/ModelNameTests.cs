using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>What names in requests mean, with the real llama-server.</summary>
public sealed class ModelNameTests
{
    [Fact]
    public async Task Alias_is_answered_by_its_model()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(
            new Setup().Tiny("a", lines: "aliases = [\"gpt-4o\", \"x/y:Q4\"]").Tiny("b", lines: "aliases = [\"large\"]"));
        var child = hotmodel.ModelChild.Pid;
        foreach (var name in (string[])["gpt-4o", "x/y:Q4", "a", "active", ""])
        {
            var answer = await hotmodel.Api.PostAsync("v1/chat/completions", Chat(name));
            Assert.Equal((200, "a"), (answer.Status, answer.Model));
        }
        Assert.Equal((200, "a"), await LookAsync(hotmodel.Api, "props?model=x%2Fy%3AQ4"));
        Assert.Equal("a", (string?)(await hotmodel.Api.GetAsync("v1/models/x/y:Q4")).Json["id"]);
        var listed = (await hotmodel.Api.GetAsync("v1/models")).Json["data"]!.AsArray();
        Assert.Equal(["[\"gpt-4o\",\"x/y:Q4\"]", "[\"large\"]"], listed.Select(model => model!["aliases"]!.ToJsonString()));
        Assert.Equal(child, hotmodel.ModelChild.Pid);

        Assert.Equal("b", (string?)(await hotmodel.Api.SwitchAsync("large")).Json["active_model"]);
    }

    [Theory]
    [InlineData("v1/chat/completions", null)]
    [InlineData("v1/messages", "error")]
    [InlineData("v1/responses", null)]
    [InlineData("v1/embeddings", null)]
    [InlineData("v1/audio/transcriptions", null)]
    [InlineData("tokenize", null)]
    [InlineData("slots", null)]
    public async Task Unknown_name_is_told_the_known_ones_and_nothing_is_unloaded(string path, string? type)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var child = hotmodel.ModelChild.Pid;
        var reply = path switch
        {
            "slots" => await hotmodel.Api.RawAsync(HttpMethod.Get, "slots?model=gpt-4o"),
            "v1/audio/transcriptions" => await hotmodel.Api.RawAsync(
                HttpMethod.Post, path, new Multipart().File("t.wav", [1]).Field("model", "gpt-4o").Bytes(), Multipart.Type),
            _ => await hotmodel.Api.RawAsync(
                HttpMethod.Post, path, System.Text.Encoding.UTF8.GetBytes(Chat("gpt-4o").ToJsonString())),
        };
        Assert.Equal(404, reply.Status);
        var body = JsonNode.Parse(reply.Text)!;
        Assert.Equal(type, (string?)body["type"]);
        Assert.Equal("model_not_found", (string?)body["error"]!["code"]);
        Assert.Contains("There is no model \"gpt-4o\". Configured are: a, b.", (string?)body["error"]!["message"]);
        Assert.Equal(child, hotmodel.ModelChild.Pid);
    }

    [Fact]
    public async Task Where_any_name_means_the_active_model_none_switches()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { Server = "switch_on_request = \"active\"" });
        foreach (var name in (string[])["gpt-4o", "b", "a", ""])
        {
            var answer = await hotmodel.Api.PostAsync("v1/chat/completions", Chat(name));
            Assert.Equal((200, "a"), (answer.Status, answer.Model));
        }
        Assert.Equal((200, "a"), await LookAsync(hotmodel.Api, "props?model=b"));
        Assert.Equal(404, (await hotmodel.Api.GetAsync("v1/models/gpt-4o")).Status);
    }

    [Fact]
    public async Task Where_other_models_are_rejected_only_an_explicit_switch_brings_them()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { Server = "switch_on_request = \"reject\"" });
        var refused = await hotmodel.Api.PostAsync("v1/chat/completions", Chat("b"));
        Assert.Equal((409, "other_model_active"), (refused.Status, (string?)refused.Json["error"]!["code"]));
        Assert.Contains("The active model is 'a'", (string?)refused.Json["error"]!["message"]);
        Assert.Equal(404, (await hotmodel.Api.PostAsync("v1/chat/completions", Chat("gpt-4o"))).Status);
        Assert.Equal("a", (await hotmodel.Api.PostAsync("v1/chat/completions", Chat("a"))).Model);

        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("b")).Status);
        Assert.Equal("b", (await hotmodel.Api.PostAsync("v1/chat/completions", Chat("b"))).Model);
    }

    private static async Task<(int Status, string? Model)> LookAsync(Api api, string path)
    {
        var reply = await api.GetAsync(path);
        return (reply.Status, reply.Model);
    }

    private static JsonObject Chat(string model)
    {
        var body = Chats.Request("a question", 4);
        body["model"] = model;
        return body;
    }
}
