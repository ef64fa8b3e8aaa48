using System.Runtime.CompilerServices;
using System.Text;

namespace HotModel.Fuzz;

/// <summary>What does not hold.</summary>
internal sealed class FuzzFinding(string message) : Exception(message);

internal static class Require
{
    public static void That(bool holds, [CallerArgumentExpression(nameof(holds))] string claim = "")
    {
        if (!holds)
            throw new FuzzFinding(claim);
    }

    public static void Equal<T>(T expected, T actual, [CallerArgumentExpression(nameof(actual))] string what = "")
    {
        if (!EqualityComparer<T>.Default.Equals(expected, actual))
            throw new FuzzFinding($"{what} is {actual}, not {expected}");
    }

    public static void Equal(byte[]? expected, byte[]? actual, [CallerArgumentExpression(nameof(actual))] string what = "")
    {
        if (expected is null != actual is null || !expected.AsSpan().SequenceEqual(actual))
            throw new FuzzFinding($"{what} is\n{Shown(actual)}\nnot\n{Shown(expected)}");
    }

    private static string Shown(byte[]? bytes) => bytes is null ? "nothing" : Encoding.Latin1.GetString(bytes);

    /// <summary>Fit for one line of a log, a terminal or an answer.</summary>
    public static void IsOneLine(string message)
    {
        That(message.Length > 0);
        if (message.Any(c => char.IsControl(c) && c != '\t'))
            throw new FuzzFinding($"a control character in the message {message}");
    }
}
