using System.Diagnostics;

namespace HotModel.FunctionalTests.FaultTable;

/// <summary>Brings a HotModel into a phase, holds it there until the clients are there, strikes, and sees what comes of it.</summary>
internal sealed class Scene(FaultServer server, Cell cell, Words words) : IDisposable
{
    private readonly List<TalkingClient> clients = [];
    private TalkingClient? running, waiting;
    private Task<Reply>? switching;
    private long struck;

    private Fault Fault => cell.Fault;

    /// <summary>
    /// Clients want a stream where it breaks in the middle. Elsewhere not: a stream that has waited for a quarter of a
    /// second has its head, and an error is then an event instead of a status.
    /// </summary>
    private bool IsStream => !Fault.IsBeforeAnswer && running is null
        && cell.Phase is Phase.Answering or Phase.Draining or Phase.Stopping or Phase.FirstAnswer;

    /// <exception cref="Exception">Something is not as it must be, or comes too late.</exception>
    public async Task<Outcome> PlayAsync()
    {
        var mark = server.Mark();
        if (cell.Prelude.Length > 0)
            struck = Stopwatch.GetTimestamp();
        await (cell.Phase switch
        {
            Phase.Starting => StartingAsync(),
            Phase.Idle => IdleAsync(),
            Phase.Answering => AnsweringAsync(),
            Phase.Draining => DrainingAsync(),
            Phase.Unloading => UnloadingAsync(mark),
            Phase.Settling => SettlingAsync(),
            Phase.Loading or Phase.FirstAnswer => LoadingAsync(mark),
            Phase.RollingBack => RollingBackAsync(mark),
            Phase.BringingBack => BringingBackAsync(mark),
            Phase.Stopping => StoppingAsync(),
        });
        var outcome = new Outcome
        {
            Switch = switching is null ? null : words.Of(await InTimeAsync(switching, "the switch")),
            Running = running is null ? null : await InTimeAsync(EndAsync(running), "the running answer"),
            Waiting = waiting is null ? null : await InTimeAsync(waiting.Told, "who waits"),
            Next = cell.Phase == Phase.Stopping
                ? $"HotModel ends, status {await InTimeAsync(server.Process.StopAsync(), "the end of HotModel")}"
                : await InTimeAsync(NextAsync(), "the next request"),
            Seconds = Stopwatch.GetElapsedTime(struck).TotalSeconds,
        };
        Assert.Null(server.Overlap(mark));
        if (cell.Phase != Phase.Stopping)
            await NothingHeldAsync();
        return outcome;
    }

    public void Dispose() => clients.ForEach(client => client.Dispose());

    private async Task StartingAsync()
    {
        if (!Fault.IsAtOnce)
            await server.LoggedAsync("load a", 0);
        waiting = Begin(IsStream);
        if (!Fault.IsAtOnce)
            await server.StateAsync("waiting_chats", "1");
        await StrikeAsync();
    }

    private async Task IdleAsync()
    {
        await StrikeAsync();
        waiting = Begin(IsStream);
    }

    private async Task AnsweringAsync()
    {
        await RunAsync();
        await StrikeAsync();
    }

    private async Task DrainingAsync()
    {
        await RunAsync();
        await SwitchAsync("draining");
        await WaitAsync();
        await StrikeAsync();
    }

    private async Task UnloadingAsync(int mark)
    {
        if (Fault.IsAtOnce)
        {
            await StrikeAsync();
            await SwitchAsync(null);
            await server.LoggedAsync("unload a", mark);
            waiting = Begin(IsStream);
            return;
        }
        server.Set(FaultServer.Join("unload-waits@a", cell.Prelude));
        await SwitchAsync("unloading");
        await server.LoggedAsync("unload a", mark);
        await WaitAsync();
        await StrikeAsync();
    }

    private async Task SettlingAsync()
    {
        await SwitchAsync("settling");
        await WaitAsync();
        await StrikeAsync();
    }

