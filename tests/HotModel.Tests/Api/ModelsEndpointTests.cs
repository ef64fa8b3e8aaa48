using System.Net;
using HotModel.Api;
using Microsoft.AspNetCore.Builder;

namespace HotModel.Tests.Api;

public class ModelsEndpointTests
{
    private static readonly DateTimeOffset Started = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);

    private static async Task<(WebApplication App, HttpClient Client)> ServeAsync(string? active)
    {
        WebApplication app = await ChatHost.ServeAsync(
            app => new ModelsEndpoint(TestConfig.Create("b", "a/x:Q8", "B"), () => active, Started).Map(app));
        return (app, new HttpClient { BaseAddress = ChatHost.AddressOf(app) });
    }

    [Theory]
    [InlineData("/v1/models")]
    [InlineData("/models")]
    public async Task Models_are_listed_sorted_and_found_by_name(string path)
    {
        (WebApplication app, HttpClient client) = await ServeAsync(null);
        await using var _ = app;
        using var __ = client;

        Assert.Equal(
            """{"object":"list","data":[{"id":"B","object":"model","created":1700000000,"owned_by":"hotmodel"},{"id":"a/x:Q8","object":"model","created":1700000000,"owned_by":"hotmodel"},{"id":"b","object":"model","created":1700000000,"owned_by":"hotmodel"}]}""",
            await client.GetStringAsync(path));
        Assert.Equal("""{"id":"a/x:Q8","object":"model","created":1700000000,"owned_by":"hotmodel"}""", await client.GetStringAsync(path + "/a/x:Q8"));
        using HttpResponseMessage missing = await client.GetAsync(path + "/c");
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        Assert.Contains("Configured are: B, a/x:Q8, b.", await missing.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("b", 200, "\"id\":\"b\"")]
    [InlineData(null, 404, "\"code\":\"no_active_model\"")]
    public async Task Model_active_is_the_one_that_answers(string? active, int status, string part)
    {
        (WebApplication app, HttpClient client) = await ServeAsync(active);
        await using var _ = app;
        using var __ = client;

        using HttpResponseMessage response = await client.GetAsync("/v1/models/active");

        Assert.Equal(status, (int)response.StatusCode);
        Assert.Contains(part, await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Aliases_are_told_and_taken()
    {
        var config = TestConfig.Create("a", "b");
        var models = config.Models.Values.ToDictionary(
            model => model.Name, model => model.Name == "b" ? model with { Aliases = ["gpt-4o", "x/y"] } : model);
        await using WebApplication app = await ChatHost.ServeAsync(
            app => new ModelsEndpoint(config with { Models = models }, () => null, Started).Map(app));
        using var client = new HttpClient { BaseAddress = ChatHost.AddressOf(app) };
        const string b = """{"id":"b","object":"model","created":1700000000,"owned_by":"hotmodel","aliases":["gpt-4o","x/y"]}""";

        foreach (string id in (string[])["b", "gpt-4o", "x/y"])
            Assert.Equal(b, await client.GetStringAsync("/v1/models/" + id));
        Assert.Equal(
            $$"""{"object":"list","data":[{"id":"a","object":"model","created":1700000000,"owned_by":"hotmodel"},{{b}}]}""",
            await client.GetStringAsync("/v1/models"));
    }
}
