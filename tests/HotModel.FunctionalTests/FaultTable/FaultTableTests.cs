using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace HotModel.FunctionalTests.FaultTable;

/// <summary>
/// Every fault in every phase in which it can strike: docs/faults.md is what comes of it. HOTMODEL_WRITE_GOLDEN=1 writes
/// that page anew; HOTMODEL_FAULT=TEXT plays only faults whose title has the text, and checks no page.
/// </summary>
public sealed class FaultTableTests
{
    private const int LeastCells = 60;
    private readonly ConcurrentDictionary<Cell, Outcome> outcomes = [];
    private readonly ConcurrentBag<(string Code, string Sentence)> sentences = [];
    private readonly ConcurrentBag<string> problems = [];

    [Fact]
    public void Every_fault_has_a_cell_or_a_reason_for_every_phase()
    {
        foreach (var fault in FaultList.Groups.SelectMany(group => group.Faults))
        {
            var phases = fault.Cells.Select(cell => cell.Phase)
                .Concat(fault.Reasons.SelectMany(reason => reason.Phases)).Concat(fault.Rest?.Phases ?? []);
            Assert.Equal(Enum.GetValues<Phase>(), phases.Order());
        }
    }

    [Fact]
    public async Task Every_cell_ends_as_the_page_says()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the fakes of a model's process and of a GPU are Linux's");
        var only = Environment.GetEnvironmentVariable("HOTMODEL_FAULT");
        var cells = FaultList.Groups.SelectMany(group => group.Faults)
            .Where(fault => only is null || fault.Title.Contains(only, StringComparison.OrdinalIgnoreCase))
            .SelectMany(fault => fault.Cells).ToList();
        var shared = cells.Where(cell => !NeedsItsOwn(cell)).GroupBy(cell => cell.Fault.Kind)
            .SelectMany(kind => Workers(kind, kind.Key.Workers, queue => WorkAsync(kind.Key, queue)));
        var own = Workers(cells.Where(NeedsItsOwn), 4, WorkWithOwnAsync);
        await Task.WhenAll([.. shared, .. own]);

        Assert.True(problems.IsEmpty, string.Join("\n\n", problems));
        if (only is not null)
            return;
        Assert.True(cells.Count >= LeastCells, $"{cells.Count} cells");
        Golden.CheckFile(
            Path.Combine(Programs.RepositoryRoot, "docs", "faults.md"), FaultPage.Print(FaultList.Groups, outcomes, sentences));
    }

    /// <summary>Its HotModel does not outlast it, or is there only from it on.</summary>
    private static bool NeedsItsOwn(Cell cell) => cell.Phase is Phase.Starting or Phase.Stopping;

    /// <summary>The longest first: the shorter ones fill the gaps at the end.</summary>
    private static IEnumerable<Task> Workers(IEnumerable<Cell> cells, int most, Func<ConcurrentQueue<Cell>, Task> work)
    {
        var queue = new ConcurrentQueue<Cell>(cells.OrderByDescending(cell => cell.Seconds));
        return [.. Enumerable.Range(0, Math.Min(most, queue.Count)).Select(_ => Task.Run(() => work(queue)))];
    }

    private async Task WorkAsync(ServerKind kind, ConcurrentQueue<Cell> queue)
    {
        FaultServer? server = null;
        while (queue.TryDequeue(out var cell))
        {
            server ??= await FaultServer.StartAsync(kind);
            if (await PlayAsync(server, cell, server.ResetAsync))
                continue;
            // What a broken cell has left behind is not the next one's.
            await EndAsync(server, cell);
            server = null;
        }
        if (server is not null)
            await EndAsync(server, null);
    }

    private async Task WorkWithOwnAsync(ConcurrentQueue<Cell> queue)
    {
        while (queue.TryDequeue(out var cell))
        {
            var faults = cell.Phase == Phase.Stopping ? null : cell.Fault.IsAtOnce ? cell.Faults : "load-waits@a";
            var server = await FaultServer.StartAsync(cell.Fault.Kind, faults);
            await PlayAsync(server, cell, () => cell.Phase == Phase.Stopping ? server.ResetAsync() : Task.CompletedTask);
            await EndAsync(server, cell);
        }
    }

    private async Task<bool> PlayAsync(FaultServer server, Cell cell, Func<Task> prepare)
    {
        var words = new Words(server);
        try
        {
            await prepare();
            using var scene = new Scene(server, cell, words);
            var outcome = outcomes[cell] = await scene.PlayAsync();
            foreach (var sentence in words.Sentences)
                sentences.Add(sentence);
            TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{outcome.Seconds,6:0.00} s of {cell.Seconds}  {cell.Name}: {outcome}"));
            return true;
        }
        catch (Exception e)
        {
            problems.Add($"{cell.Name}: {e}\n{server.Process.Log}");
            return false;
        }
    }

    /// <summary>No process may be left.</summary>
    private async Task EndAsync(FaultServer server, Cell? cell)
    {
        try
        {
            await server.DisposeAsync();
        }
        catch (Exception e)
        {
            problems.Add($"end of {cell?.Name ?? "a server"}: {e}");
        }
    }
}
