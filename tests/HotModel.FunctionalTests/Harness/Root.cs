using System.Diagnostics;

namespace HotModel.FunctionalTests.Harness;

/// <summary>What only root may do: mounts and cgroups. A test that needs it is left out where nobody can.</summary>
internal static class Root
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    /// <summary>Runs lines of sh, as root or by a sudo that asks for nothing.</summary>
    /// <returns>What they printed; null where they failed.</returns>
    public static async Task<string?> TryRunAsync(string script)
    {
        string[] words = Environment.IsPrivilegedProcess ? ["sh", "-ec", script] : ["sudo", "-n", "sh", "-ec", script];
        var start = new ProcessStartInfo(words[0], words[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = StartOrNull(start);
        if (process is null)
            return null;
        using var limit = new CancellationTokenSource(Limit);
        var error = process.StandardError.ReadToEndAsync(limit.Token);
        var output = await process.StandardOutput.ReadToEndAsync(limit.Token);
        await process.WaitForExitAsync(limit.Token);
        if (process.ExitCode == 0)
            return output;
        TestContext.Current.TestOutputHelper?.WriteLine($"{script}: {await error}");
        return null;
    }

    public static async Task RunAsync(string script) => Assert.True(await TryRunAsync(script) is not null, script);

    private static Process? StartOrNull(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // There is no sudo.
            return null;
        }
    }
}
