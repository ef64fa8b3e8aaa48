using System.Diagnostics;

namespace HotModel.FunctionalTests.Harness;

/// <summary>What a command that ended has said.</summary>
internal sealed record Output(int ExitCode, string Out, string Error);

/// <summary>Runs the native executable to its end.</summary>
internal static class CommandLine
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static Task<Output> RunAsync(params string[] arguments) => RunAsync([], arguments);

    public static async Task<Output> RunAsync((string Name, string Value)[] environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(Programs.HotModel)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        using var limit = new CancellationTokenSource(Limit);
        var output = process.StandardOutput.ReadToEndAsync(limit.Token);
        var error = process.StandardError.ReadToEndAsync(limit.Token);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
        return new Output(process.ExitCode, await output, await error);
    }
}
