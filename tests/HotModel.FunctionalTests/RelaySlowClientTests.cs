using System.Diagnostics;
using System.Text;

namespace HotModel.FunctionalTests;

/// <summary>Clients that do not read: they cost no memory, hold nobody up, and get all when they read.</summary>
public sealed class RelaySlowClientTests
{
    private const string Head = UpstreamScript.EventStreamHead;
    private const int SmallBufferBytes = 16 << 10;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan BlockedTime = TimeSpan.FromMilliseconds(300);

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Client_that_does_not_read_holds_the_upstream_back_and_costs_no_memory(string path)
    {
        const long RoomBytes = 8 << 20;
        await using var hotmodel = await RelayPath.StartAsync(path);
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        Flood.Save(hotmodel.Setup, "warm-up");
        Flood.Save(hotmodel.Setup, "flood");
        using (var quick = await RawClient.ConnectAsync(hotmodel.Setup.Port))
        {
            await quick.PostChatAsync("warm-up");
            Assert.Equal(Flood.Tail, await Flood.ReadAsync(quick));
        }
        var before = ProcessTree.ResidentBytes(hotmodel.Pid);
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port, SmallBufferBytes);
        await client.PostChatAsync("flood");
        // What the systems' own buffers hold, which is far less than all.
        Assert.InRange(await BlockedAsync(upstream, "flood"), 1, Flood.Bytes / 2);
        Assert.InRange(ProcessTree.ResidentBytes(hotmodel.Pid) - before, long.MinValue, RoomBytes);
        Assert.Equal(Flood.Tail, await Flood.ReadAsync(client));
        Assert.InRange(ProcessTree.ResidentBytes(hotmodel.Pid) - before, long.MinValue, RoomBytes);
        await Until.True(async () => await upstream.CountAsync("flood") is { Ended: 1 } or { Left: 1 }, Limit, "the upstream has sent all");
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Client_that_stops_reading_is_cut_by_a_forced_switch(string path)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(
            new Setup { Scripted = true, Server = path + "\nswitch_drain_timeout_seconds = 0.2" });
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        Flood.Save(hotmodel.Setup, "flood");
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port, SmallBufferBytes);
        await client.PostChatAsync("flood", "X-HotModel-Session: s");
        await client.ReadHeadAsync();
        await BlockedAsync(upstream, "flood");
        var reply = await hotmodel.Api.SwitchAsync("b", force: true);
        Assert.True(reply.Status == 200 && (string?)reply.Json["active_model"] == "b", reply.Text);
        await NothingHeldAsync(hotmodel);
        // What had been sent before is there, and then the connection's end, whatever kind of end.
        Assert.InRange(await client.ReadSomeAsync((int)Flood.Bytes), 1, (int)Flood.Bytes - 1);
        Assert.True(await client.IsClosedAsync());
        Assert.Equal(404, (await hotmodel.Api.GetAsync("admin/sessions/s")).Status);
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Client_that_stops_reading_is_cut_when_another_model_is_waited_for_and_not_before(string path)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(
            new Setup { Scripted = true, Server = path + "\nstalled_client_timeout_seconds = 0.2" });
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        Flood.Save(hotmodel.Setup, "flood");
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port, SmallBufferBytes);
        await client.PostChatAsync("flood", "X-HotModel-Session: s");
        await client.ReadHeadAsync();
        // Longer than the limit.
        await BlockedAsync(upstream, "flood");
        Assert.Equal(1, (int)(await hotmodel.StateAsync())["inflight_chats"]!);

        var reply = await hotmodel.Api.SwitchAsync("b");

        Assert.True(reply.Status == 200 && (string?)reply.Json["active_model"] == "b", reply.Text);
        Assert.InRange(await client.ReadSomeAsync((int)Flood.Bytes), 1, (int)Flood.Bytes - 1);
        Assert.True(await client.IsClosedAsync());
        Assert.Equal(404, (await hotmodel.Api.GetAsync("admin/sessions/s")).Status);
        await hotmodel.LogsAsync("The client took nothing of its answer");
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Client_that_leaves_unread_bytes_behind_frees_its_upstream(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        Flood.Save(hotmodel.Setup, "flood");
        using (var client = await RawClient.ConnectAsync(hotmodel.Setup.Port, SmallBufferBytes))
        {
            await client.PostChatAsync("flood");
            await BlockedAsync(upstream, "flood");
        }
        await Until.True(async () => (await upstream.CountAsync("flood")).Left == 1, Limit, "the upstream is left");
        await NothingHeldAsync(hotmodel);
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Answer_that_breaks_off_before_its_client_reads_arrives_with_the_error(string path)
    {
        await using var hotmodel = await RelayPath.StartAsync(path);
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        Flood.Save(hotmodel.Setup, "broken", isWhole: false);
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port, SmallBufferBytes);
        await client.PostChatAsync("broken");
        await BlockedAsync(upstream, "broken");
        Assert.EndsWith("\"code\":\"upstream_cut\"}}\n\n", await Flood.ReadAsync(client, isWhole: false), StringComparison.Ordinal);
        await NothingHeldAsync(hotmodel);
    }

    [Theory]
    [MemberData(nameof(RelayPath.All), MemberType = typeof(RelayPath))]
    public async Task Client_that_does_not_read_does_not_hold_up_the_end_of_the_program(string path)
    {
        await using var hotmodel = await HotModelProcess.StartAsync(
            new Setup { Scripted = true, Server = path + "\nstop_timeout_seconds = 0.2" });
        using var upstream = new ScriptedUpstream(hotmodel.Setup);
        Flood.Save(hotmodel.Setup, "flood");
        using var client = await RawClient.ConnectAsync(hotmodel.Setup.Port, SmallBufferBytes);
        await client.PostChatAsync("flood");
        await BlockedAsync(upstream, "flood");
        var stopping = Stopwatch.GetTimestamp();
        Assert.Equal(0, await hotmodel.StopAsync());
        Assert.InRange(Stopwatch.GetElapsedTime(stopping), TimeSpan.Zero, TimeSpan.FromSeconds(8));
    }

    /// <summary>An answer of 64 MB, most of it events that say nothing.</summary>
    private static class Flood
    {
        private const int EventBytes = 1024;
        private const int Events = 64 << 10;
        private static readonly byte[] Event = SseAnswer.Filler(EventBytes);
        public static readonly string Tail = string.Concat(SseAnswer.Of("a"));

        public const long Bytes = (long)EventBytes * Events;

        public static void Save(Setup setup, string name, bool isWhole = true)
        {
            var script = new UpstreamScript().Send(Head).Repeat(Events, UpstreamScript.Chunk(Event));
            (isWhole ? script.Send([.. UpstreamScript.Chunk(Tail), .. "0\r\n\r\n"u8]) : script.Close()).Save(setup, name);
        }

        /// <summary>What comes behind the events, to the answer's proper end or the connection's.</summary>
        public static async Task<string> ReadAsync(RawClient client, bool isWhole = true)
        {
            var tail = new List<byte>();
            var position = 0L;
            var head = await client.ReadHeadAsync();
            Assert.Equal(isWhole, await client.ReadBodyAsync(head, bytes =>
            {
                for (var rest = bytes.Span; !rest.IsEmpty;)
                {
                    if (position == Bytes)
                    {
                        tail.AddRange(rest);
                        break;
                    }
                    var expected = Event.AsSpan((int)(position % EventBytes));
                    var count = Math.Min(expected.Length, rest.Length);
                    Assert.True(rest[..count].SequenceEqual(expected[..count]), $"other bytes at {position}");
                    rest = rest[count..];
                    position += count;
                }
            }));
            return Encoding.UTF8.GetString([.. tail]);
        }
    }

    /// <summary>How much the upstream could send before nothing went on.</summary>
    private static async Task<long> BlockedAsync(ScriptedUpstream upstream, string script)
    {
        var last = -1L;
        var since = Stopwatch.GetTimestamp();
        await Until.True(
            async () =>
            {
                var sent = (await upstream.CountAsync(script)).SentBytes;
                if (sent != last)
                    (last, since) = (sent, Stopwatch.GetTimestamp());
                return sent > 0 && Stopwatch.GetElapsedTime(since) > BlockedTime;
            },
            Limit, "the upstream is held back");
        return last;
    }

    private static Task NothingHeldAsync(HotModelProcess hotmodel) => Until.True(
        async () => (int)(await hotmodel.StateAsync())["inflight_chats"]! == 0, Limit, "no request is left");
}