    private async Task LoadingAsync(int mark)
    {
        server.Set(FaultServer.Join(Fault.IsAtOnce ? "unload-waits@a" : "load-waits@b", cell.Prelude));
        await SwitchAsync(Fault.IsAtOnce ? "unloading" : "loading");
        await server.LoggedAsync(Fault.IsAtOnce ? "unload a" : "load b", mark);
        await WaitAsync();
        await StrikeAsync();
    }

    private async Task RollingBackAsync(int mark)
    {
        var prelude = cell.Prelude.Length > 0 ? cell.Prelude : FaultList.FailsB;
        server.Set(Fault.IsAtOnce ? "load-waits@b" : FaultServer.Join("load-waits@a", prelude));
        await SwitchAsync(null);
        await server.LoggedAsync(Fault.IsAtOnce ? "load b" : "load a", mark);
        await WaitAsync();
        await StrikeAsync(Fault.IsAtOnce ? prelude : "");
    }

    private async Task BringingBackAsync(int mark)
    {
        server.Set(FaultServer.Join(Fault.IsAtOnce ? cell.Faults : "load-waits@a", cell.Prelude));
        await server.KillAsync(Victim.Model);
        if (!Fault.IsAtOnce)
            await server.LoggedAsync("load a", mark);
        waiting = Begin(IsStream);
        if (!Fault.IsAtOnce)
            await server.StateAsync("waiting_chats", "1");
        await StrikeAsync();
    }

    private async Task StoppingAsync()
    {
        await RunAsync();
        ProcessTree.Send(server.Process.Pid, Signal.Terminate);
        await server.ClosedAsync();
        waiting = Begin(IsStream);
        await StrikeAsync();
    }

    /// <summary>An answer that has begun, or is about to.</summary>
    private async Task RunAsync()
    {
        var mark = server.Mark();
        server.Set(FaultServer.Join(Fault.IsBeforeAnswer ? "chat-waits@a" : "stream-waits@a", cell.Prelude));
        running = Begin(IsStream);
        await (Fault.IsBeforeAnswer ? server.LoggedAsync("chat a", mark) : running.Begun);
    }

    private async Task SwitchAsync(string? phase)
    {
        switching = server.Api.SwitchAsync("b", Fault.IsForced);
        if (phase is not null)
            await server.StateAsync("phase", phase);
    }

    private async Task WaitAsync()
    {
        waiting = Begin(IsStream);
        await server.StateAsync("waiting_chats", "1");
    }

    private async Task StrikeAsync(string also = "")
    {
        if (struck == 0)
            struck = Stopwatch.GetTimestamp();
        // A process dies before what is held goes on.
        await server.KillAsync(Fault.Victim);
        server.Set(FaultServer.Join(also, cell.Faults));
        if (Fault.VideoMemory is { } memory)
            server.VideoMemory = memory;
        if (Fault.KillsIdle && cell.Phase == Phase.Idle)
            await server.KillAsync(Victim.Model);
    }

    private Task<string> EndAsync(TalkingClient client)
    {
        if (Fault.ClientLeaves)
            client.Leave();
        return client.Told;
    }

    private async Task<string> NextAsync()
    {
        string told;
        do
            told = await Begin(isStream: false).Told;
        while (Fault.IsAskedAgain && !told.StartsWith("whole", StringComparison.Ordinal));
        return told;
    }

    private TalkingClient Begin(bool isStream)
    {
        var client = new TalkingClient(server, words, isStream);
        clients.Add(client);
        return client;
    }

    private async Task<T> InTimeAsync<T>(Task<T> told, string what)
    {
        var left = TimeSpan.FromSeconds(cell.Seconds) - Stopwatch.GetElapsedTime(struck);
        try
        {
            return await told.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"not within {cell.Seconds} s: {what}");
        }
    }

    private async Task NothingHeldAsync()
    {
        await server.StateAsync("inflight_chats", "0");
        await server.StateAsync("waiting_chats", "0");
        foreach (var client in clients)
            Assert.Null(await client.StoredAsync());
    }
}
