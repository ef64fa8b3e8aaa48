using HotModel.FunctionalTests.Harness;
using HotModel.LoadTests;
using HotModel.LoadTests.Scenarios;

namespace Soak;

/// <summary>Something that is done to hotmodel while clients use it.</summary>
/// <param name="Name">For the table.</param>
/// <param name="MayBreak">The worst that clients may see meanwhile; null: they may not see that anything is wrong.</param>
/// <param name="Run">Does it. False: there was nothing to do it to just then.</param>
internal sealed record Fault(string Name, FailureKind? MayBreak, Func<Client, Task<bool>> Run)
{
    /// <summary>How long a process is suspended: shorter than anything waits for it.</summary>
    private static readonly TimeSpan Suspension = TimeSpan.FromSeconds(2);

    public static IReadOnlyList<Fault> Of(Bench bench, ICollection<string> problems)
    {
        int forced = 0;
        return
        [
            new("model killed", FailureKind.Told, _ => Task.FromResult(Send(bench.Model, Signal.Kill))),
            new("model suspended for 2 s", null, _ => SuspendAsync(bench.Model)),
            new("reload that changes all models", null, _ => Task.FromResult(Reload(bench))),
            new("router killed", FailureKind.Told, _ => Task.FromResult(Send(bench.Router, Signal.Kill))),
            new("switch that cuts answers", FailureKind.Told, client => CutAsync(client, Bench.Models[forced++ % 2], problems)),
            new("router suspended for 2 s", null, _ => SuspendAsync(bench.Router)),
        ];
    }

    /// <summary>hotmodel itself: clients find nobody, and what was being answered is gone.</summary>
    public static IReadOnlyList<Fault> OfHotModel(Bench bench, ICollection<string> problems) =>
    [
        new("hotmodel stopped and started", FailureKind.Torn, async _ =>
        {
            int? status = await bench.StopAsync();
            return await RestartAsync(bench, problems, status == 0 ? null : $"SIGTERM: exit status {status}");
        }),
        new("hotmodel killed and started", FailureKind.Torn, async _ =>
        {
            await bench.KillAsync();
            return await RestartAsync(bench, problems, null);
        }),
    ];

    private static async Task<bool> RestartAsync(Bench bench, ICollection<string> problems, string? problem)
    {
        if (await bench.LeftBehindAsync() is > 0 and var count)
            problem ??= $"{count} processes were left behind";
        if (problem is not null)
            problems.Add(problem);
        bench.Start();
        return true;
    }

    private static bool Send(int? pid, Signal signal)
    {
        if (pid is not { } there)
            return false;
        ProcessTree.Send(there, signal);
        return true;
    }

    private static bool Reload(Bench bench)
    {
        bench.Reload();
        return true;
    }

    private static async Task<bool> SuspendAsync(int? pid)
    {
        bool isDone = Send(pid, Signal.Stop);
        await Task.Delay(Suspension);
        return Send(pid, Signal.Continue) && isDone;
    }

    private static async Task<bool> CutAsync(Client client, string model, ICollection<string> problems)
    {
        using var limit = new CancellationTokenSource(Client.Limit);
        using HttpResponseMessage response = await client.PostAsync(
            "admin/switch", new() { ["model"] = model, ["force"] = true, ["drain_timeout_seconds"] = 0 }, null, limit.Token);
        if (!response.IsSuccessStatusCode)
            problems.Add($"forced switch: {await response.Content.ReadAsStringAsync(limit.Token)}");
        return true;
    }
}
