using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace HotModel.FunctionalTests.Harness;

/// <summary>Waiting for what another process does and does not announce.</summary>
internal static class Until
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    public static Task True(
        Func<bool> condition, TimeSpan limit, [CallerArgumentExpression(nameof(condition))] string what = "") =>
        True(() => Task.FromResult(condition()), limit, what);

    public static async Task True(
        Func<Task<bool>> condition, TimeSpan limit, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var started = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            if (Stopwatch.GetElapsedTime(started) > limit)
                Assert.Fail($"not within {limit.TotalSeconds} s: {what}");
            await Task.Delay(Pause, TestContext.Current.CancellationToken);
        }
    }
}
