using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>An answer of 100,000 events more takes no more memory from the collector than one without them.</summary>
public sealed class RelayAllocationTests
{
    private const int Events = 100_000;
    // Each of these is read by the client before the next is sent, so that each is an arrival of its own.
    private const int SingleEvents = 1_000;

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Events_of_an_answer_that_only_its_client_reads_allocate_nothing(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        Assert.InRange(await DifferenceAsync(hotmodel, "/v1/completions", "word"), long.MinValue, NoiseBytes(path));
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Events_of_an_answer_that_is_collected_allocate_nothing_but_room_for_its_text(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        Assert.InRange(await DifferenceAsync(hotmodel, "/v1/chat/completions", ""), long.MinValue, NoiseBytes(path));
        // The buffers double, and at the end the message is put together, checked and stored: copies of the text.
        const string Word = " word";
        Assert.InRange(
            await DifferenceAsync(hotmodel, "/v1/chat/completions", Word), Events * Word.Length, 20 * Events * Word.Length);
    }

    // What else goes on in the program meanwhile. On the portable path Kestrel takes an object for a flush that waits.
    private static long NoiseBytes(string path) => path == RelayPath.Fast ? Events * 2 / 3 : Events * 16;

    /// <summary>What a long answer allocates more than a short one.</summary>
    private static async Task<long> DifferenceAsync(HotModelProcess hotmodel, string route, string word)
    {
        Save(hotmodel.Setup, "short", word, 0, 0);
        Save(hotmodel.Setup, "long", word, SingleEvents, Events - SingleEvents);
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port);
        // Whatever is made once, at the first of its kind.
        await AllocatedAsync(hotmodel, client, route, "short");
        return -await AllocatedAsync(hotmodel, client, route, "short") + await AllocatedAsync(hotmodel, client, route, "long");
    }

    private static void Save(Setup setup, string name, string word, int singles, int repeats)
    {
        byte[] chunk = UpstreamScript.Chunk(SseAnswer.Word(word));
        var script = new UpstreamScript().Send(UpstreamScript.EventStreamHead);
        for (int i = 0; i < singles; i++)
            script.Send(chunk);
        if (repeats > 0)
            script.Repeat(repeats, chunk);
        script.Send(UpstreamScript.Chunk(SseAnswer.Finish + SseAnswer.Done)).Send("0\r\n\r\n").Save(setup, name);
    }

    private static async Task<long> AllocatedAsync(HotModelProcess hotmodel, RawClient client, string route, string script)
    {
        long before = await AllocatedAsync(hotmodel);
        await client.SendAsync(RawClient.Request(route, new JsonObject
        {
            ["script"] = script,
            ["prompt"] = "hello",
            ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "hello" }),
            ["stream"] = true,
        }));
        string tail = "";
        Assert.True(await client.ReadBodyAsync(await client.ReadHeadAsync(), bytes => tail = Tail(bytes)));
        Assert.EndsWith("[DONE]\n\n", tail);
        return await AllocatedAsync(hotmodel) - before;
    }

    private static string Tail(ReadOnlyMemory<byte> bytes) =>
        System.Text.Encoding.ASCII.GetString(bytes.Span[Math.Max(0, bytes.Length - 20)..]);

    private static async Task<long> AllocatedAsync(HotModelProcess hotmodel) =>
        (long)(await hotmodel.StateAsync())["allocated_bytes"]!;
}
