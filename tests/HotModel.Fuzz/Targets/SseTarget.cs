using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using HotModel.Llama;
using HotModel.Proxy;

namespace HotModel.Fuzz.Targets;

/// <summary>
/// An event stream of llama-server. Claims: however it is cut into pieces, the same events are read and the same bytes
/// relayed; what is relayed is a beginning of what came; a complete answer is told of once, and its message is sound, if
/// there is one; the short way for events that repeat gives the message that the long way gives; and what
/// passes for an event is JSON.
/// </summary>
internal static class SseTarget
{
    public static void Run(byte[] input)
    {
        string events = string.Join('\0', Reference(input).Select(data => JsonReference.Latin1(data)));
        Relayed? read = null;
        Relayed? unread = null;
        foreach (IReadOnlyList<byte[]> pieces in Splits.Of(input))
        {
            Require.Equal(events, Events(pieces));
            Relay(input, pieces, new AnswerCollector(), ref read);
            Relay(input, pieces, null, ref unread);
        }
        Collected(Reference(input));
    }

    private sealed record Relayed(RelayEnd End, string? Error, string Bytes, string? Message);

    /// <summary>The events of a stream as the standard has it, as far as llama-server uses it.</summary>
    private static List<byte[]> Reference(byte[] input)
    {
        var events = new List<byte[]>();
        var data = new List<string>();
        string[] lines = Encoding.Latin1.GetString(input).Split('\n');
        foreach (string line in lines[..^1].Select(line => line.EndsWith('\r') ? line[..^1] : line))
        {
            if (line.Length == 0 && data.Count > 0)
                events.Add(Encoding.Latin1.GetBytes(string.Join('\n', data)));
            if (line.Length == 0)
                data.Clear();
            else if (line.StartsWith("data:", StringComparison.Ordinal))
                data.Add(line[(line.AsSpan(5).StartsWith(" ") ? 6 : 5)..]);
        }
        return events;
    }

    private static string Events(IReadOnlyList<byte[]> pieces)
    {
        var reader = new SseReader(new PieceStream(pieces));
        var events = new List<string>();
        while (reader.ReadAsync(default).AsTask().GetAwaiter().GetResult() is { } data)
            events.Add(JsonReference.Latin1(data.Span));
        return string.Join('\0', events);
    }

    private static void Relay(byte[] input, IReadOnlyList<byte[]> pieces, AnswerCollector? answer, ref Relayed? expected)
    {
        using var sent = new MemoryStream();
        PipeWriter client = PipeWriter.Create(sent);
        using var scope = new RequestScope(new StillTime(), default, default);
        var relay = new SseRelay(new PieceStream(pieces), client, scope, answer, TimeSpan.FromMinutes(1));
        byte[]? message = null;
        int completions = 0;
        RelayResult result = relay.RunAsync(() =>
        {
            completions++;
            message = answer?.BuildMessage();
        }).GetAwaiter().GetResult();

        byte[] bytes = sent.ToArray();
        Require.That(input.AsSpan().StartsWith(bytes));
        Require.Equal(bytes.Length, relay.RelayedBytes);
        Require.Equal(result.End == RelayEnd.Complete ? 1 : 0, completions);
        Require.That(message is null || JsonText.IsSound(message));
        string? told = message is null ? null : JsonReference.Latin1(message);
        var relayed = new Relayed(result.End, result.Error?.Message, JsonReference.Latin1(bytes), told);
        expected ??= relayed;
        Require.Equal(expected, relayed);
    }

    private static void Collected(List<byte[]> events)
    {
        var (quick, slow) = (new AnswerCollector(), new AnswerCollector());
        bool hasError = false;
        foreach (byte[] data in events)
        {
            using JsonDocument? document = JsonReference.Parse(data, 64);
            bool isObject = quick.Read(data);
            Require.Equal(isObject, slow.Read(data));
            // Not repeated by anything.
            slow.Read("{}"u8);
            Require.That(!isObject || document is { RootElement.ValueKind: JsonValueKind.Object });
            if (!isObject)
                break;
            hasError |= document!.RootElement.EnumerateObject()
                .Any(member => member.NameEquals("error") && member.Value.ValueKind != JsonValueKind.Null);
            Require.Equal(hasError, quick.HasError);
        }
        Require.Equal(
            (slow.HasAnswer, slow.IsFinished, slow.HasError, slow.IsBroken, slow.Timings),
            (quick.HasAnswer, quick.IsFinished, quick.HasError, quick.IsBroken, quick.Timings));
        Require.Equal(slow.BuildMessage(), quick.BuildMessage());
    }

    /// <summary>Nothing ever takes too long.</summary>
    private sealed class StillTime : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            new NoTimer();

        private sealed class NoTimer : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;
            public void Dispose() { }
            public ValueTask DisposeAsync() => default;
        }
    }
}
