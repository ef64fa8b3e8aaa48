using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>What comes through hotmodel is what llama-server sends.</summary>
public sealed class ByteExactTests
{
    [Theory]
    [InlineData("a", "plain")]
    [InlineData("a", "usage")]
    [InlineData("a", "logprobs")]
    [InlineData("a", "two-choices")]
    [InlineData("caller", "tools")]
    public async Task Stream_is_the_servers_own_byte_for_byte(string model, string kind)
    {
        var setup = new Setup { ActiveModel = model, Router = "parallel = 2" }.Tiny("a").Tiny("caller");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        using var router = hotmodel.OpenRouter();
        // Warm on both sides alike: what is in the server's cache shows in its counts, which are left out, and may show in
        // the last bit of a number.
        foreach (var api in (Api[])[router, hotmodel.Api])
            await api.PostAsync("v1/chat/completions", Body(model, kind));
        var direct = await RawAsync(router, Body(model, kind));
        var through = await RawAsync(hotmodel.Api, Body(model, kind));
        Assert.True(direct.Length > 200, direct);
        Assert.Equal(direct, through);
    }

    [Fact]
    public async Task Error_of_the_server_is_passed_on_as_it_is()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        using var router = hotmodel.OpenRouter();
        var bad = Body("a", "plain");
        bad["response_format"] = new JsonObject { ["type"] = "no-such-format" };
        var direct = await router.PostAsync("v1/chat/completions", (JsonObject)bad.DeepClone());
        var through = await hotmodel.Api.PostAsync("v1/chat/completions", bad);
        Assert.InRange(direct.Status, 400, 499);
        Assert.Equal((direct.Status, direct.Text), (through.Status, through.Text));
    }

    [Fact]
    public async Task Whole_answer_is_the_servers_own_with_one_more_member()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        using var router = hotmodel.OpenRouter();
        var direct = await router.PostAsync("v1/chat/completions", Body("a", "plain"));
        var through = await hotmodel.Api.PostAsync("v1/chat/completions", Body("a", "plain"));
        var own = through.Text[through.Text.IndexOf(",\"hotmodel\":", StringComparison.Ordinal)..^1];
        Assert.Equal(Normalised.Of(direct.Text), Normalised.Of(through.Text.Replace(own, "", StringComparison.Ordinal)));
    }

    private static JsonObject Body(string model, string kind)
    {
        var body = Chats.Request("byte for byte, \u00fc\u4e2d \"quoted\"", kind == "tools" ? 256 : 64);
        body["model"] = model;
        switch (kind)
        {
            case "usage":
                body["stream_options"] = new JsonObject { ["include_usage"] = true };
                break;
            case "logprobs":
                body["logprobs"] = true;
                body["top_logprobs"] = 3;
                break;
            case "two-choices":
                body["n"] = 2;
                break;
            case "tools":
                body["tools"] = Chats.Tools();
                body["tool_choice"] = "required";
                break;
        }
        return body;
    }

    private static async Task<string> RawAsync(Api api, JsonObject body)
    {
        using var answer = await api.StreamAsync(body);
        Assert.Equal(200, answer.Status);
        return Normalised.Of(await answer.BodyAsync());
    }
}
