using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using HotModel.Switching;

namespace HotModel.Service;

/// <summary>The program that started this one and wants to hear of it by sd_notify(3)'s protocol: systemd.</summary>
internal sealed class Supervisor : IDisposable
{
    private const string SocketVariable = "NOTIFY_SOCKET";
    private const string WatchdogVariable = "WATCHDOG_USEC";
    private const string WatchdogPidVariable = "WATCHDOG_PID";

    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    private readonly Socket socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
    private readonly EndPoint address;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private bool hasFailed;
    private volatile bool isReady;

    private Supervisor(EndPoint address, TimeSpan? watchdog, TimeProvider time, ILogger logger)
    {
        this.address = address;
        this.time = time;
        this.logger = logger;
        Watchdog = watchdog;
    }

    /// <summary>It ends us when it has heard nothing for so long; null: it does not.</summary>
    public TimeSpan? Watchdog { get; }

    /// <summary>
    /// Null: nobody wants to hear. What it says is taken out of the environment, so that no child speaks in our name.
    /// </summary>
    public static Supervisor? OfEnvironment(TimeProvider time, ILogger logger)
    {
        var path = Take(SocketVariable);
        var watchdog = Take(WatchdogVariable);
        var watched = Take(WatchdogPidVariable);
        if (path is null)
            return null;
        if (!OperatingSystem.IsLinux() || path is not ['/' or '@', _, ..])
        {
            ServiceLog.UnknownSocket(logger, SocketVariable, path);
            return null;
        }
        var isWatched = watched is null || watched == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        return new Supervisor(
            // A name without a file begins with a zero.
            new UnixDomainSocketEndPoint(path[0] == '@' ? '\0' + path[1..] : path),
            isWatched && long.TryParse(watchdog, NumberStyles.None, CultureInfo.InvariantCulture, out var micros) && micros > 0
                ? TimeSpan.FromMicroseconds(micros) : null,
            time, logger);
    }

    /// <summary>Tells what happens until it is cancelled.</summary>
    /// <param name="lanes">Whose life it is.</param>
    /// <param name="loadLimit">How long a load may take.</param>
    /// <param name="cancel">Ends it.</param>
    public Task RunAsync(ModelLanes lanes, TimeSpan loadLimit, CancellationToken cancel) =>
        Task.WhenAll(TellAsync(lanes, loadLimit, cancel), WatchAsync(lanes, cancel));

    /// <param name="answersLimit">How long the stop waits for running answers.</param>
    public void TellStop(TimeSpan answersLimit) => Send(SupervisorWord.Stopping(answersLimit));

    /// <summary>
    /// Tells of a reload around it. Who was not ready before it says nothing: it would be called ready behind it.
    /// </summary>
    public async Task TellReloadAsync(Func<Task> reload)
    {
        var wasReady = isReady;
        if (wasReady)
            Send(SupervisorWord.Reloading(time.GetElapsedTime(0)));
        try
        {
            await reload();
        }
        finally
        {
            if (wasReady)
                Send(SupervisorWord.Ready);
        }
    }

    public void Dispose() => socket.Dispose();

    private async Task TellAsync(ModelLanes lanes, TimeSpan loadLimit, CancellationToken cancel)
    {
        using var subscription = lanes.Feed.Subscribe();
        var told = default(SupervisorWord);
        try
        {
            await TellOneAsync(lanes.Status);
            await foreach (var news in subscription.Reader.ReadAllAsync(cancel))
            {
                if (news is PhaseNews phase)
                    await TellOneAsync(phase.Status);
            }
        }
        catch (OperationCanceledException)
        {
            // Nobody stops for it.
        }

        async Task TellOneAsync(SwitchStatus now)
        {
            (told, var message) = told.Next(now, loadLimit);
            isReady = told.IsReady;
            // A supervisor whose queue is full would wait for READY=1 in vain.
            while (message is not null && !cancel.IsCancellationRequested && !Send(message))
                await Task.Delay(Retry, time, cancel);
        }
    }

    /// <summary>Only a program whose switch loop goes round is alive: who hangs there is started anew.</summary>
    private async Task WatchAsync(ModelLanes lanes, CancellationToken cancel)
    {
        if (Watchdog is not { } limit)
            return;
        // Half of it, as sd_watchdog_enabled(3) recommends.
        using var timer = new PeriodicTimer(limit / 2, time);
        try
        {
            do
            {
                await lanes.PassAsync().WaitAsync(cancel);
                Send(SupervisorWord.Alive);
            }
            while (await timer.WaitForNextTickAsync(cancel));
        }
        catch (OperationCanceledException)
        {
            // Nobody stops for it.
        }
    }

    /// <summary>False: it did not arrive.</summary>
    private bool Send(string message)
    {
        try
        {
            lock (socket)
                socket.SendTo(Encoding.UTF8.GetBytes(message), address);
            return true;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            if (!hasFailed)
                ServiceLog.NotTold(logger, e.Message);
            hasFailed = true;
            return false;
        }
    }

    private static string? Take(string variable)
    {
        var value = Environment.GetEnvironmentVariable(variable);
        Environment.SetEnvironmentVariable(variable, null);
        return string.IsNullOrEmpty(value) ? null : value;
    }
}
