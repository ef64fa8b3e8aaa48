using System.Globalization;

namespace FakeLlamaServer;

internal enum StepKind { Send, Repeat, Pause, Read, Close, Reset, ResetNext, UntilLeft }

/// <param name="Kind">What to do.</param>
/// <param name="Bytes">Of Send and Repeat.</param>
/// <param name="Count">Times of Repeat, milliseconds of Pause.</param>
internal sealed record Step(StepKind Kind, byte[] Bytes, int Count);

/// <summary>What is done with a connection after a request: one step a line, bytes in base 64.</summary>
/// <remarks>
/// send BYTES (one segment; goes on when the peer has read it) · repeat COUNT BYTES (as fast as the peer takes them) ·
/// pause MS · read (what is left of the request) · close · reset · reset-next (when the next request's first bytes are
/// there, unread) · until-left (the peer has closed).
/// A first line "early" begins before the request's body is read. Without close or reset the connection serves again.
/// </remarks>
internal sealed class Script
{
    private Script(bool isEarly, IReadOnlyList<Step> steps)
    {
        IsEarly = isEarly;
        Steps = steps;
    }

    public bool IsEarly { get; }
    public IReadOnlyList<Step> Steps { get; }

    public static Script Load(string path)
    {
        var lines = File.ReadAllLines(path);
        var isEarly = lines is ["early", ..];
        return new(isEarly, [.. lines.Skip(isEarly ? 1 : 0).Select(Parse)]);
    }

    private static Step Parse(string line) => line.Split(' ') switch
    {
        ["send", var bytes] => new(StepKind.Send, Convert.FromBase64String(bytes), 1),
        ["repeat", var count, var bytes] => new(StepKind.Repeat, Convert.FromBase64String(bytes), Number(count)),
        ["pause", var milliseconds] => new(StepKind.Pause, [], Number(milliseconds)),
        ["read"] => new(StepKind.Read, [], 0),
        ["close"] => new(StepKind.Close, [], 0),
        ["reset"] => new(StepKind.Reset, [], 0),
        ["reset-next"] => new(StepKind.ResetNext, [], 0),
        ["until-left"] => new(StepKind.UntilLeft, [], 0),
        _ => throw new FormatException("no step: " + line),
    };

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
