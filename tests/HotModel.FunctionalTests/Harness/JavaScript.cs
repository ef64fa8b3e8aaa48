using System.Diagnostics;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Harness;

/// <summary>A Node.js that runs the checks of one library in tests/sdk-js, one after another.</summary>
internal sealed class JavaScript : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly Process process;
    private readonly Task<string> complaints;

    private JavaScript(Process process)
    {
        this.process = process;
        complaints = process.StandardError.ReadToEndAsync();
    }

    public static JavaScript Start(string sdk, Uri address)
    {
        var folder = Path.Combine(Programs.RepositoryRoot, "tests", "sdk-js");
        Assert.True(Directory.Exists(Path.Combine(folder, "node_modules")), "run scripts/test.sh, or npm ci in tests/sdk-js");
        var start = new ProcessStartInfo("node")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder,
        };
        foreach (var argument in (string[])["check.mjs", sdk, address.AbsoluteUri.TrimEnd('/')])
            start.ArgumentList.Add(argument);
        return new(Process.Start(start)!);
    }

    /// <summary>Passes if the check does.</summary>
    public async Task CheckAsync(string check)
    {
        using var limit = new CancellationTokenSource(Limit);
        await process.StandardInput.WriteLineAsync(check.AsMemory(), limit.Token);
        await process.StandardInput.FlushAsync(limit.Token);
        if (await process.StandardOutput.ReadLineAsync(limit.Token) is not { } line)
        {
            Assert.Fail($"Node.js ended in {check}:\n{await complaints}");
            return;
        }
        var result = JsonNode.Parse(line)!;
        Assert.Equal(check, (string?)result["check"]);
        Assert.True(result["error"] is null, (string?)result["error"]);
    }

    public async ValueTask DisposeAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }
}
