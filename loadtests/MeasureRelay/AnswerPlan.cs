using System.Globalization;
using System.Text;
using System.Text.Json;

namespace MeasureRelay;

/// <summary>What a request asks of the scripted upstream, in keys that every proxy passes on.</summary>
/// <param name="IntervalMicroseconds">Between the events of a stream; 0: as fast as they are taken.</param>
/// <param name="PhaseMicroseconds">Where in the interval its events come, so that streams do not send all at once.</param>
/// <param name="DurationMs">After which the answer ends.</param>
internal sealed record AnswerPlan(long IntervalMicroseconds, long PhaseMicroseconds, long DurationMs)
{
    public static AnswerPlan Read(ReadOnlyMemory<byte> body)
    {
        using var json = JsonDocument.Parse(body);
        long Number(string key) => json.RootElement.GetProperty(key).GetInt64();
        return new(Number("interval_us"), Number("phase_us"), Number("duration_ms"));
    }

    /// <param name="path">Of a chat or a completion.</param>
    /// <param name="port">The server's.</param>
    /// <param name="sessionId">Null for none.</param>
    public byte[] Request(string path, int port, string? sessionId)
    {
        string ask = path.Contains("chat", StringComparison.Ordinal)
            ? """ "messages":[{"role":"user","content":"Hello"}]"""
            : """ "prompt":"Hello" """;
        string session = sessionId is null ? "" : $"\"session_id\":\"{sessionId}\",";
        string pace = string.Create(CultureInfo.InvariantCulture,
            $""" "interval_us":{IntervalMicroseconds},"phase_us":{PhaseMicroseconds},"duration_ms":{DurationMs}""");
        string body = $$"""{"model":"active",{{ask}},"stream":true,{{session}}{{pace}}}""";
        return Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            + $"Accept: text/event-stream\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
    }
}
