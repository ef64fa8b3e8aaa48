using System.Text;
using HotModel.Api;
using HotModel.Configuration;
using HotModel.Scheduling;
using HotModel.Switching;
using Microsoft.AspNetCore.Http;

namespace HotModel.Tests.Api;

public class RequestAsksTests
{
    private static readonly HotModelConfig Config = TestConfig.Create("a", "b");

    private static async Task<(RequestAsk? Ask, int Status, string Body)> ReadAsync(
        string? model, HotModelConfig? config = null, params (string Name, string Value)[] headers)
    {
        var context = new DefaultHttpContext();
        using var body = new MemoryStream();
        context.Response.Body = body;
        foreach (var (name, value) in headers)
            context.Request.Headers.Append(name, value);
        var ask = await new RequestAsks(config ?? Config, WhyNotAsync).ReadAsync(context, model, maySwitch: true);
        return (ask, context.Response.StatusCode, Encoding.UTF8.GetString(body.ToArray()));
    }

    private static ValueTask<string?> WhyNotAsync(string model, CancellationToken cancel) =>
        new(model == "huge" ? "It is too large." : null);

    [Fact]
    public async Task Model_that_does_not_fit_is_refused_before_anything_is_unloaded_for_it()
    {
        var (ask, status, body) = await ReadAsync("huge", TestConfig.Create("a", "huge"));
        Assert.Null(ask);
        Assert.Equal(409, status);
        Assert.Contains("\"message\":\"It is too large.\"", body, StringComparison.Ordinal);
        Assert.Contains("\"code\":\"does_not_fit\"", body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("active", null)]
    [InlineData("b", "b")]
    public async Task Model_that_is_named_is_asked_for(string? name, string? expected)
    {
        var (ask, _, _) = await ReadAsync(name);
        Assert.Equal(new RequestAsk { Model = expected }, ask);
    }

    [Fact]
    public async Task Unknown_model_is_404()
    {
        var (ask, status, body) = await ReadAsync("c");
        Assert.Null(ask);
        Assert.Equal(404, status);
        Assert.Contains("\"code\":\"model_not_found\"", body, StringComparison.Ordinal);
        Assert.Contains("Configured are: a, b.", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_the_active_model_answers_everything_any_name_will_do()
    {
        var config = Config with { Server = Config.Server with { SwitchOnRequest = SwitchOnRequest.Active } };
        Assert.Equal(RequestAsk.Active, (await ReadAsync("c", config)).Ask);
        Assert.Equal(RequestAsk.Active, (await ReadAsync("b", config)).Ask);
    }

    [Theory]
    [InlineData("background", RequestIntent.Background)]
    [InlineData("interactive", RequestIntent.Normal)]
    internal async Task Intent_is_read(string value, RequestIntent expected) =>
        Assert.Equal(expected, (await ReadAsync("a", headers: ("X-HotModel-Intent", value))).Ask!.Intent);

    [Fact]
    public async Task Unknown_intent_is_told_the_known_ones()
    {
        var (ask, status, body) = await ReadAsync("a", headers: ("X-HotModel-Intent", "urgent"));
        Assert.Null(ask);
        Assert.Equal(400, status);
        Assert.Contains("must be \\\"background\\\" or \\\"interactive\\\"", body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("wait=10", 10)]
    [InlineData("respond-async, Wait = \"7\"; x=y", 7)]
    [InlineData("wait=0", 0)]
    [InlineData("wait=9, wait=3", 9)]
    [InlineData("x, wait=3", 3)]
    [InlineData("=9, ;wait=8, , WAIT=3", 3)]
    [InlineData("note=\"a, wait=9\", wait=3", 3)]
    [InlineData("note=\"a \\\", wait=9\", wait=3", 3)]
    [InlineData("note; why=\"b; c, wait=9\", wait=3; x=\"y\"", 3)]
    [InlineData("note=\"never ends, wait=3", null)]
    [InlineData("wait=x, wait=3", null)]
    [InlineData("wait=\"3", null)]
    [InlineData("wait=\"\"", null)]
    [InlineData("wait=3.5", null)]
    [InlineData("wait=+3", null)]
    [InlineData("wait=99999999999999999999", null)]
    [InlineData("wait=", null)]
    [InlineData("wait=301", null)]
    [InlineData("wait", null)]
    [InlineData("wait=-1", null)]
    [InlineData("wait=soon", null)]
    [InlineData("await=4", null)]
    public async Task Own_bound_on_waiting_is_read_and_may_only_be_shorter(string header, int? seconds)
    {
        var (ask, _, _) = await ReadAsync("a", headers: ("Prefer", header));
        Assert.Equal(seconds is { } wait ? TimeSpan.FromSeconds(wait) : null, ask!.Patience);
    }

    [Fact]
    public async Task First_of_several_prefer_lines_that_tells_a_wait_counts()
    {
        var (ask, _, _) = await ReadAsync("a", headers: [("Prefer", "x=1"), ("Prefer", "wait=5"), ("Prefer", "wait=3")]);
        Assert.Equal(TimeSpan.FromSeconds(5), ask!.Patience);
    }
}
