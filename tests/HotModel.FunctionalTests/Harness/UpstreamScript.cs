using System.Globalization;
using System.Text;

namespace HotModel.FunctionalTests.Harness;

/// <summary>What a scripted llama-server does after a request; see Script.cs of FakeLlamaServer.</summary>
internal sealed class UpstreamScript
{
    public const string EventStreamHead =
        "HTTP/1.1 200 OK\r\nServer: llama.cpp\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

    private readonly StringBuilder lines = new();

    /// <summary>Begins before the request's body is read.</summary>
    public static UpstreamScript Early() => new UpstreamScript().Line("early");

    /// <summary>One TCP segment, which is read before the next is sent.</summary>
    public UpstreamScript Send(ReadOnlySpan<byte> bytes) => Line("send " + Convert.ToBase64String(bytes));

    public UpstreamScript Send(string text) => Send(Encoding.UTF8.GetBytes(text));

    /// <summary>Each byte in a segment of its own.</summary>
    public UpstreamScript SendByteByByte(ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
            Send([value]);
        return this;
    }

    /// <summary>As fast as the other side takes it.</summary>
    public UpstreamScript Repeat(int count, ReadOnlySpan<byte> bytes) =>
        Line(string.Create(CultureInfo.InvariantCulture, $"repeat {count} {Convert.ToBase64String(bytes)}"));

    public UpstreamScript Pause(int milliseconds) =>
        Line(string.Create(CultureInfo.InvariantCulture, $"pause {milliseconds}"));

    /// <summary>Reads what is left of the request.</summary>
    public UpstreamScript Read() => Line("read");

    public UpstreamScript Close() => Line("close");

    public UpstreamScript Reset() => Line("reset");

    /// <summary>Resets the connection when the next request is on it, unread.</summary>
    public UpstreamScript ResetNext() => Line("reset-next");

    /// <summary>Waits for the other side to close.</summary>
    public UpstreamScript UntilLeft() => Line("until-left");

    public void Save(Setup setup, string name) => File.WriteAllText(setup.ScriptPath(name), lines.ToString());

    /// <summary>One chunk of a chunked body.</summary>
    public static byte[] Chunk(ReadOnlySpan<byte> data) =>
        [.. Encoding.ASCII.GetBytes(data.Length.ToString("X", CultureInfo.InvariantCulture)), .. "\r\n"u8, .. data, .. "\r\n"u8];

    public static byte[] Chunk(string text) => Chunk(Encoding.UTF8.GetBytes(text));

    private UpstreamScript Line(string line)
    {
        lines.Append(line).Append('\n');
        return this;
    }
}
