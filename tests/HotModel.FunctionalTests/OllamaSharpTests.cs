using System.Net;
using OllamaSharp;
using OllamaSharp.Models;

namespace HotModel.FunctionalTests;

/// <summary>
/// OllamaSharp, pointed at hotmodel and otherwise as it comes. It speaks Ollama's API, of which llama-server has one route,
/// System One's.
/// </summary>
public sealed class OllamaSharpTests(SharedHotModel shared) : IClassFixture<SharedHotModel>
{
    [Fact]
    public async Task Sdk_asks_a_decision_model()
    {
        using var client = new OllamaApiClient((await shared.WithAsync("decider")).Api.Address);
        var response = await client.SystemOneAsync(Request());
        Assert.NotNull(response);
        Assert.True(response.Usage?.InputTokens > 0);
        var team = Assert.IsType<SystemOneChoiceAnswer>(response.Answers["team"]);
        Assert.Equal(["billing", "support"], team.Probabilities.Keys.Order());
        Assert.Contains(team.Choice, team.Probabilities.Keys);
        Assert.Equal(1, team.Probabilities.Values.Sum(), precision: 6);
        var mood = Assert.IsType<SystemOneScoreAnswer>(response.Answers["mood"]);
        Assert.InRange(mood.Score, 0, 2);
        Assert.Equal("furious", mood.Legend["2"]);
        var refund = Assert.IsType<SystemOneNoulAnswer>(response.Answers["refund"]);
        Assert.InRange(refund.Noul, 0, 1);
    }

    [Fact]
    public async Task Model_that_does_not_decide_is_the_servers_error()
    {
        using var client = new OllamaApiClient((await shared.WithAsync("a")).Api.Address);
        var thrown = await Assert.ThrowsAsync<HttpRequestException>(() => client.SystemOneAsync(Request()));
        Assert.Equal(HttpStatusCode.NotImplemented, thrown.StatusCode);
    }

    [Fact]
    public async Task Ollamas_own_routes_are_not_there()
    {
        using var client = new OllamaApiClient((await shared.WithAsync("a")).Api.Address) { SelectedModel = "a" };
        var thrown = await Assert.ThrowsAsync<HttpRequestException>(() => client.ListLocalModelsAsync());
        Assert.Equal(HttpStatusCode.NotFound, thrown.StatusCode);
    }

    private static SystemOneRequest Request() => new()
    {
        Model = "active",
        State = "I was charged twice.",
        Questions = new Dictionary<string, SystemOneQuestion>
        {
            ["team"] = new SystemOneChoiceQuestion
            {
                Instructions = "Which team?",
                Criteria = new Dictionary<string, string?> { ["billing"] = "Money", ["support"] = "Anything else" },
            },
            ["mood"] = new SystemOneScoreQuestion { Instructions = "How angry?", Criteria = ["calm", "cross", "furious"] },
            ["refund"] = new SystemOneNoulQuestion { Instructions = "Is a refund wanted?" },
        },
    };
}
