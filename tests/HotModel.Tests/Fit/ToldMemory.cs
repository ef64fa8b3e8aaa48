using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using HotModel.Tests.Llama;

namespace HotModel.Tests.Fit;

/// <summary>What the real llama-server says that it has taken, in MiB with two decimals, on the CPU.</summary>
internal sealed partial record ToldMemory(double Weights, double Cache, double Compute, double Output)
{
    /// <summary>Of what is rounded to two decimals.</summary>
    public const double Precision = 0.0051;

    public static async Task<ToldMemory> OfAsync(string model, params string[] arguments)
    {
        var start = new ProcessStartInfo(LlamaServer.Binary)
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        string[] all =
        [
            "-m", model, "--host", "127.0.0.1", "--port", TestPorts.Next().ToString(CultureInfo.InvariantCulture),
            // Not repacked: where the processor has AMX, weights go to a buffer of another size, and small shapes crash it.
            "--no-ui", "--no-warmup", "--no-repack", "--fit", "off", "--verbose", .. arguments,
        ];
        foreach (var argument in all)
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        try
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            // Emptied, or a full pipe would stop the process.
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var told = await ReadAsync(process.StandardError, limit.Token);
            process.Kill();
            await output;
            return told;
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
        }
    }

    /// <summary>Up to the compute buffer, which is the last.</summary>
    private static async Task<ToldMemory> ReadAsync(StreamReader log, CancellationToken limit)
    {
        var told = new ToldMemory(0, 0, 0, 0);
        var lines = new List<string>();
        while (await log.ReadLineAsync(limit) is { } line)
        {
            lines.Add(line);
            if (Buffer().Match(line) is not { Success: true } found)
                continue;
            var size = double.Parse(found.Groups["size"].Value, CultureInfo.InvariantCulture);
            switch (found.Groups["what"].Value)
            {
                case "model":
                    told = told with { Weights = told.Weights + size };
                    break;
                case "KV" or "RS":
                    told = told with { Cache = told.Cache + size };
                    break;
                case "output":
                    told = told with { Output = told.Output + size };
                    break;
                case "compute":
                    return told with { Compute = size };
            }
        }
        throw new InvalidOperationException($"llama-server told nothing:\n{string.Join('\n', lines.TakeLast(30))}");
    }

    [GeneratedRegex(@"CPU\w* +(?<what>model|KV|RS|output|compute) buffer size = +(?<size>[0-9.]+) MiB")]
    private static partial Regex Buffer();
}
