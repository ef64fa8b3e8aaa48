using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

public sealed class SwitchUnderLoadTests
{
    private const int Switches = 50;
    private const int Clients = 8;

    [Fact]
    public async Task Fifty_switches_under_eight_streaming_clients_cut_no_answer_and_lose_no_message()
    {
        // The history in the prompt is bounded: conversations go on for as long as the switches take.
        var setup = new Setup { Router = "parallel = 4", Session = "max_session_messages = 12" }
            .Tiny("a").Tiny("b").Tiny("c");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        using var router = hotmodel.OpenRouter();
        using var done = new CancellationTokenSource();
        var sampling = SampleAsync(router, done.Token);
        var clients = Enumerable.Range(0, Clients).Select(i => TalkAsync(hotmodel.Api, i, done.Token)).ToArray();
        string[] models = ["b", "c", "a"];
        for (var i = 0; i < Switches; i++)
        {
            var reply = await hotmodel.Api.SwitchAsync(models[i % models.Length]);
            Assert.True(reply.Status == 200, reply.Text);
        }
        await done.CancelAsync();
        var talks = await Task.WhenAll(clients);
        var (samples, mostAtOnce) = await sampling;

        Assert.Equal(1, mostAtOnce);
        Assert.True(samples > Switches, $"only {samples} samples");
        Assert.All(talks, talk => Assert.True(talk.Turns.Count > 2, "a client was starved"));
        // By the store: the head of an answer that was waited for was there before its model.
        var answered = new HashSet<string>();
        foreach (var talk in talks)
            answered.UnionWith(await IsStoredOnceAndInOrderAsync(hotmodel.Api, talk));
        Assert.True(answered.SetEquals(models), "not every model answered somebody");
        var requests = (await hotmodel.StateAsync())["requests"]!;
        Assert.Equal((0, 0), ((int)requests["cut_streams"]!, (int)requests["store_failures"]!));
        Assert.Equal("ok", Store.CheckIntegrity(setup.DatabaseFolder));
    }

    private sealed record Talk(string Session, List<(string Said, string Answered)> Turns);

    private static async Task<Talk> TalkAsync(Api api, int client, CancellationToken done)
    {
        var talk = new Talk($"client{client}", []);
        while (!done.IsCancellationRequested)
        {
            var said = $"turn {talk.Turns.Count} of client {client}";
            using var answer = await api.StreamAsync(said, talk.Session, maxTokens: 20);
            // WholeAsync fails the test for anything but a complete stream.
            talk.Turns.Add((said, await answer.WholeAsync()));
        }
        return talk;
    }

    /// <summary>How often the router was asked, and the most models it ever showed loaded or loading.</summary>
    private static async Task<(int Samples, int MostAtOnce)> SampleAsync(Api router, CancellationToken done)
    {
        var samples = 0;
        var most = 0;
        while (!done.IsCancellationRequested)
        {
            var models = (await router.GetAsync("models")).Json["data"]!.AsArray();
            most = Math.Max(most, models.Count(m => (string?)m!["status"]!["value"] is "loaded" or "loading"));
            samples++;
        }
        return (samples, most);
    }

    /// <summary>Returns who answered.</summary>
    private static async Task<IEnumerable<string>> IsStoredOnceAndInOrderAsync(Api api, Talk talk)
    {
        var session = (await api.GetAsync($"admin/sessions/{talk.Session}")).Json;
        var stored = session["history"]!.AsArray().Select(m => Text(m!["message"]!)).ToList();
        var expected = talk.Turns.SelectMany(t => (string[])[t.Said, t.Answered]).ToList();
        Assert.Equal(expected, stored);
        return session["models"]!.AsArray().Select(model => (string)model!);
    }

    private static string Text(JsonNode message) => (string)message["content"]!;
}
